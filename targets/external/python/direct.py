"""Saves as most programs do: open the file with "w", which empties it at once, and stream the new content into it.

From the market-data gateway whose fill log was 0 bytes long after a kill: from the open to the last of the writes, of
about 8 KiB each, the old state is gone and the new one is not there yet.
Run: python3 direct.py DIR init, then python3 direct.py DIR"""

import json

from store import run


def save(path, state):
    with open(path, "w") as file:
        json.dump(state, file)


if __name__ == "__main__":
    run(save)
