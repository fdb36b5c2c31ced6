"""Reads files that may be damaged, and remembers which are: each is logged once, and not at every request."""

import logging
from pathlib import Path
from typing import Any

from huggingface_ner.json_values import read_json

logger = logging.getLogger(__name__)


class Damages:
    """The files and folders that were damaged at the last attempt, and the message logged about each."""

    def __init__(self) -> None:
        self._logged: dict[Path, str] = {}

    def found(self, path: Path, message: str) -> None:
        """Log what is wrong with a path, unless the last message about it was the same."""
        if not self.is_known(path, message):
            self._logged[path] = message
            logger.error("%s", message)

    def is_known(self, path: Path, message: str) -> bool:
        """Return whether a message is the last one that was logged about a path, which was not repaired since."""
        return self._logged.get(path) == message

    def repaired(self, path: Path) -> None:
        """Note that nothing is wrong with a path, and log it if something was."""
        if self._logged.pop(path, None) is not None:
            logger.info("%s is all right again", path)


# Shared by all stores of this process.
damages = Damages()


def read_object(path: Path, consequence: str, *, is_optional: bool = True) -> dict[str, Any]:
    """Return the JSON object in a file of a version; if the file is damaged, log this and return {}.

    consequence: the end of the log message, which says what the damage means for people.
    is_optional: whether a version may lack the file. In that case, a missing file gives {} and is not logged.
    Nothing is logged either if the version's folder is missing, because the version was deleted meanwhile.
    """
    try:
        content = read_json(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        is_absent = is_optional and isinstance(error, FileNotFoundError)
        if not is_absent and path.parent.is_dir():
            damages.found(path, f"{path} cannot be read ({error}): {consequence}")
        return {}
    if not isinstance(content, dict):
        damages.found(path, f"{path} is not a JSON object: {consequence}")
        return {}
    damages.repaired(path)
    return content
