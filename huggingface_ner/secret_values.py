"""Reads the secrets among the settings, which may be stored in files, and keeps them out of messages."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Settings whose value may be stored in a file; the setting NAME_FILE names the file.
SECRETS = ("basic_auth_pass", "label_studio_api_key", "redis_url")

# The parts of a URL, valid or not, that may contain a password.
_CREDENTIALS = re.compile(r"(?<=://).*@|^.*@|(?<=\?).*", re.DOTALL)


def with_secret_files(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of settings, with secrets read from the files that are named; raises ValueError."""
    found = dict(values)
    for name in SECRETS:
        path = values.get(f"{name}_file")
        if path is None:
            continue
        if values.get(name) is not None:
            raise ValueError(f"{name.upper()} and {name.upper()}_FILE: set only one of them")
        found[name] = _read_secret(f"{name.upper()}_FILE", Path(path))
    return found


def shown_value(name: str, value: object) -> str | None:
    """Return the value of a setting as a message may show it; None if the whole value may be a secret."""
    given = str(value)
    # a URL is a secret only if it contains a password; a value that is not a URL may be a password
    if isinstance(value, Mapping) or (name in SECRETS and "://" not in given):
        return None
    return _CREDENTIALS.sub("***", given)


def _read_secret(name: str, path: Path) -> str:
    """Return a file's content without the line ends at its end; raises ValueError, without quoting the content."""
    try:
        secret = path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeError) as error:
        raise ValueError(f"{name}={path}: cannot be read ({type(error).__name__}); check the path") from None
    if not secret:
        raise ValueError(f"{name}={path}: the file is empty")
    return secret
