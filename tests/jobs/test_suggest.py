"""Real workers send a new version's predictions for the tasks that are not annotated."""

import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from huggingface_ner.engines.stand_in import PACKAGED_ENCODER
from huggingface_ner.jobs import old_predictions, runs, suggest
from huggingface_ner.jobs.allowed_jobs import TRAIN
from huggingface_ner.jobs.process import HOLDER
from huggingface_ner.jobs.runs import MAX_ATTEMPTS
from huggingface_ner.jobs.suggest import MAX_BATCH, MIN_BATCH, next_batch
from huggingface_ner.jobs.suggestion_marks import FURTHER_TASKS
from huggingface_ner.model import HuggingFaceNER
from huggingface_ner.settings import Settings, SettingsError, read_settings
from huggingface_ner.store import versions
from tests.jobs.test_train import tasks
from tests.jobs.trainings import Trainings, children, kill
from tests.label_studio_api import LabelStudioApi

UNANNOTATED = MIN_BATCH * 2 + 50


@pytest.fixture
def suggesting(trainings: Trainings, label_studio_api: LabelStudioApi) -> Trainings:
    """Trainings that are followed by suggestions; 24 of the project's tasks are annotated."""
    label_studio_api.tasks[7] += [_unannotated(number) for number in range(1001, 1001 + UNANNOTATED)]
    trainings.environment.update(PREDICT_AFTER_TRAINING="true", UPDATE_PROJECT_MODEL_VERSION="true")
    return trainings


def _unannotated(number: int) -> dict[str, Any]:
    return {"id": number, "data": {"t": f"Ada flew {number} ."}, "annotations": []}


@pytest.fixture
def publish(suggesting: Trainings, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """A function that publishes a model, which serves the project at once, and returns its version."""
    monkeypatch.setattr(versions, "ACTIVATION_DELAY", 0.0)

    def write(aside: Path) -> None:
        shutil.copytree(tiny_bert, aside, dirs_exist_ok=True)

    return lambda: suggesting.store().publish(write, {}).name


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
        assert status == {
            "version": version,
            "state": "complete",
            "reason": None,
            "tasks": UNANNOTATED,
            "has_more": False,
        }

        label_studio_api.tasks[7].append(_unannotated(5000))
        suggesting.queue.suggestions.tasks_added(7)
        suggesting.until(lambda: len(label_studio_api.predictions) > UNANNOTATED)
        suggesting.until(lambda: _is(suggesting, "complete"))
        assert _given(label_studio_api, version) == everything + Counter([5000])


def test_after_a_killed_worker_each_suggestion_is_sent_once(
    suggesting: Trainings, label_studio_api: LabelStudioApi, publish: Callable[[], str]
) -> None:
    version = publish()
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
    suggesting: Trainings, label_studio_api: LabelStudioApi, publish: Callable[[], str]
) -> None:
    publish()
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
    suggesting: Trainings, label_studio_api: LabelStudioApi, publish: Callable[[], str]
) -> None:
    old = publish()
    label_studio_api.takes_predictions.release(0)
    with suggesting.worker():
        suggesting.until(lambda: label_studio_api.takes_predictions.waiting == 1)
        new = publish()
        label_studio_api.takes_predictions.release(100)
        suggesting.until(lambda: _is(suggesting, "complete", new))
    assert _given(label_studio_api, old) == Counter(range(1001, 1001 + MIN_BATCH))
    assert _given(label_studio_api, new) == Counter(range(1001, 1001 + UNANNOTATED))
    assert label_studio_api.model_versions == {7: new}


def test_the_status_tells_why_label_studio_refuses_suggestions(
    suggesting: Trainings, label_studio_api: LabelStudioApi, publish: Callable[[], str]
) -> None:
    label_studio_api.status = 403
    publish()
    with suggesting.worker():
        suggesting.until(lambda: _is(suggesting, "failed"))
    assert "does not accept LABEL_STUDIO_API_KEY" in suggesting.queue.status(7)["suggestions"]["reason"]


def test_a_project_without_tasks_to_suggest_for_keeps_its_selected_version(
    suggesting: Trainings, label_studio_api: LabelStudioApi, publish: Callable[[], str]
) -> None:
    """Label Studio refuses to select a version that has no predictions."""
    label_studio_api.tasks[7] = [task for task in label_studio_api.tasks[7] if task["annotations"]]
    publish()
    with suggesting.worker():
        suggesting.until(lambda: _is(suggesting, "complete") or _is(suggesting, "failed"))
    status = suggesting.queue.status(7)["suggestions"]
    assert (status["state"], status["tasks"], status["reason"]) == ("complete", 0, None)
    assert label_studio_api.model_versions == {}


