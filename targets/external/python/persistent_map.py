"""Acknowledges a state once it waits to be written: a thread in the background writes the newest that waits.

From a trading bot whose orders must not wait for the disk. So an ack is a promise that nobody keeps yet, and a kill
takes what waits; a clean exit, also one asked for by SIGTERM, writes it first. (The bot keeps three pickle files.)
Run: python3 persistent_map.py DIR init, then python3 persistent_map.py DIR"""

import signal
import sys
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

import atomic
from store import run


class PersistentMap:
    def __init__(self, background):
        self.background = background
        self.waiting = deque(maxlen=1)  # a newer state pushes out the older one

    def save(self, path, state):
        self.waiting.append((path, state))
        self.background.submit(self.write_newest).add_done_callback(Future.result)  # its failure goes to the log

    def write_newest(self):
        if self.waiting:
            atomic.save(*self.waiting.pop())


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with ThreadPoolExecutor(max_workers=1) as background:  # drained on leaving; one thread: nothing overtakes
        run(PersistentMap(background).save)
