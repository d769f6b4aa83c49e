"""As atomic.py, and synced: the content before the rename, the directory after it.

What a save takes to survive a power loss too: the name never leads to less than the whole content, and leads to the new
one once the save returns. It is for one writer, as the temporary's name is fixed.
Run: python3 atomic_fsync.py DIR init, then python3 atomic_fsync.py DIR"""

import json
import os

from store import run


def save(path, state):
    temporary = path.with_name(path.name + ".tmp")
    with open(temporary, "w") as file:
        json.dump(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    sync_directory(path.parent)


def sync_directory(directory):
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    run(save)