def test_by_default_tasks_that_have_suggestions_get_new_ones(
    suggesting: Trainings, label_studio_api: LabelStudioApi, publish: Callable[[], str]
) -> None:
    del suggesting.environment["PREDICT_AFTER_TRAINING"], suggesting.environment["UPDATE_PROJECT_MODEL_VERSION"]
    shown = [1003, 1200]
    label_studio_api.predictions += [{"task": task, "model_version": "earlier"} for task in (1, *shown)]
    version = publish()
    with suggesting.worker():
        suggesting.until(lambda: _is(suggesting, "complete"))
    assert _given(label_studio_api, version) == Counter(shown)
    assert label_studio_api.model_versions == {}


def test_no_suggestions_are_sent_if_this_is_switched_off(
    suggesting: Trainings, label_studio_api: LabelStudioApi, publish: Callable[[], str]
) -> None:
    suggesting.environment.update(PREDICT_AFTER_TRAINING="false", UPDATE_PROJECT_MODEL_VERSION="false")
    publish()
    label_studio_api.tasks[7] = tasks(22)
    suggesting.queue.request_training(7)
    with suggesting.worker():
        suggesting.ended()
    assert label_studio_api.predictions == []
    assert "suggestions" not in suggesting.queue.status(7)


def test_a_project_that_shows_one_version_needs_predictions_of_it() -> None:
    with pytest.raises(SettingsError, match="UPDATE_PROJECT_MODEL_VERSION: set PREDICT_AFTER_TRAINING=true too"):
        read_settings(update_project_model_version=True)


