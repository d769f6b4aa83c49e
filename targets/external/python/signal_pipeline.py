"""Replaces a state file by a temporary one: the helper that a signal pipeline gave to all of its state files.

An audit had found five of them, four written with `write_text` alone. Note `with_suffix`, which replaces the suffix
and does not add one: `fills.json` and `fills.yaml` would share the temporary `fills.tmp`. Nothing is synced.
Run: python3 signal_pipeline.py DIR init, then python3 signal_pipeline.py DIR"""

import json
import os

from store import run


def write_state_atomic(path, state):
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(state))
    os.replace(temporary, path)


if __name__ == "__main__":
    run(write_state_atomic)
