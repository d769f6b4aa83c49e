"""Crash tests among other tests: one writer that must survive every kill, and one that must not, and is caught.

The first is what a project writes for its own program, the second shows what it would then see.
Run: CRASHTEST_BIN=target/release/crashtest python3 -m pytest targets/external/python"""

import sys
from pathlib import Path

import pytest


def program(name, *arguments):
    return [sys.executable, str(Path(__file__).with_name(name)), "{dir}", *arguments]


def test_a_rename_survives_every_kill(crashtest):
    crashtest(setup=program("atomic.py", "init"), writer=program("atomic.py"), check=program("check.py"))


def test_a_truncated_file_is_caught(crashtest):
    with pytest.raises(pytest.fail.Exception) as failure:
        crashtest(setup=program("direct.py", "init"), writer=program("direct.py"), check=program("check.py"))
    assert "torn" in str(failure.value)
    assert "replay: crashtest replay " in str(failure.value)
