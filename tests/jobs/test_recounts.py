"""Annotations that sent no event are counted with a stand-in of Label Studio's API."""

from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from huggingface_ner.jobs import count as count_module
from huggingface_ner.jobs import recounts, runs
from huggingface_ner.jobs.count import recount_annotations
from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.jobs.redis_connection import connect
from huggingface_ner.jobs.runs import MAX_ATTEMPTS
from huggingface_ner.jobs.webhooks import handle_event
from huggingface_ner.label_studio.client import LabelStudioClient
from huggingface_ner.label_studio.events import read_event
from huggingface_ner.learning.progress import Outcome
from huggingface_ner.settings import Settings
from tests import recorded
from tests.jobs.test_train import tasks
from tests.jobs.trainings import Trainings
from tests.label_studio_api import LEGACY_TOKEN, LabelStudioApi

PROJECTS = count(1)


@pytest.fixture
def queue(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> TrainingQueue:
    monkeypatch.setattr(recounts, "RECOUNT_DELAY", 0.0)
    monkeypatch.setattr(count_module, "EVENT_SECONDS", 0.0)
    return TrainingQueue(connect(redis_url, timeout=5), Settings(start_training_each_n_updates=10))


@pytest.fixture
def client(label_studio_api: LabelStudioApi) -> LabelStudioClient:
    label_studio_api.add(7, "<View/>", [])
    return LabelStudioClient(Settings(label_studio_host=label_studio_api.url, label_studio_api_key=LEGACY_TOKEN))


def _send(queue: TrainingQueue, folder: Path, name: str) -> str | None:
    body = recorded(f"webhook_{name}")["request"]["body"]
    return handle_event(queue, Settings(model_dir=folder), read_event(body["action"], body), 7)


def _annotated(*annotations: dict[str, Any]) -> dict[str, Any]:
    return {"id": 1, "data": {}, "annotations": list(annotations)}


def test_imported_annotations_count_as_updates(
    queue: TrainingQueue, client: LabelStudioClient, label_studio_api: LabelStudioApi, tmp_path: Path
) -> None:
    label_studio_api.tasks[7] = [_annotated({}) for _ in range(26)]
    assert _send(queue, tmp_path, "TASKS_CREATED") is None
    assert label_studio_api.requests == [], "Label Studio is not queried while the webhook waits"
    assert queue.recounts_due() == [7]
    recount_annotations(queue, client, 7)
    status = queue.status(7)
    assert (status["updates"], status["updates_until_training"], status["state"]) == (26, 4, "waiting")
    assert queue.recounts_due() == []
    for _ in range(2):
        _send(queue, tmp_path, "TASKS_CREATED")
        recount_annotations(queue, client, 7)
    assert queue.status(7)["updates"] == 26, "imported annotations are counted once"
    run = queue.begin(7)
    assert run is not None
    assert run.answers == 1


def test_annotations_whose_events_arrived_are_not_counted_twice(
    queue: TrainingQueue, client: LabelStudioClient, label_studio_api: LabelStudioApi, tmp_path: Path
) -> None:
    for name in ("ANNOTATION_CREATED", "ANNOTATION_CREATED_skipped", "ANNOTATION_UPDATED"):
        _send(queue, tmp_path, name)
    label_studio_api.tasks[7] = [_annotated({}), _annotated({"was_cancelled": True}), _annotated({}, {})]
    queue.request_recount(7)
    recount_annotations(queue, client, 7)
    assert queue.status(7)["updates"] == 3 + 2
    label_studio_api.tasks[7] = []
    _send(queue, tmp_path, "TASKS_DELETED")
    recount_annotations(queue, client, 7)
    assert queue.status(7)["updates"] == 5, "deleted annotations are not updates"
    label_studio_api.tasks[7] = [_annotated({})]
    queue.request_recount(7)
    recount_annotations(queue, client, 7)
    assert queue.status(7)["updates"] == 6, "a new annotation is an update"


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["create", "import", "update", "delete", "count"]), max_size=30))
def test_each_annotation_counts_once_in_any_order(queue: TrainingQueue, steps: list[str]) -> None:
    project_id, annotations, expected = next(PROJECTS), 0, 0
    for step in [*steps, "count"]:
        if step == "count":
            queue.request_recount(project_id)
            recount = queue.requested_recount(project_id)
            assert recount is not None
            assert queue.answer_recount(project_id, recount, annotations) is not None
            assert queue.status(project_id)["updates"] == expected
        elif annotations or step in ("create", "import"):
            added = {"create": 1, "import": 1, "delete": -1}.get(step, 0)
            annotations += added
            expected += 1
            if step != "import":
                queue.count_updates(project_id, 1, added=added)


