"""Old predictions are deleted from Label Studio, and nothing else changes there."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from huggingface_ner.jobs import old_predictions
from huggingface_ner.jobs.old_predictions import Deletion, delete_old_predictions
from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.jobs.redis_connection import connect
from huggingface_ner.label_studio.client import ClientError, LabelStudioClient
from huggingface_ner.label_studio.stored_predictions import StoredPredictions
from huggingface_ner.settings import Settings
from huggingface_ner.store.versions import ModelStore, project_store
from tests.label_studio_api import LEGACY_TOKEN, LabelStudioApi

CONFIG = '<View><Labels name="l" toName="t"><Label value="PER"/></Labels><Text name="t" value="$t"/></View>'
OTHERS = ("spacy-3.8", "dslim/bert-base-NER", "v1-F1-0.75-120-tasks-20261126-031700-7b16", "anna")
EMPTY = "all-MiniLM-L6-v2"


@pytest.fixture
def queue(redis_url: str, tmp_path: Path) -> TrainingQueue:
    return TrainingQueue(connect(redis_url, timeout=5), Settings(model_dir=tmp_path))


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """A project's store that has had five versions and keeps two."""
    return project_store(tmp_path, 7, keep=2)


@pytest.fixture
def names(store: ModelStore, label_studio_api: LabelStudioApi) -> list[str]:
    names = [store.publish(lambda folder: None, {"tasks": tasks}).name for tasks in range(1, 6)]
    label_studio_api.add(7, CONFIG, [])
    for version in (*names, *OTHERS, EMPTY):
        for task in range(3):
            label_studio_api.predictions.append({"task": task, "model_version": version})
    return names


@pytest.fixture
def client(label_studio_api: LabelStudioApi) -> LabelStudioClient:
    return LabelStudioClient(
        Settings.model_validate({"label_studio_host": label_studio_api.url, "label_studio_api_key": LEGACY_TOKEN})
    )


def _left(api: LabelStudioApi) -> Counter[str]:
    return Counter(given["model_version"] for given in api.predictions)


def test_only_predictions_of_deleted_versions_and_of_the_encoder_are_deleted(
    queue: TrainingQueue,
    store: ModelStore,
    names: list[str],
    client: LabelStudioClient,
    label_studio_api: LabelStudioApi,
) -> None:
    assert delete_old_predictions(7, store, client, queue.notes) == Deletion(12, True)
    assert _left(label_studio_api) == Counter(dict.fromkeys((*names[-2:], *OTHERS), 3))
    label_studio_api.requests.clear()
    assert delete_old_predictions(7, store, client, queue.notes) == Deletion(0, True)
    assert label_studio_api.requests == ["GET /api/projects/7/model-versions/"]


@pytest.mark.parametrize("read", ["versions", "history"])
def test_predictions_of_a_version_that_is_published_meanwhile_are_kept(
    queue: TrainingQueue,
    store: ModelStore,
    names: list[str],
    client: LabelStudioClient,
    label_studio_api: LabelStudioApi,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    read: str,
) -> None:
    new: list[str] = []

    def answer_then_publish(answer: Callable[[], Any]) -> Any:
        found = answer()
        if not new:
            new.append(project_store(tmp_path, 7, keep=2).publish(lambda folder: None, {"tasks": 6}).name)
            label_studio_api.predictions.append({"task": 1, "model_version": new[0]})
        return found

    monkeypatch.setattr(store, read, partial(answer_then_publish, getattr(store, read)))
    delete_old_predictions(7, store, client, queue.notes)
    assert _left(label_studio_api)[new[0]] == 1


def test_before_the_first_version_predictions_of_the_encoder_are_kept(
    queue: TrainingQueue, store: ModelStore, client: LabelStudioClient, label_studio_api: LabelStudioApi
) -> None:
    label_studio_api.add(7, CONFIG, [])
    label_studio_api.predictions.append({"task": 1, "model_version": EMPTY})
    assert delete_old_predictions(7, store, client, queue.notes) == Deletion(0, True)
    assert _left(label_studio_api) == {EMPTY: 1}


def test_many_predictions_are_deleted_one_by_one_until_a_training_waits(
    queue: TrainingQueue,
    store: ModelStore,
    names: list[str],
    client: LabelStudioClient,
    label_studio_api: LabelStudioApi,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(old_predictions, "MAX_AT_ONCE", 1)
    label_studio_api.add(7, CONFIG, [{"id": task, "data": {}, "annotations": []} for task in range(1, 4)])
    label_studio_api.predictions = [
        {"id": 10 * number + task, "task": task, "model_version": version}
        for number, version in enumerate(names)
        for task in range(1, 4)
    ]
    label_studio_api.requests.clear()
    answers = iter([False, True])
    interrupted = delete_old_predictions(7, store, client, queue.notes, is_interrupted=lambda: next(answers))
    assert interrupted == Deletion(2, is_finished=False)
    singly, together = "DELETE /api/predictions/", "DELETE /api/projects/7/model-versions/"
    assert [one.startswith(singly) for one in label_studio_api.requests].count(True) == 2
    assert together not in label_studio_api.requests
    assert delete_old_predictions(7, store, client, queue.notes) == Deletion(7, is_finished=True)
    assert [one.startswith(singly) for one in label_studio_api.requests].count(True) == 6
    assert label_studio_api.requests.count(together) == 3
    assert _left(label_studio_api) == Counter(dict.fromkeys(names[-2:], 3))


@pytest.mark.parametrize("selects_old", [False, True])
def test_what_the_project_shows_stays_selected(
    queue: TrainingQueue,
    store: ModelStore,
    names: list[str],
    client: LabelStudioClient,
    label_studio_api: LabelStudioApi,
    selects_old: bool,
) -> None:
    """Label Studio selects a connected ML backend's name, and unselects it when predictions are deleted."""
    label_studio_api.add_backend(7, "http://backend.internal:9090")
    selected = names[0] if selects_old else label_studio_api.backends[0]["title"]
    label_studio_api.model_versions[7] = selected
    delete_old_predictions(7, store, client, queue.notes)
    assert label_studio_api.model_versions[7] == ("" if selects_old else selected)
    assert queue.notes.selected(7) is None


def test_a_job_that_is_killed_in_between_leaves_nothing_unselected(
    queue: TrainingQueue,
    store: ModelStore,
    names: list[str],
    client: LabelStudioClient,
    label_studio_api: LabelStudioApi,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Killed(BaseException):
        pass

    def kill(*_: Any) -> None:
        raise Killed

    label_studio_api.add_backend(7, "http://backend.internal:9090")
    title = label_studio_api.model_versions[7] = label_studio_api.backends[0]["title"]
    with monkeypatch.context() as patch:
        patch.setattr(client, "select_version", kill)
        with pytest.raises(Killed):
            delete_old_predictions(7, store, client, queue.notes)
    assert label_studio_api.model_versions[7] == ""
    delete_old_predictions(7, store, client, queue.notes)
    assert label_studio_api.model_versions[7] == title


@pytest.mark.parametrize("status", [403, 500])
def test_a_failure_is_only_logged(
    queue: TrainingQueue,
    store: ModelStore,
    names: list[str],
    client: LabelStudioClient,
    label_studio_api: LabelStudioApi,
    caplog: pytest.LogCaptureFixture,
    status: int,
) -> None:
    label_studio_api.status = status
    assert delete_old_predictions(7, store, client, queue.notes) == Deletion(0, True)
    assert "old predictions were not deleted" in caplog.text
    with pytest.raises(ClientError):
        StoredPredictions(client, 7).versions()
