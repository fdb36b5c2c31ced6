"""gunicorn's worker process: an event loop that reads all requests, with limits for stalled connections.

It is gunicorn's ASGI worker with eight changes: a connection has limited time for the head of its first request,
a client has limited time to take its answer, there is a maximum number of connections, gunicorn's own errors are
JSON, a head whose numbers are too long is such an error, and so is a body of many tiny chunks, connections are
read in turns and not ahead of their answers, and stalled connections do not delay a stop.
"""

import asyncio
import json
import os
import resource
import socket
import uuid
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from gunicorn.asgi.parser import ParseError
from gunicorn.asgi.protocol import ASGIProtocol
from gunicorn.workers.gasgi import ASGIWorker

# Seconds for the request line and the headers of a connection's first request; for later requests, gunicorn's
# keepalive of 2 seconds applies.
HEAD_TIMEOUT = 10.0
# Seconds in which a client has to take an answer, or a piece of a streamed answer. Label Studio waits 100.
ANSWER_TIMEOUT = 120.0
# Seconds until a connection that is being closed is cut, although the client has not taken all bytes. Only the
# last bytes of an answer, at most 64 kB, are left then.
CLOSE_TIMEOUT = 30.0
# Maximum number of connections of one process. If one more opens, the oldest connection whose request is not
# complete is closed.
MAX_CONNECTIONS = 4_096
# Bytes that are read from a connection before the other connections get their turn. Reading 256 kB, which is the
# event loop's default, can take 0.2 s if there is much in it to parse, such as thousands of chunks or headers.
READ_AT_A_TIME = 16_384
# A body may have this many tiny chunks, and one more chunk for every CHUNK_BYTES of its bytes, because parsing a
# chunk takes as long as copying thousands of bytes.
TINY_CHUNKS = 1_000
CHUNK_BYTES = 100
# Number of files that the process needs in addition to its connections.
OTHER_FILES = 256
# Seconds that a stopping worker waits for requests that are not complete.
READING_GRACE = 2.0
POLL_INTERVAL = 0.1


