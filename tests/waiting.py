"""Waiting for a state, never for a time."""

import time
from collections.abc import Callable

TIMEOUT = 120.0


def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds; fails after TIMEOUT seconds, which is for what never happens."""
    end = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
