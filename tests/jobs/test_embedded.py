"""Without REDIS_URL, `serve` runs the server, its queue and its worker as one service."""

import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from huggingface_ner.cli import main
from huggingface_ner.label_studio.addresses import project_address
from huggingface_ner.label_studio.gold import read_gold
from huggingface_ner.label_studio.labeling_config import parse_labeling_config
from huggingface_ner.label_studio.tasks import TaskReader
from huggingface_ner.learning.held_out import HELD_OUT_SHARE, divide
from huggingface_ner.store.split_file import Split
from tests import recorded
from tests.jobs.test_train import config, tasks
from tests.label_studio_api import LEGACY_TOKEN, LabelStudioApi
from tests.server.service import ask, running, wait

GUARD = "huggingface_ner.jobs.queue_guard"
SERVE = [sys.executable, "-m", "huggingface_ner", "serve"]


def _environment(api: LabelStudioApi, folder: Path, **more: str) -> dict[str, str]:
    return {
        "MODEL_DIR": str(folder / "models"),
        "LABEL_STUDIO_HOST": api.url,
        "LABEL_STUDIO_API_KEY": LEGACY_TOKEN,
        "F1_TOLERANCE": "1",  # the few held-out tasks differ between runs, so any model could be refused
        **more,
    }


def _webhooks(url: str, project: int, count: int) -> list[dict[str, Any]]:
    body = recorded("webhook_ANNOTATION_CREATED")["request"]["body"]
    body = {**body, "project": {**body["project"], "id": project}}
    return [ask(f"{url}/webhook", body)[1] for _ in range(count)]


def _ended(url: str, project: int) -> dict[str, Any]:
    until = time.monotonic() + 300
    while True:
        status = ask(f"{url}/training?project={project}")[1]
        if status["state"] in ("idle", "parked") and "last" in status:
            return dict(status["last"])
        assert time.monotonic() < until, status
        time.sleep(0.2)


