"""What the Python writers have in common: the store that they keep, and their side of the line protocol.

`fills.json` holds the newest 550 fills of an account. An operation appends a fill and drops the oldest, so that the
state after operation N follows from N alone: a checker makes it again and compares. A writer calls `run` with its
`save(path, state)`, and with its `load(path)` where it has one of its own."""

import json
import sys
from pathlib import Path


def fill(i):
    cents = 10_000 + i * 7_919 % 90_000
    symbol, price = ["AAPL", "AMD", "MSFT", "NVDA", "TSLA"][i % 5], f"{cents // 100}.{cents % 100:02}"
    return {"id": f"F-{i:06}", "symbol": symbol, "side": "BUY", "quantity": 100 + i * 37 % 900, "price": price}


def state_after(n):
    return {"sequence": n, "fills": [fill(i) for i in range(n, n + 550)]}


def load(path):
    return json.loads(path.read_text())  # missing, empty or cut short: an error, never an empty default


def say(words):
    print("crashtest:", words, flush=True)


def run(save, load=load):
    directory, *command = sys.argv[1:] or sys.exit(f"usage: {sys.argv[0]} DIR [init]")
    path = Path(directory, "fills.json")
    if command == ["init"]:  # nothing crashes yet: a plain write will do
        return path.write_text(json.dumps(state_after(0)))
    sequence = load(path)["sequence"]
    say("ready")
    for n in range(sequence + 1, sequence + 5):
        say(f"begin {n}")
        save(path, state_after(n))
        say(f"ack {n}")
