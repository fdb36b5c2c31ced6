"""The ASGI app around a WSGI app."""

import asyncio
import json
import threading
from collections.abc import Iterable, Iterator, MutableMapping
from typing import TYPE_CHECKING, Any
from wsgiref.validate import validator

import pytest

from huggingface_ner.server.asgi import AsgiApp
from huggingface_ner.server.client_connection import connection_check
from huggingface_ner.server.errors import REFUSAL
from huggingface_ner.settings import Settings
from tests.server import event_loop

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Message = MutableMapping[str, Any]


def scope(method: str = "POST", path: bytes = b"/predict", **headers: str) -> Message:
    return {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": "",
        "raw_path": path,
        "query_string": b"a=%20b",
        "headers": [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()],
        "server": ("127.0.0.1", 9090),
        "client": ("127.0.0.1", 5),
    }


def ask(app: "WSGIApplication", asked: Message, pieces: Iterable[bytes] = (b"",), *, leaves: bool = False) -> Any:
    """Return the messages that the app sends."""
    left, sent = list(pieces), []

    async def receive() -> Message:
        if left:
            return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}
        if not leaves:
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    event_loop.run(AsgiApp(app, Settings(max_request_bytes=1_000))(asked, receive, send))
    return sent


def echo(environ: "WSGIEnvironment", start_response: "StartResponse") -> list[bytes]:
    names = (
        "REQUEST_METHOD",
        "PATH_INFO",
        "QUERY_STRING",
        "CONTENT_LENGTH",
        "HTTP_X_A",
        "SERVER_PORT",
        "HTTP_HOST",
    )
    seen = {name: environ[name] for name in names if name in environ}
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])).decode()
    answer = json.dumps([seen, body]).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
    return [answer]


def test_a_request_reaches_the_app_as_pep_3333_says() -> None:
    """The standard library's validator checks the WSGI environ."""
    asked = scope(path=b"/pr%C3%A9dict", x_a="1", host="localhost:9090", content_length="7")
    start, body = ask(validator(echo), asked, [b'{"a"', b": 1}"])
    assert (start["status"], body.get("more_body", False)) == (200, False)
    assert (b"content-type", b"application/json") in start["headers"]
    seen, content = json.loads(body["body"])
    assert content == '{"a": 1}'
    assert seen == {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/prÃ©dict",
        "QUERY_STRING": "a=%20b",
        "CONTENT_LENGTH": "8",
        "HTTP_X_A": "1",
        "SERVER_PORT": "9090",
        "HTTP_HOST": "localhost:9090",
    }


def test_headers_of_one_name_are_joined() -> None:
    asked = scope()
    asked["headers"] = [(b"x-a", b"1"), (b"x-a", b"2")]
    _, body = ask(echo, asked)
    assert json.loads(body["body"])[0]["HTTP_X_A"] == "1,2"


def test_a_refused_request_reaches_the_app_without_its_body() -> None:
    refusals = []

    def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> list[bytes]:
        refusals.append(environ[REFUSAL].code)
        assert environ["wsgi.input"].read() == b""
        start_response("413 X", [])
        return [b"too long"]

    start, body = ask(app, scope(), [b"x" * 900, b"x" * 900])
    assert (start["status"], body["body"], refusals) == (413, b"too long", [413])


@pytest.mark.parametrize("pieces", [[], [b"{}"]])
def test_nothing_is_sent_to_a_client_that_has_gone(pieces: list[bytes]) -> None:
    told: list[bool] = []
    gone = threading.Event()

    def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> list[bytes]:
        is_connected = connection_check(environ)
        while is_connected():
            gone.wait(0.01)
        told.append(True)
        start_response("200 OK", [])
        return [b""]

    assert ask(app, scope(), pieces, leaves=True) == []


def _pieces(taken: list[int], closed: threading.Event) -> Iterator[bytes]:
    try:
        for number in range(1_000):
            taken.append(number)
            yield b"piece"
    finally:
        closed.set()


@pytest.mark.parametrize("leaves", [False, True])
def test_an_answer_that_is_not_to_be_buffered_is_sent_as_it_is_made(leaves: bool) -> None:
    """If the client disconnects, no more pieces are made."""
    taken: list[int] = []
    closed = threading.Event()
    sent: list[Message] = []

    def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "application/zip"), ("X-Accel-Buffering", "no")])
        return _pieces(taken, closed)

    async def answer() -> None:
        asked, left = [{"type": "http.request", "body": b"", "more_body": False}], asyncio.Event()

        async def receive() -> Message:
            if asked:
                return asked.pop()
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)
            if leaves and len(sent) == 4:
                left.set()

        await AsgiApp(app, Settings())(scope("GET", b"/projects/7"), receive, send)

    event_loop.run(answer())
    assert closed.is_set()
    if leaves:
        assert 3 <= len(taken) < 10
        assert all(message["more_body"] for message in sent[1:])
    else:
        assert [message["body"] for message in sent[1:]] == [b"piece"] * 1_000 + [b""]
        assert not sent[-1].get("more_body")
