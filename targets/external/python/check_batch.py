"""check.py for many directories in one process: reads one a line, answers each with one line of the protocol.

It spares the start of an interpreter for each crash state. The answers come in the order of the lines.
Run: python3 check_batch.py, or for a writer with a `load` of its own: python3 check_batch.py forward_journal"""

import sys

from check import found
from store import say

for line in sys.stdin:
    say(found(line.rstrip("\n"), *sys.argv[1:]))
