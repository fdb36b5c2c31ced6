"""What is known to be damaged on disk, so that the log says it once and not at every request."""

import logging
from pathlib import Path

logger = logging.getLogger(__name__)


class Damages:
    """Files and folders that could not be read when they were last looked at, and what was logged of each."""

    def __init__(self) -> None:
        self._logged: dict[Path, str] = {}

    def found(self, path: Path, message: str) -> None:
        """Log what is wrong with a path, unless that is what was logged of it last."""
        if self._logged.get(path) != message:
            self._logged[path] = message
            logger.error("%s", message)

    def repaired(self, path: Path) -> None:
        """Take note that a path can be read."""
        if self._logged.pop(path, None) is not None:
            logger.info("%s can be read again", path)


# This process's.
damages = Damages()
