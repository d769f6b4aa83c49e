"""Opens a trade under one lock: read the log, ask the risk rules, replace the log, look at what was saved.

From autonomous trading agents, whose scanner and position monitor write one log. The lock is held from the read to the
look, so that neither decides by a log that the other has changed since. Nothing is synced.
Run: python3 trade_store.py DIR init, then python3 trade_store.py DIR"""

import fcntl
import json
import os
import sys
from contextlib import contextmanager

from store import load, run


@contextmanager
def locked(path):
    with open(path.with_name("fills.lock"), "a") as lock:  # closing it lets go
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def save(path, state):
    trade = state["fills"][-1]
    with locked(path):
        log = load(path)
        if trade["id"] in (other["id"] for other in log["fills"]):
            raise ValueError(f"{trade['id']} is open already")
        log = {"sequence": log["sequence"] + 1, "fills": log["fills"][1:] + [trade]}
        temporary = path.with_name(path.name + ".tmp")
        with open(temporary, "w") as file:
            json.dump(log, file)
        os.replace(temporary, path)
        if load(path) != log:  # an alert: the trade is open at the broker already
            print(f"{path} is not what was saved", file=sys.stderr)


if __name__ == "__main__":
    run(save)
