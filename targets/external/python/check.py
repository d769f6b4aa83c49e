"""Says in one line of the protocol what a writer would find in a directory if it started now.

It loads as the writer does. What loads must be exactly the state after the operation whose number it carries.
Run: python3 check.py DIR, or for a writer with a `load` of its own: python3 check.py DIR forward_journal"""

import sys
from importlib import import_module
from pathlib import Path

from store import say, state_after


def found(directory, writer="store"):
    try:
        state = import_module(writer).load(Path(directory, "fills.json"))
    except (OSError, ValueError) as damage:
        return f"refused {damage}"
    match state:
        case {"sequence": int(n)} if state == state_after(n):
            return f"state {n}"
        case {"sequence": n}:
            return f"garbage numbered {n}, which is not what operation {n} made"
        case _:
            return "garbage without a sequence number"


if __name__ == "__main__":
    say(found(*sys.argv[1:]))
