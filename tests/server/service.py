"""The service in a separate process."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests import ROOT

START_TIMEOUT = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(command: list[str], log: Path, ends_with: int = 0, /, **environment: str) -> Iterator[str]:
    """Run a command that starts a server, yield the server's address, and check the command's exit status.

    ends_with: the expected exit status. If it is 0 or -SIGTERM, the command gets SIGTERM at the end; otherwise the
    test has to end the command.
    """
    port = environment.pop("PORT", None) or free_port()
    environment = {"MODEL_DIR": str(log.parent / "models"), **environment}
    with log.open("wb") as written:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "HOST": "127.0.0.1", "PORT": str(port), **environment},
            stderr=written,
            stdout=written,
            start_new_session=True,
        )
    try:
        yield f"http://127.0.0.1:{port}"
        if ends_with in (0, -signal.SIGTERM):
            process.send_signal(signal.SIGTERM)
        assert process.wait(30) == ends_with, log.read_text()
    finally:
        # also ends the processes that the command has started and left behind
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def ask(url: str, body: Any = None, timeout: float = 10.0) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def wait(url: str, status: int = 200) -> Any:
    until = time.monotonic() + START_TIMEOUT
    while time.monotonic() < until:
        try:
            answered, body = ask(url)
        except OSError:
            answered = None
        if answered == status:
            return body
        time.sleep(0.1)
    raise AssertionError(f"{url} did not answer {status}")
