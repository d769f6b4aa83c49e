"""Replaces a file where there is no rename: write a copy, verify it, delete the file, write it, delete the copy.

From a voice-agent SDK whose storage has exists, read, write and delete alone. Recovery takes the copy where the file is
missing or damaged, and leaves the file so until the next save. That begins by emptying the copy: then nothing is whole.
Run: python3 forward_journal.py DIR init, then python3 forward_journal.py DIR; check: check.py DIR forward_journal"""

import json

import store


def copy_of(path):
    return path.with_name(path.name + ".tmp")


def save(path, state):
    text = json.dumps(state)
    copy = copy_of(path)
    copy.write_text(text)
    written = copy.read_text()
    if len(written) != len(text) or json.loads(written) != state:
        raise OSError(f"{copy} is not what was written")
    path.unlink(missing_ok=True)
    path.write_text(text)
    copy.unlink()


def load(path):
    try:
        return store.load(path)
    except (OSError, ValueError) as damage:
        try:
            return store.load(copy_of(path))
        except (OSError, ValueError):
            raise damage from None


if __name__ == "__main__":
    store.run(save, load)
