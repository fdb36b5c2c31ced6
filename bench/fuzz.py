"""Send a service thousands of malformed requests, and check its answers and its log.

    python -m bench.fuzz [--requests 11000] [--seed 0]

The requests are recorded requests of Label Studio (tests/recorded) and requests of other routes. They are changed
at random: anywhere in the JSON, and in the bytes, the method, the path and the headers. Each answer must have a
status below 500, or 503 with Retry-After, or 501 for an unknown transfer coding. An error in JSON must have a
request id. Only a request that is not complete may get no answer. Prints the number of answers by status. Exits
with 1 if an answer is wrong, if the service does not answer afterwards, or if the log has a traceback or a text of
a task.
"""

import argparse
import copy
import json
import random
import re
import socket
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests import ROOT
from tests.server.service import ask, running, wait
from tests.tiny_models import save_tiny_model

CLIENTS = 32
# Seconds after which a client whose request may not be complete ends its side of the connection.
PATIENCE = 10.0
ANSWER_TIMEOUT = 90.0
# Is put into the text of every task. If the log contains it, a text was logged.
SENTINEL = "Quixotomania"
ODD: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1e308,
    10**30,
    "",
    " ",
    "\x00",
    "\ud800",
    "𝔘" * 50,
    "a" * 5_000,
    "-1",
    "1.1",
    "../..",
    [],
    {},
    [[]],
    [None],
    {"": None},
    {"id": {"id": []}},
    "<View/>",
    "<View><!DOCTYPE a []></View>",
)
PATHS = (
    "/",
    "/health",
    "/ready",
    "/metrics",
    "/versions",
    "/training",
    "/training?project=1",
    "/training?project=x",
    "/projects/1",
    "/projects/x",
    "/projects/1/train",
    "/projects/1/versions/a/use",
    "/assets/page.css",
    "/nowhere",
    "/%00",
    "/%ff",
    "//health",
    "/../../etc/passwd",
    "/assets/..%2f..%2fsettings.py",
    "/" + "a" * 9_000,
    "/?" + "q" * 9_000,
)
METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "get", "BREW", "")
HEADERS = (
    "Content-Type: text/plain",
    "Content-Type: multipart/form-data; boundary=x",
    "Content-Encoding: gzip",
    "Accept: text/html",
    "Accept: */*;q=x",
    "Authorization: Basic !!!",
    "Authorization: Bearer x",
    "Cookie: a=b; =;;",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip",
    "Expect: 100-continue",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Content-Length: 5",
    "Content-Length: -1",
    "Content-Length: x",
    "Host: evil",
    "X: " + "y" * 9_000,
    "No colon",
    ": no name",
    "Accept-Language: \xff\xfe",
    "Range: bytes=0-1",
    "If-None-Match: *",
)


def main() -> int:
    """Send the requests, print the results, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=11_000, help="number of requests (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the changes (default: %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-fuzz-") as name:
        folder = Path(name)
        environment = {
            "BASELINE_MODEL_NAME": str(save_tiny_model(folder / "baseline", "bert")),
            "MODEL_DIR": str(folder / "models"),
            "INFERENCE_ENGINE": "torch",
            "INFERENCE_PRECISION": "fp32",
            "MAX_REQUEST_BYTES": "1000000",
            "HF_HUB_OFFLINE": "1",
        }
        log = folder / "log"
        with running([sys.executable, "-m", "huggingface_ner", "serve"], log, **environment) as url:
            wait(f"{url}/ready")
            port = int(url.rpartition(":")[2])
            make = Requests(options.seed)
            with ThreadPoolExecutor(CLIENTS) as pool:
                outcomes = list(
                    pool.map(lambda number: outcome(port, make.request(number)), range(options.requests))
                )
            is_up = ask(f"{url}/health")[0] == 200
        return _verdict(outcomes, is_up, log.read_text(errors="replace"))


class Requests:
    """Makes requests, always the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._recorded = [
            with_sentinel(json.loads(path.read_text(encoding="utf-8"))["request"])
            for path in sorted((ROOT / "tests" / "recorded").glob("[!_]*.json"))
        ]

    def request(self, number: int) -> bytes:
        """Return the bytes of the request with a number."""
        chance = random.Random(f"{self._seed} {number}")
        recorded = chance.choice(self._recorded)
        method, path, body = recorded["method"], recorded["path"], copy.deepcopy(recorded.get("body"))
        if chance.random() < 0.3:
            method, path, body = chance.choice(METHODS), chance.choice(PATHS), chance.choice((None, body))
        for _ in range(chance.choice((0, 1, 1, 2, 5))):
            body = changed(body, chance)
        content = b"" if body is None else json.dumps(body).encode()
        if chance.random() < 0.15:
            content = garbled(content, chance)
        headers = ["Host: localhost", "Content-Type: application/json", "Connection: close"]
        if content or method == "POST":
            headers.append(f"Content-Length: {len(content)}")
        headers += chance.sample(HEADERS, chance.choice((0, 0, 0, 1, 2)))
        head = "\r\n".join([f"{method} {path} HTTP/1.1", *headers]).encode("latin-1", "replace")
        return (garbled(head, chance) if chance.random() < 0.05 else head) + b"\r\n\r\n" + content


