"""Handles entries in Redis that cannot be used: each affects only its project, and is logged once an hour."""

import logging
import math
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from json import JSONDecodeError

from pydantic import ValidationError
from redis.exceptions import ResponseError

LOG_INTERVAL = 3600.0  # seconds
MAX_MESSAGES = 1_000

logger = logging.getLogger(__name__)

# Redis's error messages for a key or a field that does not have the form in which we write it.
_DAMAGE = re.compile("(.* caused error: )?WRONGTYPE|.* is not (an integer|a (valid )?float)")
# The messages of int() and float() for a text that is not a number, and of read_json for one that is too large.
_NO_NUMBER = re.compile(
    "invalid literal for int|could not convert string to float|cannot convert float NaN|Exceeds the limit|"
    "a number has more than"
)
# What a text raises that is not in the form in which we write it.
_UNREADABLE = UnicodeDecodeError | JSONDecodeError | ValidationError | OverflowError | RecursionError
# Errors that a bug raises, in this package or in RQ. They affect one entry, like damage.
_FAULTS = ValueError | LookupError | TypeError
MAX_MESSAGE = 300


def is_damage(error: Exception) -> bool:
    """Return whether an error means that an entry is damaged.

    Any other error means that Redis does not work, or that there is a bug.
    """
    if isinstance(error, ResponseError):
        return _DAMAGE.match(str(error)) is not None
    return isinstance(error, _UNREADABLE) or (
        isinstance(error, ValueError) and _NO_NUMBER.match(str(error)) is not None
    )


def affects_one_entry(error: Exception) -> bool:
    """Return whether an error affects one entry only, because the entry is damaged or because of a bug."""
    return is_damage(error) or isinstance(error, _FAULTS)


def explanation(key: str, error: Exception) -> str:
    """Return a message about an error that affects one entry, and what to do.

    If the entry is damaged, the message does not quote it; the message of a bug may.
    """
    if not is_damage(error):
        return f"the entry {key} in Redis is passed over: {type(error).__name__}: {str(error)[:MAX_MESSAGE]}"
    kind = str(error) if isinstance(error, ResponseError) else type(error).__name__
    return (
        f"its entry in Redis cannot be read ({kind}): delete the key {key}, for example with redis-cli; the next "
        "annotation then makes a new entry"
    )


class DamagedEntries:
    """The entries that could not be used; each is logged again after LOG_INTERVAL."""

    def __init__(self) -> None:
        self._logged: dict[str, float] = {}  # the time at which each message was logged

    @contextmanager
    def skipped(self, project_id: int | None, key: str) -> Iterator[None]:
        """If the with block fails at one entry, log this once per LOG_INTERVAL and continue after the block.

        project_id: the project of the entry; None if all projects share it.
        """
        try:
            yield
        except Exception as error:
            if not affects_one_entry(error):
                raise
            whose = "all projects" if project_id is None else f"project {project_id}"
            message = f"{whose}: {explanation(key, error)}"
            now = time.monotonic()
            if now - self._logged.get(message, -math.inf) > LOG_INTERVAL:
                if len(self._logged) >= MAX_MESSAGES:
                    self._logged.clear()
                self._logged[message] = now
                logger.error("%s", message)
