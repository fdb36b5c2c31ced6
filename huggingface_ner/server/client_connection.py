"""Checks whether the client of a request is still connected."""

import socket
from collections.abc import Callable, Mapping
from typing import Any


def connection_check(environ: Mapping[str, Any]) -> Callable[[], bool]:
    """Return a function that returns whether a request's client is still connected.

    The check needs gunicorn's socket. Under another server, the function always returns True.
    """
    connection = environ.get("gunicorn.socket")
    if not isinstance(connection, socket.socket):
        return lambda: True

    def is_connected() -> bool:
        try:
            # an empty read means that the client hung up; a byte means that it has sent its next request already
            return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False

    return is_connected
