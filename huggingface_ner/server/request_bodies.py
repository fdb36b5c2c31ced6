"""Reads the bodies of requests before the requests get a thread, within limits on time and memory."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from werkzeug.exceptions import RequestEntityTooLarge, RequestTimeout

from huggingface_ner.errors import UnavailableError
from huggingface_ner.server.lanes import RETRY_AFTER

# Maximum number of seconds until a body is complete, even if parts of it keep arriving. Label Studio gives up
# after 100 seconds.
BODY_TIMEOUT = 60.0
# Bodies of up to this many bytes are always read; the maximum number of connections limits their total.
SMALL_BODY = 64_000
# All longer bodies together may take this many times MAX_REQUEST_BYTES of memory. A body counts until its request
# is answered.
BODIES_IN_MEMORY = 4
# Seconds for which the rest of a refused body is read, because a client that is still sending would miss the
# answer.
DRAIN_TIMEOUT = 5.0

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class TooManyBodiesError(UnavailableError):
    """The requests that are being read or answered take all the memory that they may use."""


class DisconnectedError(Exception):
    """The client has disconnected before it was answered."""


class Bodies:
    """The bodies in memory. Used by one event loop.

    max_bytes: MAX_REQUEST_BYTES, the maximum size of one body.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._in_memory = 0

    @asynccontextmanager
    async def read(self, receive: Receive, announced: int) -> AsyncIterator[bytes]:
        """Read a request's body; it counts as in memory until the end of the with block.

        receive: the function of the ASGI server. announced: the request's Content-Length, 0 if it has none.
        Raises DisconnectedError, TooManyBodiesError, and werkzeug's RequestTimeout and RequestEntityTooLarge.
        """
        pieces: list[bytes] = []
        size = 0
        try:
            try:
                async with asyncio.timeout(BODY_TIMEOUT):
                    self._check(announced, 0)
                    async for piece in _pieces(receive):
                        size += len(piece)
                        self._in_memory += len(piece)
                        pieces.append(piece)
                        self._check(size, len(piece))
            except TimeoutError:
                raise RequestTimeout(f"the request was not complete after {BODY_TIMEOUT:.0f} seconds") from None
            except (RequestEntityTooLarge, TooManyBodiesError):
                pieces.clear()
                await _drain(receive)
                raise
            yield b"".join(pieces)
        finally:
            self._in_memory -= size

    def _check(self, size: int, more: int) -> None:
        """Raise an error if a body is too long, or if all bodies together take too much memory.

        size: the body's size so far, in bytes, or its announced size. more: how many of these bytes came last.
        """
        if size > self._max_bytes:
            raise RequestEntityTooLarge
        if more and size > SMALL_BODY and self._in_memory > BODIES_IN_MEMORY * self._max_bytes:
            raise TooManyBodiesError("too many long requests wait already; try again later", RETRY_AFTER)


async def _pieces(receive: Receive) -> AsyncIterator[bytes]:
    is_complete = False
    while not is_complete:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise DisconnectedError
        yield message.get("body", b"")
        is_complete = not message.get("more_body", False)


async def _drain(receive: Receive) -> None:
    with suppress(TimeoutError, DisconnectedError):
        async with asyncio.timeout(DRAIN_TIMEOUT):
            async for _ in _pieces(receive):
                pass
