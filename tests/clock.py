"""A clock for tests."""

from dataclasses import dataclass


@dataclass
class Clock:
    """A time in seconds that stands still until a test moves it."""

    now: float
