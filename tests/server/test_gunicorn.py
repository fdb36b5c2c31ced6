"""The real server, in a process of its own."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from huggingface_ner.cli import main
from huggingface_ner.label_studio.project_ids import parse_project_id
from huggingface_ner.model_store import project_store
from huggingface_ner.settings import Settings
from tests import ROOT, recorded, recorded_names

SECONDS_TO_START = 60.0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _running(command: list[str], log: Path, **environment: str) -> Iterator[str]:
    port = _free_port()
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
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) in (0, -signal.SIGTERM), log.read_text()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _ask(url: str, body: Any = None, timeout: float = 10.0) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def _wait(url: str, status: int = 200) -> Any:
    until = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < until:
        try:
            answered, body = _ask(url)
        except OSError:
            answered = None
        if answered == status:
            return body
        time.sleep(0.1)
    raise AssertionError(f"{url} did not answer {status}")


@pytest.mark.parametrize("command", [["-m", "huggingface_ner", "serve"], ["huggingface_ner/_wsgi.py"]])
def test_the_service_answers_recorded_requests(command: list[str], news_model: Path, tmp_path: Path) -> None:
    """``label-studio-ml start ./huggingface_ner`` runs the second command."""
    log = tmp_path / "log"
    with _running([sys.executable, *command], log, BASELINE_MODEL_NAME=str(news_model)) as url:
        assert _wait(f"{url}/health")["status"] == "UP"
        _wait(f"{url}/ready")
        for name in recorded_names():
            request = recorded(name)["request"]
            assert _ask(f"{url}{request['path']}", request["body"])[0] == 200
    assert "Traceback" not in log.read_text()
    assert "Obama" not in log.read_text(), "texts are not logged"


def test_label_studio_mls_command_starts_it(tiny_bert: Path, tmp_path: Path) -> None:
    port = _free_port()
    command = [str(Path(sys.executable).with_name("label-studio-ml")), "start", "./huggingface_ner"]
    with _running([*command, "--port", str(port)], tmp_path / "log", BASELINE_MODEL_NAME=str(tiny_bert)):
        assert _wait(f"http://127.0.0.1:{port}/health")["status"] == "UP"


def test_several_processes_answer_as_one(tiny_bert: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "huggingface_ner", "serve"]
    environment = {"BASELINE_MODEL_NAME": str(tiny_bert), "WORKERS": "2", "THREADS": "2"}
    with _running(command, tmp_path / "log", **environment) as url:
        _wait(f"{url}/ready")
        for _ in range(20):
            assert _ask(f"{url}/webhook", {"action": "ANNOTATION_CREATED"})[0] == 200
        with urllib.request.urlopen(f"{url}/metrics", timeout=5) as answer:
            shown = answer.read().decode()
        assert 'huggingface_ner_webhooks_total{action="ANNOTATION_CREATED"} 20.0' in shown


def test_a_published_version_is_served_by_all_processes_without_a_restart(tiny_bert: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "huggingface_ner", "serve"]
    settings = Settings(model_dir=tmp_path / "models", baseline_model_name=str(tiny_bert))
    environment = {"BASELINE_MODEL_NAME": str(tiny_bert), "MODEL_DIR": str(settings.model_dir), "WORKERS": "2"}
    body = recorded("predict_batch")["request"]["body"]
    project = parse_project_id(body["project"])
    assert project is not None
    with _running(command, tmp_path / "log", **environment) as url:
        _wait(f"{url}/ready")

        def seen() -> set[str]:
            asked = _ask(f"{url}/setup", {"project": body["project"], "schema": body["label_config"]})[1]
            results = _ask(f"{url}/predict", body)[1]["results"]
            return {asked["model_version"], *(result["model_version"] for result in results)}

        baseline = {_ask(f"{url}/health")[1]["model_version"]}
        assert seen() == baseline

        def copy(folder: Path) -> None:
            shutil.copytree(tiny_bert, folder, dirs_exist_ok=True)

        version = project_store(settings, project).publish(copy, {}).name
        until = time.monotonic() + SECONDS_TO_START
        while seen() != {version}:
            assert time.monotonic() < until
        assert [seen() for _ in range(10)] == [{version}] * 10
        assert _ask(f"{url}/versions")[1] == {"versions": [*baseline, version]}
        other = {**body, "project": "999.1"}
        assert _ask(f"{url}/predict", other)[1]["results"][0]["model_version"] in baseline


def test_the_health_command_knows_the_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = {
        "BASELINE_MODEL_NAME": str(tmp_path / "gone"),
        "BASIC_AUTH_USER": "u",
        "BASIC_AUTH_PASS": "pä:ss",
    }
    with _running([sys.executable, "-m", "huggingface_ner", "serve"], tmp_path / "log", **environment) as url:
        _wait(f"{url}/health", status=401)
        monkeypatch.setenv("PORT", url.rpartition(":")[2])
        assert main(["health"]) == 1
        assert "401" in capsys.readouterr().err
        monkeypatch.setenv("BASIC_AUTH_USER", "u")
        monkeypatch.setenv("BASIC_AUTH_PASS", "pä:ss")
        assert main(["health"]) == 0
        assert json.loads(capsys.readouterr().out)["status"] == "UP"
    assert main(["health"]) == 1


def test_what_is_too_much_is_refused_and_who_hung_up_is_let_go(tiny_bert: Path, tmp_path: Path) -> None:
    """A client that hangs up frees the engine: the next one gets its answer long before the texts were done."""
    command = [sys.executable, "-m", "huggingface_ner", "serve"]
    environment = {"BASELINE_MODEL_NAME": str(tiny_bert), "MAX_WAITING_TEXTS": "100", "CACHED_SPANS": "0"}
    config = recorded("predict_batch")["request"]["body"]["label_config"]
    key = recorded("predict_batch")["request"]["body"]["tasks"][0]["data"].keys()

    def body(texts: int) -> Any:
        tasks = [
            {"data": dict.fromkeys(key, f"Anna flew to Z\u00fcrich {number}. " * 500)} for number in range(texts)
        ]
        return {"tasks": tasks, "label_config": config}

    with _running(command, tmp_path / "log", **environment) as url:
        _wait(f"{url}/ready")
        connection = HTTPConnection(url.removeprefix("http://"), timeout=60)
        connection.request("POST", "/predict", json.dumps(body(500)), {"Content-Type": "application/json"})
        until = time.monotonic() + SECONDS_TO_START
        while (answer := _ask(f"{url}/predict", body(1)))[0] != 503:
            assert time.monotonic() < until
        assert "MAX_WAITING_TEXTS=100" in answer[1]["error"]
        connection.close()
        while _ask(f"{url}/predict", body(1))[0] != 200:
            assert time.monotonic() < until
        assert "the client has hung up" in (tmp_path / "log").read_text()
