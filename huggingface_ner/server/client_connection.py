"""Whether the client of a request is still there."""

import socket
from collections.abc import Callable, Mapping
from typing import Any


def connection_check(environ: Mapping[str, Any]) -> Callable[[], bool]:
    """Return a function that says whether a request's client is still connected.

    It needs gunicorn's socket; under another server it always returns True.
    """
    connection = environ.get("gunicorn.socket")
    if not isinstance(connection, socket.socket):
        return lambda: True

    def is_connected() -> bool:
        try:
            # usually nothing to read, perhaps the first byte of a next request; an empty read means it hung up
            return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False

    return is_connected
