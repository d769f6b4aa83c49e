"""Saves to a temporary file beside the real one and renames it over that: a kill leaves the old state or the new one.

The repair that the published accounts have in common. It is for one writer, as the temporary's name is fixed, and
against kills alone: nothing is synced, so that a power loss may still leave an empty file.
Run: python3 atomic.py DIR init, then python3 atomic.py DIR"""

import json
import os

from store import run


def save(path, state):
    temporary = path.with_name(path.name + ".tmp")
    with open(temporary, "w") as file:
        json.dump(state, file)
    os.replace(temporary, path)


if __name__ == "__main__":
    run(save)
