"""Makes the fixture `crashtest` known to the tests in this directory."""

from crashtest_pytest import crashtest  # noqa: F401
