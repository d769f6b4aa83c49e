#!/usr/bin/env python3
"""A bot that never ends, as they are written with asyncio: positions, a signal, fills in SQLite, a log.

Called as `ticker_bot.py DIR`. `positions.json` is written over (a kill can leave it torn or empty), `signal.json` is replaced by a rename, fills go
to `fills.db`, and `bot.log` is appended to.
"""

import asyncio
import json
import os
import sqlite3
import sys
import time

DIR = sys.argv[1]


def in_dir(name):
    return os.path.join(DIR, name)


def save_over(name, value):
    with open(in_dir(name), "w") as file:
        json.dump(value, file)


def save_by_rename(name, value):
    with open(in_dir(name + ".tmp"), "w") as file:
        json.dump(value, file)
    os.replace(in_dir(name + ".tmp"), in_dir(name))


def log(line):
    with open(in_dir("bot.log"), "a") as file:
        file.write(f"{time.time():.3f} {line}\n")


async def positions():
    for n in range(10**9):
        save_over("positions.json", {"n": n, "at": time.time(), "held": {f"S{k}": n + k for k in range(800)}})
        await asyncio.sleep(0.2)


async def signals():
    for n in range(10**9):
        save_by_rename("signal.json", {"n": n, "at": time.time()})
        log(f"signal {n}")
        await asyncio.sleep(0.3)


async def fills():
    db = sqlite3.connect(in_dir("fills.db"))
    db.execute("create table if not exists fills(n integer primary key, at real)")
    for _ in range(10**9):
        db.execute("insert into fills(at) values(?)", (time.time(),))
        db.commit()
        await asyncio.sleep(0.25)


async def main():
    await asyncio.gather(positions(), signals(), fills())


asyncio.run(main())
