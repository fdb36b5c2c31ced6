"""Waits until a condition holds, instead of for a fixed time."""

import time
from collections.abc import Callable

TIMEOUT = 120.0


def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds; fail after TIMEOUT seconds, so that a test does not wait for ever."""
    end = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
