"""The suggestion job: sends a published version's predictions for the tasks that are not annotated yet.

For a task that has a prediction, Label Studio itself requests a new one only when the task is opened in the label
stream.
"""

import logging
import os
import time
from collections.abc import Callable
from functools import cached_property
from typing import Any

from redis import RedisError

from huggingface_ner.errors import HuggingFaceNERError, without_text
from huggingface_ner.jobs.old_predictions import delete_old_predictions
from huggingface_ner.jobs.process import HOLDER, begin_job
from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.jobs.suggestion_marks import FURTHER_TASKS, Suggestions
from huggingface_ner.label_studio.client import LabelStudioClient
from huggingface_ner.label_studio.labeling_config import LabelingConfigError
from huggingface_ner.label_studio.model_class import load_model_class
from huggingface_ner.label_studio.stored_predictions import StoredPredictions
from huggingface_ner.settings import Settings
from huggingface_ner.store.versions import ModelStore, project_store
from huggingface_ner.tagging.loading import load_tagger
from huggingface_ner.tagging.single_model import SingleModel
from huggingface_ner.variables import AUTO_PREDICTED_TASKS

# Maximum seconds of one job. Jobs are short, because a killed job is repeated and because trainings of other
# projects must not wait long.
TIME_SLICE = 60.0
# Tasks of a request: the minimum at first, and then as many as have BATCH_CHARACTERS. Label Studio 1.23.2 counts
# the predictions of all tasks of the project anew for each request that stores predictions. So many small requests
# would take much longer than a few large ones.
MIN_BATCH, MAX_BATCH = 100, 2_000
BATCH_CHARACTERS = 2_000_000

logger = logging.getLogger(__name__)


class LeaseLostError(Exception):
    """Another process sends the suggestions of the project now."""


def suggest_project(project_id: int, version: str) -> None:
    """Send a version's suggestions for up to TIME_SLICE seconds. RQ calls this in the job's process."""
    settings, queue = begin_job()
    store = project_store(settings.models_folder, project_id)
    suggestions = queue.suggestions.due(project_id, version)
    if suggestions is None or store.serving_version() != version:
        return

    def put(current: Suggestions) -> None:
        if not queue.suggestions.renew(project_id, os.environ[HOLDER]):
            raise LeaseLostError("lost the lease to another worker")
        queue.suggestions.put(project_id, current)

    try:
        try:
            notes = queue.notes
            client = LabelStudioClient(settings, notes.token(project_id), note=notes.note_contact)
            _Pusher(project_id, store, version, settings, client, queue=queue, put=put).push(suggestions)
        except (HuggingFaceNERError, OSError) as error:
            retryable = error.retryable if isinstance(error, HuggingFaceNERError) else True
            logger.error("project %d: the suggestions of %s failed: %s", project_id, version, error)
            put(
                (queue.suggestions.due(project_id, version) or suggestions).failed(str(error), retryable=retryable)
            )
        except (LeaseLostError, RedisError):
            raise
        except Exception as error:  # for example an error in the class that MODEL_CLASS names
            logger.exception("project %d: the suggestions of %s failed", project_id, version)
            current = queue.suggestions.due(project_id, version) or suggestions
            put(current.failed(without_text(error), retryable=True))
    except (LeaseLostError, RedisError) as error:
        logger.warning("project %d: stopped sending suggestions: %s", project_id, error)


