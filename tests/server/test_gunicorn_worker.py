"""The real server, with clients that stall, with many clients, and with clients that do not speak HTTP."""

import asyncio
import json
import os
import socket
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import uvloop
from gunicorn.config import Config
from gunicorn.glogging import Logger

from huggingface_ner.server import gunicorn_worker
from huggingface_ner.server.gunicorn_worker import Protocol, Worker
from tests import recorded
from tests.server.service import START_TIMEOUT, ask, running, wait
from tests.waiting import until

COMMAND = [sys.executable, "-m", "huggingface_ner", "serve"]
HEAD = b"POST /predict HTTP/1.1\r\nHost: a\r\n"
WAYS = {
    "before the head": b"",
    "in the head": HEAD,
    "in the body": HEAD + b'Content-Length: 100\r\n\r\n{"tasks"',
}


@pytest.fixture(scope="module")
def url(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    log = tmp_path_factory.mktemp("service") / "log"
    with running(COMMAND, log, BASELINE_MODEL_NAME=str(tiny_bert), THREADS="2") as url:
        wait(f"{url}/ready")
        yield url
        assert "Traceback" not in log.read_text()


@contextmanager
def connected(url: str, sends: bytes, number: int = 1) -> Iterator[list[socket.socket]]:
    address = ("127.0.0.1", int(url.rpartition(":")[2]))
    with ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(address, START_TIMEOUT)) for _ in range(number)]
        for client in clients:
            client.sendall(sends)
        yield clients


def answer(client: socket.socket) -> tuple[int, Any]:
    """Return the status and the JSON of an answer after which the connection is closed."""
    received = b""
    while piece := client.recv(65_536):
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def metrics(url: str) -> str:
    with urllib.request.urlopen(f"{url}/metrics", timeout=START_TIMEOUT) as shown:
        return str(shown.read().decode())


def requests_are_answered(url: str) -> None:
    body = recorded("predict_batch")["request"]["body"]
    assert ask(f"{url}/health", timeout=START_TIMEOUT)[0] == 200
    assert ask(f"{url}/setup", recorded("setup")["request"]["body"], START_TIMEOUT)[0] == 200
    assert ask(f"{url}/webhook", {"action": "PROJECT_UPDATED", "project": {"id": 1}}, START_TIMEOUT)[0] == 200
    assert ask(f"{url}/predict", body, START_TIMEOUT)[0] == 200


@pytest.mark.parametrize("way", WAYS)
def test_a_thousand_stalled_connections_block_nothing(url: str, way: str) -> None:
    with connected(url, WAYS[way], 1_000):
        requests_are_answered(url)


def test_a_thousand_connections_that_trickle_block_nothing(url: str) -> None:
    with connected(url, HEAD + b"X: ", 1_000) as clients:
        for _ in range(3):
            for client in clients:
                client.sendall(b"x")
            requests_are_answered(url)


def test_a_head_that_does_not_come_is_answered_and_closed(url: str) -> None:
    with connected(url, HEAD) as (client,):
        status, body = answer(client)
        assert status == 408
        assert "not complete" in body["error"]
        assert body["request_id"]


@pytest.mark.parametrize(
    ("sends", "status"),
    [
        (b"GET /" + b"x" * 10_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"X: x\r\n" * 200 + b"\r\n", 431),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 5_000 + b"\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: brotli\r\n\r\n", 501),
        (b"POST /setup HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nx\r\n", 400),
        (b"POST /setup HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 1_100, 400),
    ],
)
def test_invalid_http_is_answered_like_other_errors(url: str, sends: bytes, status: int) -> None:
    with connected(url, sends) as (client,):
        answered, body = answer(client)
        assert answered == status
        assert set(body) == {"error", "request_id"}
    assert ask(f"{url}/health")[0] == 200


def test_an_upgrade_does_not_take_the_connection(url: str) -> None:
    upgrade = b"Upgrade: websocket\r\nConnection: Upgrade, close\r\nSec-WebSocket-Version: 13\r\n"
    with connected(url, b"GET /health HTTP/1.1\r\nHost: a\r\n" + upgrade + b"\r\n") as (client,):
        status, body = answer(client)
        assert status == 400, "Werkzeug's answer: no route speaks WebSocket"
        assert set(body) == {"error", "request_id"}


