"""Checks whether the client of a request is still connected."""

from collections.abc import Callable, Mapping
from typing import Any, cast

# The key in the WSGI environ under which our server stores the check.
IS_CONNECTED = "huggingface_ner.is_connected"


def connection_check(environ: Mapping[str, Any]) -> Callable[[], bool]:
    """Return a function that tells whether a request's client is still connected.

    If the app runs on another server, there is no check, and the function always returns True.
    """
    return cast("Callable[[], bool]", environ.get(IS_CONNECTED, lambda: True))
