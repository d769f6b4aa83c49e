"""A pytest fixture: `crashtest(writer=[...], check=[...])` fails a test whose program breaks a claim, and says why.

`{dir}` in an argument is the state directory. Other options are those of `crashtest run`: `max_states=500` or,
for a flag, `cwd=True`.
In conftest.py: `from crashtest_pytest import crashtest`. CRASHTEST_BIN names the program, else it is on PATH."""

import json
import os
import shlex
import shutil
import subprocess

import pytest


@pytest.fixture
def crashtest(tmp_path):
    binary = shutil.which(os.getenv("CRASHTEST_BIN", "crashtest")) or pytest.skip("no crashtest: set CRASHTEST_BIN")

    def run(writer, check=None, setup=None, faults="sweep", **options):
        commands = {"setup": setup, "check": check}
        options |= {name: shlex.join(words).replace("'{dir}'", "{dir}") for name, words in commands.items() if words}
        options |= {"fault": faults, "out": tmp_path, "output_format": "json"}
        flags = [f"--{name.replace('_', '-')}" + ("" if value is True else f"={value}") for name, value in options.items()]
        ended = subprocess.run([binary, "run", "--quiet", *flags, "--", *writer], capture_output=True, text=True)
        if ended.returncode in (1, 3):
            pytest.fail("\n".join(explain(json.loads(ended.stdout))), pytrace=False)
        if ended.returncode != 0:
            pytest.fail(f"crashtest ended with status {ended.returncode}\n{ended.stderr}", pytrace=False)

    return run


def explain(summary):
    yield {1: "a crash broke a claim", 3: "inconclusive: the run shows nothing"}[summary["exit_code"]]
    for row in summary["results"]:
        yield f"{row['fault']}: " + ", ".join(f"{seen['count']} {verdict}" for verdict, seen in row["verdicts"].items())
        yield from (f"  gate: {reason}" for reason in row["gate"]["reasons"])
        for found in row["findings"]:
            yield f"  {found['verdict']}, {found['count']} times: {found['signature']}"
            yield from (f"    {key}: {found[key]}" for key in ("explanation", "fix", "replay") if found[key])
