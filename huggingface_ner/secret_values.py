"""Reads the secrets among the settings, which may be stored in files, and keeps them out of messages."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

# Settings whose value may be stored in a file; the setting NAME_FILE names the file.
SECRETS = ("basic_auth_pass", "label_studio_api_key", "redis_url")

# The secret that is a URL; only its password is secret.
REDIS_URL = "redis_url"

# The parts of a URL, valid or not, that may contain a password.
_CREDENTIALS = re.compile(r"(?<=://).*@|^.*@|(?<=\?).*", re.DOTALL)
# The credentials of a URL in a longer text. A path that was made of a URL has only one slash after the colon.
_CREDENTIALS_WITHIN = re.compile(r"(?<=:/)(/?)[^\s/]*@")
# How a URL begins, or credentials and a host: https://..., s3://..., https:/..., user:password@host/...
_ADDRESS = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]*:/|[^/]*:.*@", re.DOTALL)


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
    is_secret = name in SECRETS and not (name == REDIS_URL and "://" in given)
    if isinstance(value, Mapping) or is_secret:
        return None
    return _CREDENTIALS.sub("***", given)


def without_credentials(text: str) -> str:
    """Return a text in which the credentials of URLs are replaced by ``***``."""
    return _CREDENTIALS_WITHIN.sub(r"\1***@", text)


def is_address(value: str) -> bool:
    """Return whether a value that should name a file, a folder or a model is a URL, or credentials and a host.

    A path that only looks like one can begin with ``./``.
    """
    return _ADDRESS.match(value) is not None


def check_redis_url(url: str) -> None:
    """Raise ValueError if the parts of a URL cannot be told apart; the message quotes none of them.

    If a password contains ``#``, ``/`` or ``?``, the library of Redis would take its beginning for the port, and
    show it in an error.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
        is_clear = "@" not in f"{parts.path}{parts.query}{parts.fragment}"
    except ValueError:
        is_clear = False
    if not is_clear:
        raise ValueError(
            "its parts cannot be told apart: the port must be a number, and special characters in the password "
            "must be percent-encoded, for example # as %23 and / as %2F"
        )


def can_be_sent(key: str) -> bool:
    """Return whether a key can be sent in a header."""
    return key.isascii() and key.isprintable() and " " not in key


def check_api_key(key: str) -> None:
    """Raise ValueError if a key cannot be sent in a header; the message does not quote it."""
    if not can_be_sent(key):
        raise ValueError("must consist of ASCII characters without blanks, as Label Studio shows it")


def _read_secret(name: str, path: Path) -> str:
    """Return a file's content without the line ends at its end, and without the mark at its start (U+FEFF).

    Some editors write this mark, and do not show it. Raises ValueError, without quoting the content.
    """
    # a value that is not an absolute path may be the secret itself
    shown = f"{name}={path}" if path.is_absolute() else name
    try:
        secret = path.read_text(encoding="utf-8-sig").rstrip("\r\n")
    except (OSError, UnicodeError) as error:
        raise ValueError(
            f"{shown}: cannot be read ({type(error).__name__}); it must be the path of a file with the secret"
        ) from None
    if not secret:
        raise ValueError(f"{shown}: the file is empty")
    return secret