def test_ten_annotations_make_a_better_model_serve(
    label_studio_api: LabelStudioApi,
    news_config: str,
    news_tasks: list[dict[str, Any]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    setup = recorded("setup")["request"]["body"]
    project = int(setup["project"].partition(".")[0])
    short = [task for task in news_tasks if len(task["data"]["text"]) < 2_000]
    label_studio_api.add(project, news_config, short)
    salt = project_address(label_studio_api.url, project)
    split = divide({str(task["id"]) for task in short}, Split(), HELD_OUT_SHARE, salt)
    sample = [task for task in short if str(task["id"]) in split.held_out]
    gold = list(read_gold(sample, parse_labeling_config(news_config), TaskReader(str, "")))
    wanted = {(text.task_id, span.start, span.end, span.label) for text in gold for span in text.spans}

    def right(url: str) -> int:
        body = {"tasks": sample, "project": setup["project"], "label_config": news_config}
        results = ask(f"{url}/predict", body)[1]["results"]
        found = {
            (str(task["id"]), region["value"]["start"], region["value"]["end"], region["value"]["labels"][0])
            for task, result in zip(sample, results, strict=True)
            for region in result["result"]
        }
        return len(found & wanted)

    environment = _environment(label_studio_api, tmp_path)
    with running(SERVE, tmp_path / "log", **environment) as url:
        wait(f"{url}/ready")
        before = ask(f"{url}/setup", {**setup, "schema": news_config})[1]["model_version"]
        assert right(url) == 0
        assert [answer.get("job") for answer in _webhooks(url, project, 10)] == [None] * 9 + [f"train-{project}-1"]
        outcome = _ended(url, project)
        assert outcome["status"] == "published"
        until = time.monotonic() + 30
        while ask(f"{url}/setup", {**setup, "schema": news_config})[1]["model_version"] == before:
            assert time.monotonic() < until
        assert ask(f"{url}/setup", {**setup, "schema": news_config})[1]["model_version"] == outcome["version"]
        assert right(url) > len(wanted) / 2
        monkeypatch.setenv("MODEL_DIR", environment["MODEL_DIR"])
        assert main(["status"]) == 0
        assert f"project {project}: idle; last: published" in capsys.readouterr().out
        assert main(["status", "--project", str(project), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["projects"][0]["last"]["version"] == outcome["version"]
    assert main(["status"]) == 1
    assert "no running server found" in capsys.readouterr().err


def test_ctrl_c_ends_all_in_order(label_studio_api: LabelStudioApi, tiny_bert: Path, tmp_path: Path) -> None:
    # a shell makes background processes and their children ignore Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)
    environment = _environment(label_studio_api, tmp_path, BASELINE_MODEL_NAME=str(tiny_bert))
    with running(SERVE, tmp_path / "log", 130, **environment) as url:
        wait(f"{url}/health")
        supervisor = _supervisor(url)
        family = supervisor.children(recursive=True)
        os.killpg(supervisor.pid, signal.SIGINT)  # as a terminal does
    assert len(family) == 5, "Valkey, its guard, the worker, gunicorn and its one server process"
    assert all(map(_is_gone, family))
    assert "ERROR" not in (tmp_path / "log").read_text()


def test_a_second_server_on_the_same_queue_is_refused(
    label_studio_api: LabelStudioApi, tiny_bert: Path, tmp_path: Path
) -> None:
    environment = _environment(label_studio_api, tmp_path, BASELINE_MODEL_NAME=str(tiny_bert))
    with running(SERVE, tmp_path / "log", **environment) as url:
        wait(f"{url}/health")
        with running(SERVE, tmp_path / "second", 1, **environment):
            pass
        assert "another server runs the training queue in" in (tmp_path / "second").read_text()
        assert ask(f"{url}/health")[0] == 200
        assert ask(f"{url}/training")[0] == 200


def test_a_killed_server_leaves_nothing_running_and_loses_no_training(
    label_studio_api: LabelStudioApi, tiny_bert: Path, tmp_path: Path
) -> None:
    label_studio_api.add(7, config("PER", "LOC"), tasks(24))
    environment = _environment(label_studio_api, tmp_path, BASELINE_MODEL_NAME=str(tiny_bert))
    label_studio_api.answering.clear()
    with running(SERVE, tmp_path / "log", -signal.SIGKILL, **environment) as url:
        wait(f"{url}/health")
        assert _webhooks(url, 7, 10)[-1]["job"] == "train-7-1"
        until = time.monotonic() + 60
        while ask(f"{url}/training?project=7")[1].get("run", {}).get("phase") != "downloading":
            assert time.monotonic() < until
        supervisor = _supervisor(url)
        family = supervisor.children(recursive=True)
        supervisor.kill()
        assert not psutil.wait_procs(family, timeout=60)[1], "all parts end with the supervisor"
        label_studio_api.answering.set()
        with running(SERVE, tmp_path / "second", **environment) as second:
            wait(f"{second}/health")
            assert _ended(second, 7)["status"] == "published"


def test_a_queue_whose_guard_is_killed_too_is_stopped_by_the_next_server(
    label_studio_api: LabelStudioApi, tiny_bert: Path, tmp_path: Path
) -> None:
    environment = _environment(label_studio_api, tmp_path, BASELINE_MODEL_NAME=str(tiny_bert))
    with running(SERVE, tmp_path / "log", -signal.SIGKILL, **environment) as url:
        wait(f"{url}/health")
        supervisor = _supervisor(url)
        family = supervisor.children(recursive=True)
        (valkey,) = [process for process in family if "valkey" in process.name()]
        supervisor.suspend()  # it must not start the guard again
        (guard,) = [process for process in family if GUARD in process.cmdline()]
        guard.kill()
        supervisor.kill()
        assert not psutil.wait_procs([each for each in family if each != valkey], timeout=60)[1]
        assert not _is_gone(valkey)
        with running(SERVE, tmp_path / "second", **environment) as second:
            wait(f"{second}/health")
            assert _is_gone(valkey), "two Valkey servers would damage the same data"


def test_a_server_with_a_copy_of_the_folder_leaves_the_others_queue_alone(
    label_studio_api: LabelStudioApi, tiny_bert: Path, tmp_path: Path
) -> None:
    environment = _environment(label_studio_api, tmp_path, BASELINE_MODEL_NAME=str(tiny_bert))
    with running(SERVE, tmp_path / "log", **environment) as url:
        wait(f"{url}/health")
        _webhooks(url, 7, 3)
        (valkey,) = [each for each in _supervisor(url).children() if "valkey" in each.name()]
        shutil.copytree(tmp_path / "models", tmp_path / "copy")
        copied = {**environment, "MODEL_DIR": str(tmp_path / "copy")}
        with running(SERVE, tmp_path / "second", **copied) as second:
            assert wait(f"{second}/training?project=7")["updates"] == 3
            assert not _is_gone(valkey)
            _webhooks(second, 7, 1)
            assert ask(f"{url}/training?project=7")[1]["updates"] == 3


def test_a_server_that_is_killed_while_its_folder_is_missing_leaves_nothing_running(
    label_studio_api: LabelStudioApi, tiny_bert: Path, tmp_path: Path
) -> None:
    environment = _environment(label_studio_api, tmp_path, BASELINE_MODEL_NAME=str(tiny_bert))
    with running(SERVE, tmp_path / "log", -signal.SIGKILL, **environment) as url:
        wait(f"{url}/health")
        supervisor = _supervisor(url)
        family = supervisor.children(recursive=True)
        shutil.rmtree(tmp_path / "models")
        supervisor.kill()
        assert not psutil.wait_procs(family, timeout=60)[1], "all parts end with the supervisor"


@pytest.mark.parametrize("part", ["huggingface_ner worker", "huggingface_ner serve", "valkey-server", GUARD])
def test_a_part_that_dies_is_started_again(
    label_studio_api: LabelStudioApi, tiny_bert: Path, tmp_path: Path, part: str
) -> None:
    label_studio_api.add(7, config("PER", "LOC"), tasks(24))
    environment = _environment(label_studio_api, tmp_path, BASELINE_MODEL_NAME=str(tiny_bert))
    with running(SERVE, tmp_path / "log", **environment) as url:
        wait(f"{url}/health")
        supervisor = _supervisor(url)
        assert _webhooks(url, 7, 9)[-1]["status"] == "ok"
        (child,) = [child for child in supervisor.children() if part in " ".join(child.cmdline())]
        family = [child, *child.children(recursive=True)]
        child.kill()
        assert not psutil.wait_procs(family, timeout=30)[1], "the processes that it had started end with it"
        wait(f"{url}/health")
        until = time.monotonic() + 60
        while "starting it again (restart 1 in a row)" not in (tmp_path / "log").read_text():
            assert time.monotonic() < until
            time.sleep(0.2)
        while _webhooks(url, 7, 1)[0].get("job") is None:
            assert time.monotonic() < until
            time.sleep(0.2)
        assert _ended(url, 7)["status"] == "published"


def test_predictions_go_on_while_the_queues_folder_is_missing(
    label_studio_api: LabelStudioApi, tiny_bert: Path, tmp_path: Path
) -> None:
    label_studio_api.add(7, config("PER", "LOC"), tasks(24))
    environment = _environment(label_studio_api, tmp_path, BASELINE_MODEL_NAME=str(tiny_bert))
    prediction = {"tasks": tasks(1), "label_config": config("PER", "LOC")}
    folder, away = tmp_path / "models" / "queue", tmp_path / "away"
    with running(SERVE, tmp_path / "log", **environment) as url:
        wait(f"{url}/ready")
        (valkey,) = [child for child in _supervisor(url).children() if "valkey" in child.name()]
        folder.rename(away)
        valkey.kill()
        until = time.monotonic() + 60
        while "cannot be started" not in (tmp_path / "log").read_text():
            assert ask(f"{url}/predict", prediction)[0] == 200
            assert time.monotonic() < until
        away.rename(folder)
        while _webhooks(url, 7, 1)[0].get("status") != "ok":
            assert ask(f"{url}/predict", prediction)[0] == 200
            assert time.monotonic() < until


def _is_gone(process: psutil.Process) -> bool:
    """Return whether a process has ended, even if nobody has waited for it yet."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def _supervisor(url: str) -> psutil.Process:
    """Return the supervisor of the process that listens at an address."""
    port = int(url.rpartition(":")[2])
    for connection in psutil.net_connections("tcp"):
        if (
            connection.status == psutil.CONN_LISTEN
            and connection.laddr
            and connection.laddr.port == port
            and connection.pid
        ):
            ours = [
                process for process in psutil.Process(connection.pid).parents() if "serve" in process.cmdline()
            ]
            return ours[-1]
    raise AssertionError(url)
