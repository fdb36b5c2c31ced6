"""Remembers what is damaged on disk, so that it is logged once and not at every request."""

import logging
from pathlib import Path

logger = logging.getLogger(__name__)


class Damages:
    """Files and folders that could not be read the last time, and what was logged about each."""

    def __init__(self) -> None:
        self._logged: dict[Path, str] = {}

    def found(self, path: Path, message: str) -> None:
        """Log what is wrong with a path, unless the same was logged last."""
        if self._logged.get(path) != message:
            self._logged[path] = message
            logger.error("%s", message)

    def repaired(self, path: Path) -> None:
        """Note that a path can be read; logged if it could not before."""
        if self._logged.pop(path, None) is not None:
            logger.info("%s can be read again", path)


# Shared by all stores of this process.
damages = Damages()
