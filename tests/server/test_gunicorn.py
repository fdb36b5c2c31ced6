"""The real server, in a separate process."""

import io
import json
import shutil
import signal
import sys
import time
import urllib.error
import urllib.request
import zipfile
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from huggingface_ner.cli import main
from huggingface_ner.label_studio.project_ids import parse_project_id
from huggingface_ner.settings import Settings
from huggingface_ner.store.versions import project_store
from tests import recorded, recorded_names
from tests.exports.versions import publish
from tests.server.service import START_TIMEOUT, ask, free_port, running, wait


@pytest.mark.parametrize("command", [["-m", "huggingface_ner", "serve"], ["huggingface_ner/_wsgi.py"]])
def test_the_service_answers_recorded_requests(command: list[str], news_model: Path, tmp_path: Path) -> None:
    """``label-studio-ml start ./huggingface_ner`` runs the second command."""
    log = tmp_path / "log"
    with running([sys.executable, *command], log, BASELINE_MODEL_NAME=str(news_model)) as url:
        assert wait(f"{url}/health")["status"] == "UP"
        wait(f"{url}/ready")
        for name in recorded_names():
            request = recorded(name)["request"]
            assert ask(f"{url}{request['path']}", request["body"])[0] == 200
    assert "Traceback" not in log.read_text()
    assert "Obama" not in log.read_text(), "texts are not logged"
    assert "uvloop" not in log.read_text(), "gunicorn warns if it cannot use uvloop"


def test_the_command_of_label_studio_ml_starts_the_service(tiny_bert: Path, tmp_path: Path) -> None:
    port = free_port()
    command = [str(Path(sys.executable).with_name("label-studio-ml")), "start", "./huggingface_ner"]
    with running(
        [*command, "--port", str(port)],
        tmp_path / "log",
        -signal.SIGTERM,
        BASELINE_MODEL_NAME=str(tiny_bert),
    ):
        assert wait(f"http://127.0.0.1:{port}/health")["status"] == "UP"


def test_several_processes_answer_as_one(tiny_bert: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "huggingface_ner", "serve"]
    environment = {"BASELINE_MODEL_NAME": str(tiny_bert), "WORKERS": "2", "THREADS": "2"}
    with running(command, tmp_path / "log", **environment) as url:
        wait(f"{url}/ready")
        for _ in range(20):
            assert ask(f"{url}/webhook", {"action": "ANNOTATION_CREATED"})[0] == 200
        with urllib.request.urlopen(f"{url}/metrics", timeout=5) as answer:
            shown = answer.read().decode()
        assert 'huggingface_ner_webhooks_total{action="ANNOTATION_CREATED"} 20.0' in shown


def test_a_version_is_downloaded_as_a_whole(tiny_bert: Path, tmp_path: Path) -> None:
    """The answer is sent piece by piece, so the server waits for the client's end while it is being sent."""
    command = [sys.executable, "-m", "huggingface_ner", "serve"]
    version = publish(Settings(model_dir=tmp_path / "models").models_folder, tiny_bert)
    with running(command, tmp_path / "log", BASELINE_MODEL_NAME=str(tiny_bert)) as url:
        wait(f"{url}/health")
        path = f"{url}/projects/7/versions/{version.name}/download"
        with urllib.request.urlopen(path, timeout=START_TIMEOUT) as answer:
            downloaded = answer.read()
    with zipfile.ZipFile(io.BytesIO(downloaded)) as archive:
        assert archive.testzip() is None
        assert f"{version.name}/model.safetensors" in archive.namelist()


def test_a_published_version_is_served_by_all_processes_without_a_restart(tiny_bert: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "huggingface_ner", "serve"]
    settings = Settings(model_dir=tmp_path / "models", baseline_model_name=str(tiny_bert))
    environment = {"BASELINE_MODEL_NAME": str(tiny_bert), "MODEL_DIR": str(settings.model_dir), "WORKERS": "2"}
    body = recorded("predict_batch")["request"]["body"]
    project = parse_project_id(body["project"])
    assert project is not None
    with running(command, tmp_path / "log", **environment) as url:
        wait(f"{url}/ready")

        def seen() -> set[str]:
            asked = ask(f"{url}/setup", {"project": body["project"], "schema": body["label_config"]})[1]
            results = ask(f"{url}/predict", body)[1]["results"]
            return {asked["model_version"], *(result["model_version"] for result in results)}

        baseline = {ask(f"{url}/health")[1]["model_version"]}
        assert seen() == baseline

        def copy(folder: Path) -> None:
            shutil.copytree(tiny_bert, folder, dirs_exist_ok=True)

        version = project_store(settings.models_folder, project).publish(copy, {}).name
        until = time.monotonic() + START_TIMEOUT
        while seen() != {version}:
            assert time.monotonic() < until
        assert [seen() for _ in range(10)] == [{version}] * 10
        assert ask(f"{url}/versions")[1] == {"versions": [*baseline, version]}
        other = {**body, "project": "999.1"}
        assert ask(f"{url}/predict", other)[1]["results"][0]["model_version"] in baseline


def test_the_health_command_knows_the_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = {
        "BASELINE_MODEL_NAME": str(tmp_path / "gone"),
        "BASIC_AUTH_USER": "u",
        "BASIC_AUTH_PASS": "pä:ss",
    }
    with running([sys.executable, "-m", "huggingface_ner", "serve"], tmp_path / "log", **environment) as url:
        wait(f"{url}/health", status=401)
        monkeypatch.setenv("PORT", url.rpartition(":")[2])
        assert main(["health"]) == 1
        assert "401" in capsys.readouterr().err
        monkeypatch.setenv("BASIC_AUTH_USER", "u")
        monkeypatch.setenv("BASIC_AUTH_PASS", "pä:ss")
        assert main(["health"]) == 0
        assert json.loads(capsys.readouterr().out)["status"] == "UP"
    assert main(["health"]) == 1


def test_too_many_texts_are_refused_and_a_disconnected_client_frees_the_engine(
    tiny_bert: Path, tmp_path: Path
) -> None:
    """After a client disconnects, the next one is answered long before the first one's texts would be done."""
    command = [sys.executable, "-m", "huggingface_ner", "serve"]
    environment = {"BASELINE_MODEL_NAME": str(tiny_bert), "MAX_WAITING_TEXTS": "100", "CACHED_SPANS": "0"}
    environment["LOG_LEVEL"] = "DEBUG"
    config = recorded("predict_batch")["request"]["body"]["label_config"]
    key = recorded("predict_batch")["request"]["body"]["tasks"][0]["data"].keys()

    def body(texts: int) -> Any:
        tasks = [
            {"data": dict.fromkeys(key, f"Anna flew to Z\u00fcrich {number}. " * 500)} for number in range(texts)
        ]
        return {"tasks": tasks, "label_config": config}

    with running(command, tmp_path / "log", **environment) as url:
        wait(f"{url}/ready")
        connection = HTTPConnection(url.removeprefix("http://"), timeout=60)
        connection.request("POST", "/predict", json.dumps(body(500)), {"Content-Type": "application/json"})
        until = time.monotonic() + START_TIMEOUT
        while (answer := ask(f"{url}/predict", body(1)))[0] != 503:
            assert time.monotonic() < until
        assert "MAX_WAITING_TEXTS=100" in answer[1]["error"]
        connection.close()
        while ask(f"{url}/predict", body(1))[0] != 200:
            assert time.monotonic() < until
        assert "the client has disconnected" in (tmp_path / "log").read_text()