class _Pusher:
    """Sends a version's predictions for the tasks of a project."""

    def __init__(
        self,
        project_id: int,
        store: ModelStore,
        version: str,
        settings: Settings,
        client: LabelStudioClient,
        *,
        queue: TrainingQueue,
        put: Callable[[Suggestions], None],
    ) -> None:
        """Create a pusher; ``put`` stores the progress, and raises LeaseLostError if the lease is lost."""
        self._project_id = project_id
        self._store = store
        self._version = version
        self._settings = settings
        self._client = client
        self._stored = StoredPredictions(client, project_id)
        self._queue = queue
        self._put = put
        self._is_auto = settings.predict_after_training == "auto"
        self._until = time.monotonic() + TIME_SLICE

    def push(self, suggestions: Suggestions) -> None:
        """Send suggestions for up to TIME_SLICE seconds, beginning after the last task that has suggestions.

        Stops early if another version comes into use or another job waits, for example a training. When no task is
        left, deletes old predictions. Raises ClientError, ModelClassError, LabelingConfigError, ModelError,
        LeaseLostError.
        """
        self._put(suggestions)
        while True:
            size = max(MIN_BATCH, suggestions.next_batch)
            left = AUTO_PREDICTED_TASKS - suggestions.tasks if self._is_auto else size
            tasks = self._stored.tasks_without(
                self._version,
                after=suggestions.last_task,
                limit=max(min(size, left), 1),
                only_predicted=self._is_auto,
            )
            is_done = not tasks or left <= 0
            predictions = [] if is_done else self._predict(tasks)
            # this checks the lease: another process may be sending the suggestions now
            self._put(suggestions)
            if not self._is_in_use():
                logger.info("project %d: version %s is no longer in use", self._project_id, self._version)
                return
            if is_done:
                self._complete(suggestions, has_more=bool(tasks))
                return
            task_ids = [task["id"] for task in tasks[: len(predictions)]]
            self._stored.store(task_ids, predictions, self._version)
            suggestions = suggestions.given(len(task_ids), max(task_ids), next_batch=next_batch(tasks))
            self._queue.notes.count_pushed(self._project_id, len(task_ids))
            self._put(suggestions)
            if self._must_end():
                return

    def _predict(self, tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the predictions for tasks; only for the first of them if the job must end.

        They are predicted by MIN_BATCH, because URL_TIMEOUT limits the time for all texts of a call together.
        """
        predictions: list[dict[str, Any]] = []
        for start in range(0, len(tasks), MIN_BATCH):
            some = tasks[start : start + MIN_BATCH]
            predictions += [one for one, _ in zip(self._model.predict(some), some, strict=True)]
            if self._must_end():
                break
        return predictions

    @cached_property
    def _model(self) -> Any:
        """The model that predicts, loaded only if there is a task to predict; the job's time begins then."""
        folder = self._store.folder(self._version)
        tagger = load_tagger(folder, device=self._settings.device, preference=self._settings.engine_preference)
        label_config = self._client.labeling_config(self._project_id)
        try:
            model = load_model_class(self._settings.model_class)(
                project_id=str(self._project_id),
                label_config=label_config,
                settings=self._settings,
                models=SingleModel(self._version, tagger),
                queue=self._queue,
            )
        except LabelingConfigError as error:
            raise LabelingConfigError(f"labelling config: {error}") from error
        self._until = time.monotonic() + TIME_SLICE
        return model

    def _is_in_use(self) -> bool:
        return self._store.serving_version() == self._version

    def _must_end(self) -> bool:
        """Return whether the job's time is over, or another job waits, for example a training."""
        return time.monotonic() > self._until or not self._queue.rq.is_empty()

    def _complete(self, suggestions: Suggestions, *, has_more: bool) -> None:
        # Label Studio refuses a version without predictions, so none is selected if all tasks are annotated
        if self._settings.update_project_model_version and suggestions.tasks:
            self._client.set_model_version(self._project_id, self._version)
        deletion = delete_old_predictions(
            *(self._project_id, self._store, self._client, self._queue.notes),
            is_interrupted=lambda: self._must_end() or not self._is_in_use(),
        )
        suggestions = suggestions.cleaned()
        if not deletion.is_finished:
            self._put(suggestions)
            return
        self._put(suggestions.completed(has_more=has_more))
        logger.info(
            "project %d: %d tasks have suggestions of %s%s",
            *(self._project_id, suggestions.tasks, self._version, f"; {FURTHER_TASKS}" if has_more else ""),
        )


def next_batch(tasks: list[dict[str, Any]]) -> int:
    """Return how many tasks have BATCH_CHARACTERS if they are as long as these; at most MAX_BATCH."""
    characters = sum(len(str(task["data"])) for task in tasks)
    return min(len(tasks) * BATCH_CHARACTERS // characters, MAX_BATCH)
