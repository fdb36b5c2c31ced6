"""Starts the service that bench.serving measures, and sends it requests."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from tests import ROOT
from tests.server.service import free_port, wait

# Called with a labelling config; returns a function that predicts texts.
Client = Callable[[str], Callable[[list[str]], Any]]


@contextmanager
def server(model: Path, **environment: str) -> Iterator[tuple[Client, int]]:
    """Start the service; yield a function that makes clients of it, and its process id."""
    port = free_port()
    chosen = {"HOST": "127.0.0.1", "PORT": str(port), "BASELINE_MODEL_NAME": str(model), "LOG_LEVEL": "WARNING"}
    command = [sys.executable, "-m", "huggingface_ner", "serve"]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **chosen, **environment})

    def client(config: str) -> Callable[[list[str]], Any]:
        connection = HTTPConnection("127.0.0.1", port, timeout=600)

        def ask(texts: list[str]) -> Any:
            tasks = [{"id": number, "data": {"text": text}} for number, text in enumerate(texts)]
            body = json.dumps({"tasks": tasks, "label_config": config})
            connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
            with connection.getresponse() as answer:
                results = json.loads(answer.read())["results"]
            connection.close()  # Label Studio also uses a new connection for each request
            assert len(results) == len(texts)
            return results

        return ask

    try:
        wait(f"http://127.0.0.1:{port}/ready")
        yield client, process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
