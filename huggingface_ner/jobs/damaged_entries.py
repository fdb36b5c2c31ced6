"""Handles entries in Redis that cannot be read: each affects only its project, and is logged once an hour."""

import logging
import math
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

from redis.exceptions import ResponseError

LOG_INTERVAL = 3600.0  # seconds
MAX_MESSAGES = 1_000

logger = logging.getLogger(__name__)

# Redis's error messages for a key or a field that does not have the form in which we write it.
_DAMAGE = re.compile("(.* caused error: )?WRONGTYPE|.* is not (an integer|a (valid )?float)")


def is_damage(error: Exception) -> bool:
    """Return whether an error means that an entry is damaged; any other error means that Redis does not work."""
    if isinstance(error, ResponseError):
        return _DAMAGE.match(str(error)) is not None
    return isinstance(error, ValueError | KeyError | TypeError | OverflowError)


def advice(key: str, error: Exception) -> str:
    """Return a message that says what is wrong with an entry and what to do; it does not quote the entry."""
    kind = str(error) if isinstance(error, ResponseError) else type(error).__name__
    return (
        f"its entry in Redis cannot be read ({kind}): delete the key {key}, for example with redis-cli; the next "
        "annotation then makes a new entry"
    )


class DamagedEntries:
    """The entries that could not be read; each is logged again after LOG_INTERVAL."""

    def __init__(self) -> None:
        self._logged: dict[str, float] = {}  # the time at which each message was logged

    @contextmanager
    def skipped(self, project_id: int | None, key: str) -> Iterator[None]:
        """If the with block cannot read an entry, log this once per LOG_INTERVAL and continue after the block.

        project_id: the project of the entry; None if all projects share it.
        """
        try:
            yield
        except Exception as error:
            if not is_damage(error):
                raise
            whose = "all projects" if project_id is None else f"project {project_id}"
            message = f"{whose}: {advice(key, error)}"
            now = time.monotonic()
            if now - self._logged.get(message, -math.inf) > LOG_INTERVAL:
                if len(self._logged) >= MAX_MESSAGES:
                    self._logged.clear()
                self._logged[message] = now
                logger.error("%s", message)