class Protocol(ASGIProtocol):  # type: ignore[misc]  # gunicorn has no types
    """One connection."""

    _head_timer: asyncio.TimerHandle | None = None
    _write_timer: asyncio.TimerHandle | None = None
    # the pieces of the request's body so far, and their bytes
    _pieces = 0
    _piece_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the time limit. If there are too many connections, close the oldest unfinished one."""
        super().connection_made(transport)
        reading = self.worker.reading
        reading[self] = None
        self._head_timer = self.worker.loop.call_later(HEAD_TIMEOUT, self._head_is_late)
        if self.worker.nr_conns > self.worker.max_connections:
            next(iter(reading)).close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_timer()
        self._limit_writing(None)
        self.worker.reading.pop(self, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read a piece of a request; numbers with thousands of digits are refused, because Python reads none."""
        try:
            super().data_received(data)
        except ValueError:
            self.worker.log.debug("a request could not be read", exc_info=True)
            self._send_error_response(400, "the request has a number that is too long")
            self.close()

    def close(self) -> None:
        """Close the connection, if it is open; a request that is not complete gets no answer."""
        self._close_transport()
        # wakes the task that waits for a request; the task then ends, because _closed is set
        self._request_ready.set()

    def pause_writing(self) -> None:
        """Start the time limit, because the client does not take the answer as fast as it is written."""
        super().pause_writing()
        self._limit_writing(ANSWER_TIMEOUT)

    def resume_writing(self) -> None:
        """Stop the time limit, because the client has taken most of the answer."""
        self._limit_writing(None)
        super().resume_writing()

    def _close_transport(self) -> None:
        super()._close_transport()
        if not self._conn_lost_handled:  # some bytes may still have to be taken by the client
            self._limit_writing(CLOSE_TIMEOUT)

    def _limit_writing(self, seconds: float | None) -> None:
        """Cut the connection after some seconds, unless another limit is set before; None sets no limit."""
        if self._write_timer is not None:
            self._write_timer.cancel()
        self._write_timer = None if seconds is None else self.worker.loop.call_later(seconds, self.transport.abort)

    def _resume_reading(self) -> None:
        """Read on, unless requests that were sent ahead already fill the buffer.

        gunicorn itself reads on after each answer. A client that sends faster than it is answered would then fill
        the memory, and each request would take longer, because the buffer is copied.
        """
        if not self._is_buffer_full():
            super()._resume_reading()

    def _feed_callback_parser(self, data: bytes) -> bool:
        """Parse bytes, some of which may have been sent ahead and held; then there may be room to read more."""
        is_open = bool(super()._feed_callback_parser(data))
        if is_open:
            self._maybe_resume_reading()
        return is_open

    def _on_body(self, chunk: bytes) -> None:
        self._pieces += 1
        self._piece_bytes += len(chunk)
        allowed = TINY_CHUNKS + self._piece_bytes // CHUNK_BYTES
        if self._pieces > allowed and self._current_request.chunked:
            raise ParseError("the body has many tiny chunks; send longer chunks, or a Content-Length")
        super()._on_body(chunk)

    def _on_headers_complete(self) -> bool:
        self._stop_timer()
        self._pieces = self._piece_bytes = 0
        self.worker.reading.setdefault(self)  # the connection may have been used for another request before
        return bool(super()._on_headers_complete())

    def _on_message_complete(self) -> None:
        self.worker.reading.pop(self, None)
        super()._on_message_complete()

    def _is_websocket_upgrade(self, request: Any) -> bool:
        return False  # RFC 9110: a server may ignore an upgrade

    def _head_is_late(self) -> None:
        self._send_error_response(408, f"the request's headers were not complete after {HEAD_TIMEOUT:.0f} seconds")
        self.close()

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()

    def _send_error_response(
        self, status: int, message: str, extra_headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        """Answer a request that does not reach the app, with JSON instead of gunicorn's text."""
        body = json.dumps({"error": message, "request_id": uuid.uuid4().hex[:12]}).encode()
        headers = [
            *extra_headers,
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            ("Connection", "close"),
        ]
        head = f"HTTP/1.1 {status} {self._get_reason_phrase(status)}\r\n"
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
        self._safe_write(f"{head}{lines}\r\n".encode("latin-1") + body)


class Reader(asyncio.BufferedProtocol):
    """Passes what happens to a connection on to its Protocol, but at most READ_AT_A_TIME bytes at once.

    received: the buffer for the bytes, which all connections of a process share, because each of them copies its
    bytes at once.
    """

    def __init__(self, protocol: Protocol, received: bytearray) -> None:
        self._protocol = protocol
        self._received = received

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Pass on that the connection is open."""
        self._protocol.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass on that the connection is closed."""
        self._protocol.connection_lost(exc)

    def get_buffer(self, sizehint: int) -> bytearray:
        """Return where the event loop is to put the next bytes."""
        return self._received

    def buffer_updated(self, nbytes: int) -> None:
        """Pass on the bytes in the buffer."""
        self._protocol.data_received(bytes(memoryview(self._received)[:nbytes]))

    def eof_received(self) -> bool | None:
        """Pass on that the client sends no more."""
        return bool(self._protocol.eof_received())

    def pause_writing(self) -> None:
        """Pass on that the client takes bytes more slowly than they are written."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """Pass on that the client has taken most bytes."""
        self._protocol.resume_writing()


class Worker(ASGIWorker):  # type: ignore[misc]  # gunicorn has no types
    """The worker process.

    reading: the connections whose request is not complete, the oldest first.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.reading: dict[Protocol, None] = {}
        self.alive = True
        self.max_connections = max(_raise_file_limit() - OTHER_FILES, OTHER_FILES)
        self._stopping = asyncio.Event()
        self._received = bytearray(READ_AT_A_TIME)

    def handle_exit_signal(self) -> None:
        """Stop, after the requests that are complete have been answered."""
        super().handle_exit_signal()
        self._stopping.set()

    def handle_quit_signal(self) -> None:
        """Stop at once."""
        super().handle_quit_signal()
        self._stopping.set()

    async def listen(self, listening: socket.socket) -> asyncio.AbstractServer:
        """Accept connections; gunicorn's own method always uses a backlog of 100."""
        server: asyncio.AbstractServer = await self.loop.create_server(
            lambda: Reader(Protocol(self), self._received), sock=listening, backlog=self.cfg.backlog
        )
        return server

    async def _serve(self) -> None:
        """Serve until a signal arrives or the parent ends."""
        servers = [await self.listen(each.sock) for each in self.sockets]
        try:
            while self.alive and os.getppid() == self.ppid:
                self.notify()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), 1.0)
        finally:
            self.alive = False
            for server in servers:  # uvloop cannot be closed while a server is open
                server.close()
        await self._wait_for_connections()

    async def _wait_for_connections(self) -> None:
        started = self.loop.time()
        while self.nr_conns and not self._quick_shutdown:
            waited = self.loop.time() - started
            if waited > self.cfg.graceful_timeout:
                self.log.warning("%d requests were not answered before the server stopped", self.nr_conns)
                break
            if waited > READING_GRACE:
                for connection in list(self.reading):
                    connection.close()
            self.notify()
            await asyncio.sleep(POLL_INTERVAL)


def _raise_file_limit() -> int:
    """Allow this process to open as many files as it may need, and return how many it may open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return wanted if soft == resource.RLIM_INFINITY else min(soft, wanted)
