"""A time limit for requests: at its end, the connections are shut down, whatever they are waiting for.

The timeout of a socket is not enough. It starts again with every byte that arrives, so a host that sends a byte
now and then could block a thread for hours.
"""

import socket
import threading
import time
from contextlib import suppress
from queue import Empty, SimpleQueue
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
            # a duplicate, because wrapping a socket in TLS detaches the original; a TLS socket has no dup()
            self._sockets.append(socket.fromfd(connection.fileno(), connection.family, connection.type))
        if self.is_over:
            self._shut_down()

    def _shut_down(self) -> None:
        with self._lock:
            for each in self._sockets:
                with suppress(OSError):  # it is not connected any more
                    each.shutdown(socket.SHUT_RDWR)


def look_up(host: str, port: int, deadline: Deadline) -> list[str]:
    """Return the addresses of a host; raises TimeoutError when the time is over, OSError and UnicodeError.

    A look-up cannot be interrupted, so it runs in a thread of its own, which ends when the resolver gives up.
    """
    answers: SimpleQueue[list[str] | Exception] = SimpleQueue()

    def resolve() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answers.put([str(entry[4][0]) for entry in found])
        except Exception as error:  # raised again in the thread that waits
            answers.put(error)

    threading.Thread(target=resolve, name="look-up", daemon=True).start()
    try:
        answer = answers.get(timeout=max(deadline.seconds_left, 0.001))
    except Empty:
        raise TimeoutError(f"{host}: the look-up takes too long") from None
    if isinstance(answer, Exception):
        raise answer
    return answer
