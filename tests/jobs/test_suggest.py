"""Real workers send a new version's predictions for the tasks that are not annotated."""

import shutil
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest

from huggingface_ner.jobs import suggest
from huggingface_ner.jobs.process import HOLDER
from huggingface_ner.jobs.runs import MAX_ATTEMPTS
from huggingface_ner.label_studio.client import PREDICTIONS_AT_A_TIME
from huggingface_ner.model import HuggingFaceNER
from huggingface_ner.settings import Settings, SettingsError, read_settings
from huggingface_ner.store import versions
from tests.jobs.test_train import tasks
from tests.jobs.trainings import Trainings, children, kill
from tests.label_studio_api import LabelStudioApi

UNANNOTATED = PREDICTIONS_AT_A_TIME * 2 + 50


@pytest.fixture
def suggesting(trainings: Trainings, label_studio_api: LabelStudioApi) -> Trainings:
    """Trainings that are followed by suggestions; 24 of the project's tasks are annotated."""
    label_studio_api.tasks[7] += [_unannotated(number) for number in range(1001, 1001 + UNANNOTATED)]
    trainings.environment.update(PREDICT_AFTER_TRAINING="true", UPDATE_PROJECT_MODEL_VERSION="true")
    return trainings


def _unannotated(number: int) -> dict[str, Any]:
    return {"id": number, "data": {"t": f"Ada flew {number} ."}, "annotations": []}


