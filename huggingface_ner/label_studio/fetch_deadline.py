"""The time limit for one text: at its end, the connections are shut down, whatever they are waiting for.

The timeout of a socket is not enough. It starts again with every byte that arrives, so a host that sends a byte
now and then could block a thread for hours.
"""

import socket
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Self, TypeVar

from urllib3.connection import HTTPConnection

Kind = TypeVar("Kind", bound=HTTPConnection)


class Deadline:
    """A context manager that, after ``seconds``, shuts down all connections made in it."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._shut_down)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        with self._lock:
            for each in self._sockets:
                each.close()
            self._sockets.clear()

    @property
    def seconds_left(self) -> float:
        """How many seconds are left; negative when the time is over."""
        return self._end - time.monotonic()

    @property
    def is_over(self) -> bool:
        """Whether the time is over."""
        return self.seconds_left <= 0

    def connections(self, kind: type[Kind]) -> type[Kind]:
        """Return a class of connections that end with this deadline, even during their TLS handshake."""
        deadline = self

        class Connection(kind):  # type: ignore[valid-type,misc]
            def _new_conn(self) -> socket.socket:
                made: socket.socket = super()._new_conn()
                deadline.add(made)
                return made

        return Connection

    def add(self, connection: socket.socket) -> None:
        """Shut a connection down when the time is over, or at once if it is over already."""
        with self._lock:
            # a duplicate, because wrapping a socket in TLS detaches the original
            self._sockets.append(connection.dup())
        if self.is_over:
            self._shut_down()

    def _shut_down(self) -> None:
        with self._lock:
            for each in self._sockets:
                with suppress(OSError):  # it is not connected any more
                    each.shutdown(socket.SHUT_RDWR)
