"""Keeps files below one base directory, each synced and replaced whole; what it cannot read back is an error.

The market-data gateway's, after its reconciler had been handed an empty log. Names that leave the base are refused.
Run: python3 path_storage.py DIR init, then python3 path_storage.py DIR; check: python3 check.py DIR path_storage"""

import json
import os

from store import run


class StorageCorruptionError(ValueError): ...


def below(base, name):
    path = (base / name).resolve()
    if base.resolve() not in path.parents:
        raise PermissionError(f"{name} leads out of {base}")
    return path


def load(path):
    try:
        return json.loads(below(path.parent, path.name).read_text())
    except (FileNotFoundError, ValueError) as damage:
        raise StorageCorruptionError(f"{path.name}: {damage}") from damage


def save(path, state):
    path = below(path.parent, path.name)
    temporary = path.with_name(path.name + ".tmp")
    with open(temporary, "w") as file:
        json.dump(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


if __name__ == "__main__":
    run(save, load)