def with_sentinel(request: dict[str, Any]) -> dict[str, Any]:
    """Return a request whose tasks have SENTINEL in their texts."""
    for task in (request.get("body") or {}).get("tasks", []) if "/predict" in request["path"] else ():
        task["data"] = {
            key: f"{value} {SENTINEL}" if isinstance(value, str) and "://" not in value else value
            for key, value in task["data"].items()
        }
    return request


def changed(value: Any, chance: random.Random) -> Any:
    """Return a JSON value with a random change at a random place."""
    if isinstance(value, dict) and value and chance.random() < 0.85:
        key = chance.choice(list(value))
        if chance.random() < 0.1:
            return {name: item for name, item in value.items() if name != key}
        return {**value, key: changed(value[key], chance)}
    if isinstance(value, list) and value and chance.random() < 0.85:
        at = chance.randrange(len(value))
        return [*value[:at], changed(value[at], chance), *value[at + 1 :]]
    if isinstance(value, str) and chance.random() < 0.5:
        at = chance.randrange(len(value) + 1)
        return f"{value[:at]}{chance.choice(('', '<', '&', chr(0), '𝔘', '{', '$', 'x'))}{value[at:]}"
    if chance.random() < 0.05:
        nested: Any = chance.choice(ODD)
        for _ in range(chance.choice((5, 100, 400))):
            nested = [nested] if chance.random() < 0.5 else {"a": nested}
        return nested
    return chance.choice(ODD)


def garbled(content: bytes, chance: random.Random) -> bytes:
    """Return bytes that are cut, repeated or changed at a random place."""
    at = chance.randrange(len(content) + 1)
    ways: tuple[Callable[[], bytes], ...] = (
        lambda: content[:at],
        lambda: content + content[at:],
        lambda: content[:at] + chance.randbytes(4) + content[at:],
        lambda: content[:at] + b"\r\n" + content[at:],
        lambda: content[:at] + b"[" * 100_000,
    )
    return chance.choice(ways)()


def outcome(port: int, request: bytes) -> str:
    """Send a request, and return its status, or a text that says what is wrong with the answer."""
    answer = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
            connection.sendall(request)
            try:
                answer = connection.recv(65536)
            except TimeoutError:
                connection.shutdown(socket.SHUT_WR)
                connection.settimeout(ANSWER_TIMEOUT)
            while piece := connection.recv(65536):
                answer += piece
    except TimeoutError:
        return f"wrong: no answer in {ANSWER_TIMEOUT:.0f} s: {request[:200]!r}"
    except OSError:
        pass  # the server may close the connection without reading a request that it refuses
    if not answer:
        return "closed without an answer"
    head, _, body = answer.partition(b"\r\n\r\n")
    if head.startswith(b"HTTP/1.1 100 ") and body:  # the final answer follows it
        head, _, body = body.partition(b"\r\n\r\n")
    found = re.match(rb"HTTP/1\.[01] (\d{3}) ", head)
    if found is None:
        return f"wrong: not HTTP: {answer[:100]!r}"
    return judged(int(found[1]), head, body, request)


def judged(status: int, head: bytes, body: bytes, request: bytes) -> str:
    """Return the status, or a text that says what is wrong with the answer."""
    # RFC 9112: 501 for a transfer coding that the server does not know
    is_meant = (status == 503 and b"retry-after" in head.lower()) or (
        status == 501 and b"transfer-encoding" in request.lower()
    )
    if status >= 500 and not is_meant:
        return f"wrong: {status}: {body[:200]!r} for {request[:300]!r}"
    is_json = b"application/json" in head.lower()
    if status >= 400 and is_json and not request.startswith(b"HEAD") and b"request_id" not in body:
        return f"wrong: {status} without a request id: {body[:200]!r}"
    return str(status)


def _verdict(outcomes: list[str], is_up: bool, log: str) -> int:
    wrong = [each for each in outcomes if each.startswith("wrong")]
    for each, count in Counter(each for each in outcomes if not each.startswith("wrong")).most_common():
        print(f"{each:40} {count:6}")
    print(f"log: {len(log) / max(len(outcomes), 1):.0f} characters for each request")
    found = {
        "wrong answers": wrong,
        "tracebacks in the log": re.findall(r"Traceback.*", log),
        "texts in the log": [line[:300] for line in log.splitlines() if SENTINEL in line],
        "the service does not answer afterwards": [] if is_up else ["/health"],
    }
    for name, examples in found.items():
        print(f"{name}: {len(examples)}")
        for example in examples[:5]:
            print(f"  {example}")
    return int(any(found.values()))


if __name__ == "__main__":
    sys.exit(main())