@pytest.fixture
def suggest_here(suggesting: Trainings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that runs the job for a version in this process; its keywords are settings."""

    def run(version: str, **settings: Any) -> None:
        names: dict[str, Any] = {name.lower(): value for name, value in suggesting.environment.items()}
        monkeypatch.setattr(suggest, "begin_job", lambda: (Settings(**{**names, **settings}), suggesting.queue))
        monkeypatch.setenv(HOLDER, "test")
        assert suggesting.queue.suggestions.acquire(7, "test")
        suggest.suggest_project(7, version)
        suggesting.queue.suggestions.release(7, "test")

    return run


def test_with_auto_only_the_first_tasks_get_suggestions(
    suggesting: Trainings,
    suggest_here: Callable[..., None],
    label_studio_api: LabelStudioApi,
    publish: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    most = MIN_BATCH + 20
    monkeypatch.setattr(suggest, "AUTO_PREDICTED_TASKS", most)
    label_studio_api.predictions += [
        {"task": task, "model_version": "earlier"} for task in range(1001, 1001 + UNANNOTATED)
    ]
    version = publish()
    auto = {"predict_after_training": "auto", "update_project_model_version": "false"}
    with caplog.at_level("INFO"):
        suggest_here(version, **auto)
    first = Counter(range(1001, 1001 + most))
    assert _given(label_studio_api, version) == first
    assert FURTHER_TASKS in caplog.text
    status = suggesting.queue.status(7)["suggestions"]
    assert (status["state"], status["tasks"], status["has_more"]) == ("complete", most, True)

    suggesting.queue.suggestions.tasks_added(7)
    suggest_here(version, **auto)
    assert _is(suggesting, "complete"), "the limit is reached"
    assert suggesting.queue.suggestions.due(7, version) is None
    assert _given(label_studio_api, version) == first


def test_suggestions_are_interrupted_for_a_training_that_waits(
    suggesting: Trainings,
    suggest_here: Callable[..., None],
    label_studio_api: LabelStudioApi,
    publish: Callable[[], str],
) -> None:
    version = publish()
    job = suggesting.queue.rq.enqueue_call(TRAIN, args=(8,))
    suggest_here(version)
    assert _given(label_studio_api, version) == Counter(range(1001, 1001 + MIN_BATCH))
    assert _is(suggesting, "running")
    job.delete()
    suggest_here(version)
    assert _given(label_studio_api, version) == Counter(range(1001, 1001 + UNANNOTATED))
    assert _is(suggesting, "complete")


def test_old_predictions_are_deleted_in_several_jobs_if_trainings_wait(
    suggesting: Trainings,
    suggest_here: Callable[..., None],
    label_studio_api: LabelStudioApi,
    publish: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(old_predictions, "MAX_AT_ONCE", 1)
    version = publish()
    label_studio_api.tasks[7] = [_unannotated(number) for number in (1001, 1002, 1003)]
    label_studio_api.predictions += [
        {"id": task, "task": task, "model_version": PACKAGED_ENCODER} for task in (1001, 1002, 1003)
    ]
    suggest_here(version)
    assert _is(suggesting, "complete")
    label_studio_api.predictions += [
        {"id": task, "task": task, "model_version": PACKAGED_ENCODER} for task in (1001, 1002, 1003)
    ]
    suggesting.queue.suggestions.tasks_added(7)
    job = suggesting.queue.rq.enqueue_call(TRAIN, args=(8,))
    suggest_here(version)
    assert _is(suggesting, "running")
    assert _given(label_studio_api, PACKAGED_ENCODER).total() == 2
    job.delete()
    suggest_here(version)
    assert _is(suggesting, "complete")
    assert _given(label_studio_api, PACKAGED_ENCODER).total() == 0


def test_the_next_requests_are_larger_and_longer_texts_make_them_smaller() -> None:
    def tasks_of(characters: int) -> list[dict[str, Any]]:
        return [{"id": number, "data": {"t": "x" * characters}} for number in range(MIN_BATCH)]

    assert next_batch(tasks_of(1)) == next_batch(tasks_of(100)) == MAX_BATCH
    assert MIN_BATCH < next_batch(tasks_of(10_000)) < 200
    assert next_batch(tasks_of(1_000_000)) <= MIN_BATCH


def test_a_task_that_is_deleted_meanwhile_does_not_end_the_suggestions(
    suggesting: Trainings,
    suggest_here: Callable[..., None],
    label_studio_api: LabelStudioApi,
    publish: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Label Studio then refuses the predictions of all tasks of the request."""

    class Slow(HuggingFaceNER):
        def predict(self, tasks: Any, context: Any = None, **kwargs: Any) -> Any:
            label_studio_api.tasks[7] = [task for task in label_studio_api.tasks[7] if task["id"] != 1001]
            return super().predict(tasks, context, **kwargs)

    version = publish()
    monkeypatch.setattr(suggest, "load_model_class", lambda name: Slow)
    monkeypatch.setattr(runs, "RETRY_DELAYS", (0.0,))
    suggest_here(version)
    assert label_studio_api.predictions == []
    assert "were tasks deleted" in suggesting.queue.status(7)["suggestions"]["reason"]
    suggest_here(version)
    assert _is(suggesting, "complete")
    assert _given(label_studio_api, version) == Counter(range(1002, 1001 + UNANNOTATED))


def test_a_class_that_leaves_out_predictions_is_named_as_the_reason(
    suggesting: Trainings,
    suggest_here: Callable[..., None],
    label_studio_api: LabelStudioApi,
    publish: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Lazy(HuggingFaceNER):
        def predict(self, tasks: Any, context: Any = None, **kwargs: Any) -> Any:
            return super().predict(tasks[1:], context, **kwargs)

    version = publish()
    monkeypatch.setattr(suggest, "load_model_class", lambda name: Lazy)
    suggest_here(version)
    suggestions = suggesting.queue.suggestions.get(7)
    assert suggestions is not None
    assert "ValueError" in str(suggestions.reason)
    assert label_studio_api.predictions == []


def test_a_class_that_fails_is_named_as_the_reason(
    suggesting: Trainings,
    suggest_here: Callable[..., None],
    publish: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """MODEL_CLASS names a user's class, which may raise any exception."""

    class Broken(HuggingFaceNER):
        def predict(self, tasks: Any, context: Any = None, **kwargs: Any) -> Any:
            raise KeyError("reslt")

    version = publish()
    monkeypatch.setattr(suggest, "load_model_class", lambda name: Broken)
    suggest_here(version)
    suggestions = suggesting.queue.suggestions.get(7)
    assert suggestions is not None
    assert suggestions.reason == "KeyError (its message may quote a text, so only LOG_LEVEL=DEBUG shows it)"
    assert suggestions.attempts == 1, "the job is tried again"