def test_a_connection_is_used_again_and_chunks_are_read(url: str) -> None:
    body = json.dumps(recorded("setup")["request"]["body"]).encode()
    chunked = b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in (body[:100], body[100:]))
    first = b"POST /setup HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked + b"0\r\n\r\n"
    with connected(url, first) as (client,):
        received = b""
        while b"model_version" not in received:
            received += client.recv(65_536)
        assert received.startswith(b"HTTP/1.1 200 ")
        client.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert answer(client)[1]["status"] == "UP"


def test_a_body_may_have_many_chunks_and_a_few_tiny_ones(url: str) -> None:
    config = recorded("setup")["request"]["body"]
    body = json.dumps({**config, "extra_params": "x" * 200_000}).encode()
    ends = [*range(999), *range(999, len(body), 150), len(body)]
    pieces = [body[start:end] for start, end in pairwise(ends)]
    chunked = b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces)
    head = b"POST /setup HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    with connected(url, head + chunked + b"0\r\n\r\n") as (client,):
        assert answer(client)[0] == 200


def test_a_request_that_is_too_long_gets_its_answer(tiny_bert: Path, tmp_path: Path) -> None:
    with running(COMMAND, tmp_path / "log", BASELINE_MODEL_NAME=str(tiny_bert), MAX_REQUEST_BYTES="100000") as url:
        wait(f"{url}/health")
        status, body = ask(f"{url}/predict", {"tasks": ["x" * 3_000_000]}, START_TIMEOUT)
        assert status == 413
        assert "MAX_REQUEST_BYTES=100000" in body["error"]


@contextmanager
def serving(app: Any) -> Iterator[tuple[Worker, str]]:
    """Serve an ASGI app with our protocol, in a thread of this process; yield the worker and the address."""
    loop = uvloop.new_event_loop()
    listening = socket.create_server(("127.0.0.1", 0))
    config = Config()
    worker = Worker(1, os.getpid(), [], None, 30, config, Logger(config))
    worker.loop, worker.asgi = loop, app

    async def stop() -> None:
        """Do what gunicorn does before it closes a loop; unlike asyncio's, uvloop's waits for open servers."""
        server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        server = asyncio.run_coroutine_threadsafe(worker.listen(listening), loop).result(START_TIMEOUT)
        yield worker, f"http://127.0.0.1:{listening.getsockname()[1]}"
        until(lambda: not worker.nr_conns)
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result(START_TIMEOUT)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
        listening.close()
        worker.tmp.close()


