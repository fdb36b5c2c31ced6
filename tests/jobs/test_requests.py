"""Events request trainings in a real server that speaks Redis's protocol."""

from pathlib import Path
from typing import Any

import pytest

from huggingface_ner.jobs import requests, runs
from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.jobs.redis_connection import connect
from huggingface_ner.jobs.webhooks import handle_event
from huggingface_ner.label_studio.events import read_event
from huggingface_ner.learning.progress import Outcome
from huggingface_ner.settings import Settings
from tests.server.round_trips import RoundTrips

EACH = 10


@pytest.fixture
def queue(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> TrainingQueue:
    """A queue that holds requests until _end_grace is called."""
    monkeypatch.setattr(runs, "DEBOUNCE_SECONDS", 0.0)
    monkeypatch.setattr(requests, "GRACE_SECONDS", 3600.0)
    return _queue(redis_url)


def _queue(redis_url: str) -> TrainingQueue:
    return TrainingQueue(connect(redis_url, timeout=5), Settings(start_training_each_n_updates=EACH))


def _end_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "GRACE_SECONDS", 0.0)


def _send(queue: TrainingQueue, folder: Path, action: str, project_id: int = 7, **fields: Any) -> str | None:
    project = {"id": project_id, "min_annotations_to_start_training": 1}
    event = read_event(action, {"action": action, "project": project, **fields})
    return handle_event(queue, Settings(model_dir=folder), event, project_id)


def _jobs(queue: TrainingQueue) -> list[str]:
    queue.enqueue_due()
    return queue.rq.job_ids


def test_label_studios_switch_does_not_train_after_every_annotation(
    queue: TrainingQueue, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other_process = _queue(redis_url)
    for number in range(1, 2 * EACH):
        assert _send(queue, tmp_path, "START_TRAINING") == ("train-7-1" if number == 1 else None)
        job = _send(other_process, tmp_path, "ANNOTATION_UPDATED" if number % 2 else "ANNOTATION_CREATED")
        assert (job is not None) == (number == EACH)
        if number < EACH:
            assert queue.status(7)["state"] == "idle"
    _end_grace(monkeypatch)
    assert _jobs(queue) == ["train-7-1"]
    run = queue.begin(7)
    assert run is not None
    assert run.answers == 1, "only the tenth annotation requested a training"


def test_the_switch_starts_no_training_while_several_annotators_work(
    queue: TrainingQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for action in ("START_TRAINING", "START_TRAINING", "ANNOTATION_CREATED", "START_TRAINING"):
        _send(queue, tmp_path, action)
    _end_grace(monkeypatch)
    assert _jobs(queue) == []
    assert queue.status(7)["state"] == "idle"


def test_the_button_alone_starts_a_training_after_grace_seconds(
    queue: TrainingQueue, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _send(queue, tmp_path, "START_TRAINING") == "train-7-1"
    assert _send(queue, tmp_path, "START_TRAINING") == "train-7-1"
    _send(queue, tmp_path, "ANNOTATION_CREATED", project_id=8)
    assert queue.status(7)["state"] == "waiting"
    assert _jobs(queue) == [], "an annotation's event may follow"
    _end_grace(monkeypatch)
    queue.request_held()
    assert _jobs(_queue(redis_url)) == ["train-7-1"]
    run = queue.begin(7)
    assert run is not None
    assert run.answers == 1
    assert not queue.status(7)["waiting"]


def test_a_held_request_is_shown_while_a_training_runs_and_after_one_is_parked(
    queue: TrainingQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue.request_training(7)
    run = queue.begin(7)
    assert run is not None
    _send(queue, tmp_path, "START_TRAINING")
    status = queue.status(7)
    assert (status["state"], status["waiting"]) == ("running", True)
    queue.end(run, Outcome.failed("wrong key", retryable=False))
    assert queue.status(7)["state"] == "waiting"
    _end_grace(monkeypatch)
    assert _jobs(queue) == ["train-7-2"], "the held request is a reason to try again"


def test_the_button_trains_at_once_if_the_switch_is_off(queue: TrainingQueue, tmp_path: Path) -> None:
    project = {"id": 7, "min_annotations_to_start_training": 0}
    _send(queue, tmp_path, "ANNOTATION_CREATED", project=project)
    assert _send(queue, tmp_path, "START_TRAINING", project=project) == "train-7-1"
    assert _jobs(queue) == ["train-7-1"]


def test_a_training_is_expected_shortly_before_it_is_requested(queue: TrainingQueue) -> None:
    assert not queue.is_expected()
    queue.count_updates(7, EACH - requests.UPDATES_AHEAD - 1)
    assert not queue.is_expected()
    queue.count_updates(7, 1)
    assert queue.is_expected()
    queue.request_training(7)
    assert queue.is_expected()
    assert queue.begin(7) is not None
    assert 0 < queue.rq.connection.ttl(queue._expected) <= requests.STILL_EXPECTED_SECONDS


@pytest.mark.parametrize(("counted", "round_trips"), [(1, 1), (EACH - 1, 2), (EACH, 2)])
def test_a_webhook_makes_few_round_trips(redis_url: str, counted: int, round_trips: int) -> None:
    """Label Studio waits for the answer to each webhook."""
    connection = connect(redis_url, timeout=5)
    queue = TrainingQueue(connection, Settings(start_training_each_n_updates=EACH))
    trips = RoundTrips(connection)
    queue.count_updates(7, counted)
    assert trips.count == round_trips


def test_a_click_is_expected_too(queue: TrainingQueue) -> None:
    queue.request_training(7)
    assert queue.is_expected()
