"""Entries of projects in Redis that cannot be read: each affects only its project; it is logged once an hour."""

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

# What Redis answers if a key or a field is not what we have written.
_DAMAGE = re.compile("WRONGTYPE|.* is not (an integer|a (valid )?float)")


def is_damage(error: Exception) -> bool:
    """Return whether an error says that an entry cannot be read; other errors say that Redis does not work."""
    if isinstance(error, ResponseError):
        return _DAMAGE.match(str(error)) is not None
    return isinstance(error, ValueError | KeyError | TypeError)


def advice(key: str, error: Exception) -> str:
    """Return what is wrong with an entry, without its content, and what to do about it."""
    kind = str(error) if isinstance(error, ResponseError) else type(error).__name__
    return (
        f"its entry in Redis cannot be read ({kind}): delete the key {key}, for example with redis-cli; the next "
        "annotation then makes a new entry"
    )


class DamagedEntries:
    """The entries that could not be read; each is logged again after LOG_INTERVAL."""

    def __init__(self) -> None:
        self._logged: dict[str, float] = {}  # when each message was logged

    @contextmanager
    def skipped(self, project_id: int, key: str) -> Iterator[None]:
        """If the with block cannot read an entry, log that once, and go on after the block."""
        try:
            yield
        except Exception as error:
            if not is_damage(error):
                raise
            message = f"project {project_id}: {advice(key, error)}"
            now = time.monotonic()
            if now - self._logged.get(message, -math.inf) > LOG_INTERVAL:
                if len(self._logged) >= MAX_MESSAGES:
                    self._logged.clear()
                self._logged[message] = now
                logger.error("%s", message)