def test_label_studio_is_queried_again_if_an_event_arrives_meanwhile(
    queue: TrainingQueue,
    client: LabelStudioClient,
    label_studio_api: LabelStudioApi,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    label_studio_api.tasks[7] = [_annotated({}) for _ in range(3)]
    answer_recount = queue.answer_recount
    answers: list[int | None] = []

    def saved_meanwhile(*arguments: Any) -> int | None:
        if not answers:  # the annotation is in Label Studio's answer, but its event arrives only now
            queue.count_updates(7, 1, added=1)
        answers.append(answer_recount(*arguments))
        return answers[-1]

    monkeypatch.setattr(queue, "answer_recount", saved_meanwhile)
    queue.request_recount(7)
    recount_annotations(queue, client, 7)
    assert answers == [None, 2]
    assert queue.status(7)["updates"] == 3


def test_a_parked_project_is_tried_again_if_annotations_were_missed(queue: TrainingQueue) -> None:
    queue.request_training(7)
    run = queue.begin(7)
    assert run is not None
    queue.end(run, Outcome.failed("wrong key", retryable=False))
    for annotations, state in ((0, "parked"), (1, "waiting")):
        queue.request_recount(7)
        recount = queue.requested_recount(7)
        assert recount is not None
        queue.answer_recount(7, recount, annotations)
        assert queue.status(7)["state"] == state


def test_a_new_request_does_not_wait_for_the_retry_of_one_that_failed(queue: TrainingQueue) -> None:
    queue.request_recount(7)
    assert queue.begin_recount(7)
    assert queue.recounts_due() == [], "the next attempt is not due yet"
    queue.request_recount(7)
    assert queue.recounts_due() == [7]


def test_a_recount_that_is_not_answered_is_tried_again_a_few_times(
    queue: TrainingQueue, redis_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    queue.request_recount(7)
    assert queue.begin_recount(7)
    assert not queue.begin_recount(7), "the next attempt is not due yet"
    assert queue.recounts_due() == []
    monkeypatch.setattr(runs, "RETRY_DELAYS", (0.0,))
    Redis.from_url(redis_url).hdel(queue._key(7), "recount_due")  # as if the delay had passed
    for _ in range(MAX_ATTEMPTS - 1):
        queue.enqueue_due()
        assert queue.rq.job_ids == ["count-7"]
        assert queue.begin_recount(7)
    assert not queue.begin_recount(7)
    assert "project 7: its annotations were not counted in 3 attempts" in caplog.text
    assert queue.recounts_due() == []
    queue.request_recount(7)
    assert queue.begin_recount(7), "a new request starts new attempts"


def test_a_worker_counts_imported_annotations_and_trains(
    trainings: Trainings, label_studio_api: LabelStudioApi, tmp_path: Path
) -> None:
    label_studio_api.tasks[7] = tasks(26)
    _send(trainings.queue, tmp_path, "TASKS_CREATED")
    with trainings.worker():
        trainings.until(lambda: "last" in trainings.queue.status(7))
    status = trainings.queue.status(7)
    assert (status["updates"], status["last"]["status"]) == (26, "published")
    assert trainings.queue.recounts_due() == []
