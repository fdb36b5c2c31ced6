"""bench/fuzz.py makes the same requests again, and sees what is wrong with an answer."""

import json
import socket
import threading

import pytest

from bench.fuzz import Requests, judged, outcome

REQUEST = b"POST /predict HTTP/1.1\r\n\r\n{}"


def test_the_same_seed_makes_the_same_requests() -> None:
    made = [Requests(0).request(number) for number in range(300)]
    assert made == [Requests(0).request(number) for number in range(300)]
    assert made != [Requests(1).request(number) for number in range(300)]
    assert len(set(made)) > 200


def test_most_requests_are_read_as_json() -> None:
    """Otherwise only the reading of requests would be tested."""
    read = 0
    for number in range(300):
        body = Requests(0).request(number).partition(b"\r\n\r\n")[2]
        try:
            read += isinstance(json.loads(body), dict)
        except (ValueError, RecursionError):
            continue
    assert read > 100


@pytest.mark.parametrize(
    ("status", "head", "body", "is_wrong"),
    [
        (200, b"Content-Type: application/json", b"{}", False),
        (400, b"Content-Type: application/json", b'{"request_id": "1"}', False),
        (400, b"Content-Type: application/json", b"{}", True),
        (503, b"Retry-After: 1\r\nContent-Type: application/json", b'{"request_id": "1"}', False),
        (503, b"Content-Type: application/json", b'{"request_id": "1"}', True),
        (500, b"Retry-After: 1\r\nContent-Type: application/json", b'{"request_id": "1"}', True),
    ],
)
def test_wrong_answers_are_seen(status: int, head: bytes, body: bytes, is_wrong: bool) -> None:
    assert judged(status, head, body, REQUEST).startswith("wrong") is is_wrong


def test_what_follows_100_continue_is_the_answer() -> None:
    answer = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 500 Internal Server Error\r\n\r\n{}"
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with listening.accept()[0] as connection:
                connection.recv(65536)
                connection.sendall(answer)

        serving = threading.Thread(target=serve)
        serving.start()
        assert outcome(listening.getsockname()[1], REQUEST).startswith("wrong: 500")
        serving.join()
