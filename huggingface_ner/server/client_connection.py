"""Whether the client of a request is still there."""

import socket
from collections.abc import Callable, Mapping
from typing import Any


def connection_check(environ: Mapping[str, Any]) -> Callable[[], bool]:
    """Return a function that says whether a request's client has not hung up, as far as its server lets us see."""
    connection = environ.get("gunicorn.socket")
    if not isinstance(connection, socket.socket):
        return lambda: True

    def is_connected() -> bool:
        try:
            # nothing to read is the rule, the next request's first byte possible; an empty answer is the end
            return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False

    return is_connected