def _app(size: int, pieces: int = 1) -> Any:
    """Return an ASGI app that reads the body and answers with ``size`` bytes, in a number of pieces."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        headers = [(b"content-length", str(size * pieces).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for number in range(pieces):
            more = number + 1 < pieces
            await send({"type": "http.response.body", "body": b"x" * size, "more_body": more})

    return answer


@pytest.mark.parametrize("pieces", [1, 100])
def test_a_client_that_does_not_take_its_answer_is_cut(pieces: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gunicorn_worker, "ANSWER_TIMEOUT", 0.3)
    with ExitStack() as stack:
        worker, url = stack.enter_context(serving(_app(50_000_000 // pieces, pieces)))
        stack.enter_context(connected(url, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 3))
        until(lambda: worker.nr_conns == 3)
        until(lambda: not worker.nr_conns)


def test_a_client_that_does_not_take_the_end_of_its_answer_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gunicorn_worker, "CLOSE_TIMEOUT", 0.3)
    with serving(_app(10)) as (worker, url):

        async def close_with_bytes_left() -> None:
            (connection,) = worker.reading
            # more than the kernel takes, but the limit of asyncio is higher, so that writing is not paused
            connection.transport.set_write_buffer_limits(high=200_000_000)
            connection.transport.write(b"x" * 50_000_000)
            connection.close()

        with connected(url, HEAD):
            until(lambda: worker.nr_conns == 1)
            asyncio.run_coroutine_threadsafe(close_with_bytes_left(), worker.loop).result(START_TIMEOUT)
            until(lambda: not worker.nr_conns)


def test_a_slow_client_gets_the_whole_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gunicorn_worker, "ANSWER_TIMEOUT", START_TIMEOUT)
    with serving(_app(1_000_000, 50)) as (_, url), urllib.request.urlopen(url, timeout=START_TIMEOUT) as taken:
        read = 0
        while piece := taken.read(100_000):
            read += len(piece)
        assert read == 50_000_000


def test_requests_that_are_sent_ahead_are_answered_and_do_not_fill_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held = [0]
    feed = Protocol._feed_callback_parser

    def feed_and_look(connection: Any, data: bytes) -> bool:
        is_open = feed(connection, data)
        held.append(len(connection._callback_parser.remaining()))
        return is_open

    monkeypatch.setattr(Protocol, "_feed_callback_parser", feed_and_look)
    head = b"POST / HTTP/1.1\r\nHost: a\r\n"
    many = [head + (b"X: %s\r\n" % (b"x" * 8_000)) * 3 + b"Content-Length: 1\r\n\r\nx"] * 200
    # a head and a body that are longer than what is read ahead
    long_head = head + b"".join(b"X%d: %s\r\n" % (number, b"x" * 8_000) for number in range(80))
    last = long_head + b"Connection: close\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1_000_000
    with serving(_app(10)) as (_, url), connected(url, b"") as (client,):
        sender = threading.Thread(target=client.sendall, args=(b"".join([*many, last]),))
        sender.start()
        received = b""
        while piece := client.recv(65_536):
            received += piece
        sender.join()
    assert received.count(b"HTTP/1.1 200 ") == 201
    assert 100_000 < max(held) < 400_000


def test_connections_that_stall_in_a_later_request_give_way_to_new_ones() -> None:
    first = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"
    second = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx"
    with serving(_app(10)) as (worker, url):
        worker.max_connections = 3
        with connected(url, first + second, 3) as stalled:
            for client in stalled:
                assert client.recv(65_536).startswith(b"HTTP/1.1 200 ")
            until(lambda: len(worker.reading) == 3)
            with urllib.request.urlopen(url, timeout=START_TIMEOUT) as answered:
                assert answered.read() == b"x" * 10


def test_stalled_connections_do_not_keep_it_from_stopping(tiny_bert: Path, tmp_path: Path) -> None:
    """``running`` sends SIGTERM and waits for the end with status 0."""
    with ExitStack() as stack, running(COMMAND, tmp_path / "log", BASELINE_MODEL_NAME=str(tiny_bert)) as url:
        wait(f"{url}/health")
        for sends in WAYS.values():
            stack.enter_context(connected(url, sends, 20))
        wait(f"{url}/health")
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_a_request_that_is_being_answered_is_answered_before_the_end(tiny_bert: Path, tmp_path: Path) -> None:
    """The server gets SIGTERM while it predicts."""
    config = recorded("predict_batch")["request"]["body"]["label_config"]
    key = recorded("predict_batch")["request"]["body"]["tasks"][0]["data"].keys()
    tasks = [{"data": dict.fromkeys(key, f"Anna flew to {number}. " * 100)} for number in range(50)]
    body = json.dumps({"tasks": tasks, "label_config": config}).encode()
    head = HEAD + f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    log = tmp_path / "log"
    # with REDIS_URL there is no supervisor: the command is gunicorn's master
    environment = {"BASELINE_MODEL_NAME": str(tiny_bert), "REDIS_URL": "redis://127.0.0.1:1"}
    with ExitStack() as stack:
        with running(COMMAND, log, **environment) as url:
            wait(f"{url}/ready")
            (client,) = stack.enter_context(connected(url, head + body))
            until(lambda: "huggingface_ner_waiting_texts 50.0" in metrics(url))
        status, answered = answer(client)
    assert status == 200
    assert len(answered["results"]) == 50


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_all_processes_log_in_one_format_and_a_normal_stop_looks_like_one(
    tiny_bert: Path, tmp_path: Path, log_format: str
) -> None:
    log = tmp_path / "log"
    with running(COMMAND, log, BASELINE_MODEL_NAME=str(tiny_bert), LOG_FORMAT=log_format) as url:
        wait(f"{url}/ready")
    lines = log.read_text().splitlines()
    if log_format == "json":
        events = [json.loads(line) for line in lines]
        times, levels = [event["time"] for event in events], {event["level"] for event in events}
        assert len({event["process"] for event in events}) > 1
    else:
        times, levels = [line.split()[0] for line in lines], {line.split()[1] for line in lines}
    assert all(datetime.fromisoformat(time).utcoffset() is not None for time in times)
    assert levels == {"INFO"}
