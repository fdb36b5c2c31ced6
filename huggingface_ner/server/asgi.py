"""The ASGI app around the Flask app: it reads each request completely, and then gives it a thread of its lane.

If a request cannot be read, or if its lane is full, the Flask app sends the refusal. So the credentials of such
requests are checked too, the metrics count them, and their errors look like all others.

An answer is sent as a whole, unless it has the header ``X-Accel-Buffering: no``, which tells proxies not to buffer
it. Then it is sent piece by piece, as it is made.
"""

import asyncio
import io
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import closing, suppress
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from werkzeug.exceptions import HTTPException
from werkzeug.test import run_wsgi_app

from huggingface_ner.errors import UnavailableError
from huggingface_ner.server.client_connection import IS_CONNECTED
from huggingface_ner.server.errors import REFUSAL
from huggingface_ner.server.lanes import Lanes
from huggingface_ner.server.request_bodies import Bodies, DisconnectedError, Receive
from huggingface_ner.settings import Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Content = bytes | Iterator[bytes]
Answer = tuple[int, list[tuple[bytes, bytes]], Content]


class AsgiApp:
    """Answers HTTP requests of an ASGI server with a WSGI app."""

    def __init__(self, app: "WSGIApplication", settings: Settings) -> None:
        self._app = app
        self._bodies = Bodies(settings.max_request_bytes)
        self._lanes = Lanes(settings.threads)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; nothing is sent to a client that has disconnected."""
        environ = _environ(scope)
        client = _Client(receive)
        with suppress(DisconnectedError), closing(client):
            try:
                async with self._bodies.read(receive, int(environ.get("CONTENT_LENGTH") or 0)) as body:
                    environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
                    status, headers, content = await self._answer(environ, len(body), client)
            except (HTTPException, UnavailableError) as refusal:
                # called in the event loop's thread, because a refusal never waits for anything
                environ |= {REFUSAL: refusal, "wsgi.input": io.BytesIO(), "CONTENT_LENGTH": "0"}
                status, headers, content = _call(self._app, environ)
            await send({"type": "http.response.start", "status": status, "headers": headers})
            if isinstance(content, bytes):
                await send({"type": "http.response.body", "body": content})
            else:
                await _stream(content, client, send)

    async def _answer(self, environ: "WSGIEnvironment", size: int, client: "_Client") -> Answer:
        """Answer a request in a thread of its lane; raises DisconnectedError if the client disconnects first."""
        gone = threading.Event()
        environ[IS_CONNECTED] = lambda: not gone.is_set()
        answer = asyncio.ensure_future(
            self._lanes.run(environ["PATH_INFO"], size, partial(_call, self._app, environ))
        )
        try:
            await asyncio.wait((answer, client.disconnected()), return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                raise DisconnectedError
            return answer.result()
        finally:
            gone.set()
            answer.cancel()


class _Client:
    """Waits until the client of a request disconnects.

    It waits only once for each request: if such a wait is cancelled, gunicorn takes the client for disconnected.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._message: asyncio.Future[Any] | None = None

    def disconnected(self) -> asyncio.Future[Any]:
        """Return a future that is done when the client has disconnected; call this after the body is read."""
        # after the body, the only message that can still arrive is that the client has disconnected
        self._message = self._message or asyncio.ensure_future(self._receive())
        return self._message

    def close(self) -> None:
        """Stop waiting."""
        if self._message is not None:
            self._message.cancel()


def _call(app: "WSGIApplication", environ: "WSGIEnvironment") -> Answer:
    pieces, status, headers = run_wsgi_app(app, environ)
    encoded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    code = int(status.split(" ", 1)[0])
    if headers.get("X-Accel-Buffering") == "no":
        return code, encoded, iter(pieces)
    try:
        return code, encoded, b"".join(pieces)
    finally:
        _close(pieces)


async def _stream(pieces: Iterator[bytes], client: _Client, send: Send) -> None:
    """Send an answer piece by piece, each made in a thread; stop if the client disconnects."""
    try:
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            if client.disconnected().done():
                raise DisconnectedError
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        _close(pieces)


def _close(pieces: object) -> None:
    """Close what a WSGI app has returned, as PEP 3333 demands."""
    close = getattr(pieces, "close", None)
    if close is not None:
        close()


def _environ(scope: Scope) -> "WSGIEnvironment":
    """Return the WSGI environ (PEP 3333) of a request, without its body."""
    server, client = scope.get("server") or ("localhost", 80), scope.get("client") or ("", 0)
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": str(server[0]),
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": str(client[0]),
        "REMOTE_PORT": str(client[1]),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
    }
    for encoded, value in scope["headers"]:
        name = encoded.decode("latin-1").upper().replace("-", "_")
        key = name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"
        text = value.decode("latin-1")
        environ[key] = f"{environ[key]},{text}" if key in environ else text
    return environ