def _publish(trainings: Trainings, model: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Publish a model that serves the project at once; return its version."""
    monkeypatch.setattr(versions, "ACTIVATION_DELAY", 0.0)

    def write(aside: Path) -> None:
        shutil.copytree(model, aside, dirs_exist_ok=True)

    return trainings.store().publish(write, {}).name


def _is(trainings: Trainings, state: str, version: str | None = None) -> bool:
    suggestions = trainings.queue.suggestions.get(7)
    return suggestions is not None and suggestions.state == state and version in (None, suggestions.version)


def _given(api: LabelStudioApi, version: str) -> Counter[int]:
    return Counter(given["task"] for given in api.predictions if given["model_version"] == version)


def test_after_a_training_all_tasks_without_annotation_have_its_predictions(
    suggesting: Trainings, label_studio_api: LabelStudioApi
) -> None:
    suggesting.queue.request_training(7)
    with suggesting.worker():
        version = suggesting.ended()["version"]
        suggesting.until(lambda: _is(suggesting, "complete"))
        everything = Counter(range(1001, 1001 + UNANNOTATED))
        assert _given(label_studio_api, version) == everything
        assert label_studio_api.model_versions == {7: version}
        for given in label_studio_api.predictions:
            assert 0 <= given["score"] <= 1
            assert isinstance(given["result"], list)
        status = suggesting.queue.status(7)["suggestions"]
        assert status == {"version": version, "state": "complete", "tasks": UNANNOTATED, "reason": None}

        label_studio_api.tasks[7].append(_unannotated(5000))
        suggesting.queue.suggestions.tasks_added(7)
        suggesting.until(lambda: len(label_studio_api.predictions) > UNANNOTATED)
        suggesting.until(lambda: _is(suggesting, "complete"))
        assert _given(label_studio_api, version) == everything + Counter([5000])


def test_after_a_killed_worker_each_suggestion_is_sent_once(
    suggesting: Trainings, label_studio_api: LabelStudioApi, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = _publish(suggesting, tiny_bert, monkeypatch)
    label_studio_api.takes_predictions.release()  # one batch
    with suggesting.worker() as worker:
        suggesting.until(lambda: bool(label_studio_api.predictions))
        suggesting.until(lambda: label_studio_api.takes_predictions.waiting == 1)
        horses = children(worker)
        worker.kill()
        worker.wait(10)
        assert psutil.wait_procs(horses, timeout=10)[0]
    label_studio_api.takes_predictions.release(100)
    with suggesting.worker():
        suggesting.until(lambda: _is(suggesting, "complete"))
    assert _given(label_studio_api, version) == Counter(range(1001, 1001 + UNANNOTATED))


def test_a_process_that_is_killed_again_and_again_is_given_up(
    suggesting: Trainings, label_studio_api: LabelStudioApi, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _publish(suggesting, tiny_bert, monkeypatch)
    label_studio_api.takes_predictions.release(0)
    killed: set[int] = set()
    with suggesting.worker(stands_still_at="attempts") as worker:
        while not _is(suggesting, "failed"):
            horses = [horse for horse in children(worker) if horse.pid not in killed]
            if horses and label_studio_api.takes_predictions.waiting > len(killed):
                killed |= {horse.pid for horse in horses}
                kill(horses)
            time.sleep(0.05)
    assert MAX_ATTEMPTS <= len(killed) <= MAX_ATTEMPTS + 1
    assert "was killed" in suggesting.queue.status(7)["suggestions"]["reason"]
    assert label_studio_api.predictions == []


def test_a_newer_version_stops_the_suggestions_of_the_one_before(
    suggesting: Trainings, label_studio_api: LabelStudioApi, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = _publish(suggesting, tiny_bert, monkeypatch)
    label_studio_api.takes_predictions.release()
    with suggesting.worker():
        suggesting.until(lambda: label_studio_api.takes_predictions.waiting == 1)
        new = _publish(suggesting, tiny_bert, monkeypatch)
        label_studio_api.takes_predictions.release(100)
        suggesting.until(lambda: _is(suggesting, "complete", new))
    assert len(_given(label_studio_api, old)) < UNANNOTATED
    assert _given(label_studio_api, new) == Counter(range(1001, 1001 + UNANNOTATED))
    assert label_studio_api.model_versions == {7: new}


def test_the_status_tells_why_label_studio_refuses_suggestions(
    suggesting: Trainings, label_studio_api: LabelStudioApi, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    label_studio_api.status = 403
    _publish(suggesting, tiny_bert, monkeypatch)
    with suggesting.worker():
        suggesting.until(lambda: _is(suggesting, "failed"))
    assert "does not accept LABEL_STUDIO_API_KEY" in suggesting.queue.status(7)["suggestions"]["reason"]


def test_a_project_without_tasks_to_suggest_for_keeps_its_selected_version(
    suggesting: Trainings, label_studio_api: LabelStudioApi, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Label Studio refuses to select a version that has no predictions."""
    label_studio_api.tasks[7] = [task for task in label_studio_api.tasks[7] if task["annotations"]]
    _publish(suggesting, tiny_bert, monkeypatch)
    with suggesting.worker():
        suggesting.until(lambda: _is(suggesting, "complete") or _is(suggesting, "failed"))
    status = suggesting.queue.status(7)["suggestions"]
    assert (status["state"], status["tasks"], status["reason"]) == ("complete", 0, None)
    assert label_studio_api.model_versions == {}


def test_no_suggestions_are_sent_unless_predict_after_training_is_set(
    suggesting: Trainings, label_studio_api: LabelStudioApi, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del suggesting.environment["PREDICT_AFTER_TRAINING"], suggesting.environment["UPDATE_PROJECT_MODEL_VERSION"]
    _publish(suggesting, tiny_bert, monkeypatch)
    label_studio_api.tasks[7] = tasks(22)
    suggesting.queue.request_training(7)
    with suggesting.worker():
        suggesting.ended()
    assert label_studio_api.predictions == []
    assert "suggestions" not in suggesting.queue.status(7)


def test_a_project_that_shows_one_version_needs_predictions_of_it() -> None:
    with pytest.raises(SettingsError, match="UPDATE_PROJECT_MODEL_VERSION: set PREDICT_AFTER_TRAINING too"):
        read_settings(update_project_model_version=True)


def test_a_class_that_fails_is_named_as_the_reason(
    suggesting: Trainings, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MODEL_CLASS names a user's class, which may raise any exception."""

    class Broken(HuggingFaceNER):
        def predict(self, tasks: Any, context: Any = None, **kwargs: Any) -> Any:
            raise KeyError("reslt")

    version = _publish(suggesting, tiny_bert, monkeypatch)
    names: dict[str, Any] = {name.lower(): value for name, value in suggesting.environment.items()}
    monkeypatch.setattr(suggest, "begin_job", lambda: (Settings(**names), suggesting.queue))
    monkeypatch.setattr(suggest, "load_model_class", lambda name: Broken)
    monkeypatch.setenv(HOLDER, "test")
    assert suggesting.queue.suggestions.acquire(7, "test")
    suggest.suggest_project(7, version)
    suggestions = suggesting.queue.suggestions.get(7)
    assert suggestions is not None
    assert suggestions.reason == "KeyError: 'reslt'"
    assert suggestions.attempts == 1, "the job is tried again"
