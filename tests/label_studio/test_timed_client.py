import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from huggingface_ner.label_studio import client as client_module
from huggingface_ner.label_studio.client import ClientError, LabelStudioClient
from huggingface_ner.label_studio.timed_client import TimedClient
from huggingface_ner.settings import Settings

LIMIT = 0.5
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
WHOLE = HEAD + b"Content-Length: 2\r\n\r\n{}"
# what is sent at once, before a byte is sent now and then
SLOW = {
    "head": HEAD,
    "body": HEAD + b"Content-Length: 100000\r\n\r\n",
    "body of unknown length": HEAD + b"Connection: close\r\n\r\n",
    "nothing": b"",
}


@contextmanager
def accepting(serve: Callable[[socket.socket], object]) -> Iterator[int]:
    """Yield a port; ``serve`` is called with each connection to it, in a thread."""

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@contextmanager
def dripping(*answers: bytes, certificate: Path | None = None) -> Iterator[str]:
    """Yield the address of a server that sends each answer to a request; it lets the last one drip."""
    ended = threading.Event()

    def serve(accepted: socket.socket) -> None:
        with suppress(OSError), wrapped(accepted) as connection:
            for answer in answers:
                if not connection.recv(65_536):
                    return
                connection.sendall(answer)
            while not ended.wait(0.05):
                connection.sendall(b"x")

    def wrapped(accepted: socket.socket) -> socket.socket:
        if certificate is None:
            return accepted
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        return context.wrap_socket(accepted, server_side=True)

    with accepting(serve) as port:
        try:
            yield f"http{'s' if certificate else ''}://127.0.0.1:{port}"
        finally:
            ended.set()


@pytest.mark.parametrize("beginning", SLOW.values(), ids=SLOW)
def test_an_answer_that_drips_ends_with_the_limit(beginning: bytes) -> None:
    with (
        dripping(beginning) as url,
        TimedClient(LIMIT, timeout=60) as client,
        pytest.raises(httpx.ReadTimeout, match=r"no complete answer within 0\.5 s"),
    ):
        client.get(url)


@contextmanager
def tunnelling() -> Iterator[str]:
    """Yield the address of a proxy that passes on what goes through a tunnel."""

    def serve(accepted: socket.socket) -> None:
        with suppress(OSError), accepted:
            host, _, port = accepted.recv(65_536).split()[1].decode().rpartition(":")
            with socket.create_connection((host, int(port))) as target:
                accepted.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                answers = threading.Thread(target=pump, args=(target, accepted), daemon=True)
                answers.start()
                pump(accepted, target)
                answers.join()

    def pump(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while piece := source.recv(65_536):
                target.sendall(piece)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    with accepting(serve) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("way", ["plain", "encrypted", "through a proxy"])
def test_the_limit_holds_for_a_connection_that_is_used_again(certificate: Path, way: str) -> None:
    with ExitStack() as stack:
        proxy = stack.enter_context(tunnelling()) if way == "through a proxy" else None
        url = stack.enter_context(
            dripping(WHOLE, SLOW["body"], certificate=None if way == "plain" else certificate)
        )
        client = stack.enter_context(TimedClient(60, timeout=60, verify=False, proxy=proxy))
        assert client.get(url).json() == {}
        client.limit = LIMIT
        with pytest.raises(httpx.ReadTimeout):
            client.get(url)


def test_other_errors_are_not_changed() -> None:
    with TimedClient(60, timeout=60) as client, pytest.raises(httpx.ConnectError):
        client.get("http://127.0.0.1:1")


def test_label_studio_does_not_hold_a_job_by_dripping(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "REQUEST_TIMEOUT", LIMIT)
    with dripping(SLOW["body"]) as url:
        client = LabelStudioClient(Settings(label_studio_host=url, label_studio_api_key="key"))
        with pytest.raises(ClientError, match=r"does not answer \(no complete answer within") as raised:
            client.project(7)
    assert raised.value.retryable
