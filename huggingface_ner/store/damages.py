"""Remembers which files and folders are damaged, so that each is logged once and not at every request."""

import logging
from pathlib import Path

logger = logging.getLogger(__name__)


class Damages:
    """The files and folders that could not be read at the last attempt, and the message logged about each."""

    def __init__(self) -> None:
        self._logged: dict[Path, str] = {}

    def found(self, path: Path, message: str) -> None:
        """Log what is wrong with a path, unless the last message about it was the same."""
        if self._logged.get(path) != message:
            self._logged[path] = message
            logger.error("%s", message)

    def repaired(self, path: Path) -> None:
        """Note that a path can be read, and log it if the path could not be read before."""
        if self._logged.pop(path, None) is not None:
            logger.info("%s can be read again", path)


# Shared by all stores of this process.
damages = Damages()
