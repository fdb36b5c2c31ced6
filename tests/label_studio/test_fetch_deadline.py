"""Hosts that send nothing, or only a few bytes now and then."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer

import pytest

from huggingface_ner.label_studio.fetch_deadline import Deadline
from huggingface_ner.label_studio.fetching import FetchError, UrlFetcher

DRIPS = {
    "nothing": (b"", b""),
    "headers": (b"HTTP/1.1 200 OK\r\nX: ", b"x"),
    "header lines": (b"HTTP/1.1 200 OK\r\n", b"X: x\r\n"),
    "body": (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"x"),
    "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "a body without an end": (b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
}


class Dripping(ThreadingTCPServer):
    """Sends ``start``, and then ``drip`` again and again until it is closed."""

    daemon_threads = True

    def __init__(self, start: bytes, drip: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.start, self.drip = start, drip
        self.is_closed = threading.Event()
        self.lost = threading.Event()


class Handler(BaseRequestHandler):
    server: Dripping

    def handle(self) -> None:
        with suppress(OSError):
            self.request.sendall(self.server.start)
            while not self.server.is_closed.wait(0.02):
                self.request.sendall(self.server.drip)
                with suppress(BlockingIOError):
                    if not self.request.recv(65_536, socket.MSG_DONTWAIT):
                        break
        self.server.lost.set()


@pytest.fixture(params=DRIPS)
def host(request: pytest.FixtureRequest) -> Iterator[Dripping]:
    with Dripping(*DRIPS[request.param]) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.is_closed.set()
        server.shutdown()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_host_that_drips_gets_no_more_time(host: Dripping, scheme: str) -> None:
    """With https, the TLS handshake receives bytes that are not TLS, or no bytes."""
    fetch = UrlFetcher("http://ls.example", allowed_hosts=["127.0.0.1"], timeout=0.5)
    with pytest.raises(FetchError):
        fetch(f"{scheme}://127.0.0.1:{host.server_address[1]}/a")
    assert host.lost.wait(60), "the connection is closed"


def test_at_the_end_every_connection_is_shut_down_also_one_made_later() -> None:
    ours, theirs = socket.socketpair()
    late, late_end = socket.socketpair()
    with ours, theirs, late, late_end, Deadline(0.05) as deadline:
        deadline.add(ours)
        assert theirs.recv(1) == b"", "recv waits until the connection is shut down"
        assert deadline.is_over
        deadline.add(late)
        assert late_end.recv(1) == b""


def test_before_the_end_nothing_is_shut_down() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        with Deadline(60) as deadline:
            deadline.add(ours)
            assert 0 < deadline.seconds_left <= 60
        time.sleep(0)
        ours.sendall(b"x")
        assert theirs.recv(1) == b"x"
