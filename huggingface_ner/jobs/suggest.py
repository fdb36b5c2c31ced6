"""The suggestion job: sends a published version's predictions for the tasks that are not annotated yet.

For a task that has a prediction, Label Studio itself requests a new one only when the task is opened in the label
stream.
"""

import logging
import os
import time
from collections.abc import Callable

from redis import RedisError

from huggingface_ner.errors import HuggingFaceNERError
from huggingface_ner.jobs.old_predictions import delete_old_predictions
from huggingface_ner.jobs.process import HOLDER, begin_job
from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.jobs.suggestion_marks import Suggestions
from huggingface_ner.label_studio.client import LabelStudioClient
from huggingface_ner.label_studio.labeling_config import LabelingConfigError
from huggingface_ner.label_studio.model_class import load_model_class
from huggingface_ner.settings import Settings
from huggingface_ner.store.versions import ModelStore, project_store
from huggingface_ner.tagging.loading import load_tagger
from huggingface_ner.tagging.single_model import SingleModel

# Maximum seconds of one job. Jobs are short, because a killed job is repeated and because trainings of other
# projects must not wait long.
TIME_SLICE = 60.0

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
            put(current.failed(f"{type(error).__name__}: {error}", retryable=True))
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
        self._queue = queue
        self._put = put

    def push(self, suggestions: Suggestions) -> None:
        """Send suggestions for up to TIME_SLICE seconds, beginning after the last task that has suggestions.

        Stops early if another version comes into use. Raises ClientError, ModelClassError, LabelingConfigError,
        ModelError, LeaseLostError.
        """
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
        until = time.monotonic() + TIME_SLICE
        self._put(suggestions)
        while time.monotonic() < until:
            tasks = self._client.tasks_to_predict(self._project_id, self._version, after=suggestions.last_task)
            predictions = model.predict(tasks)
            # this checks the lease: another process may be sending the suggestions now
            self._put(suggestions)
            if self._store.serving_version() != self._version:
                logger.info("project %d: version %s is no longer in use", self._project_id, self._version)
                return
            if not tasks:
                self._complete(suggestions)
                return
            task_ids = [task["id"] for task in tasks]
            self._client.give_predictions(self._project_id, task_ids, predictions, self._version)
            suggestions = suggestions.given(len(tasks), max(task_ids))
            self._queue.notes.count_pushed(self._project_id, len(tasks))
            self._put(suggestions)

    def _complete(self, suggestions: Suggestions) -> None:
        # Label Studio refuses a version without predictions, so none is selected if all tasks are annotated
        if self._settings.update_project_model_version and suggestions.tasks:
            self._client.set_model_version(self._project_id, self._version)
        self._put(suggestions.completed())
        delete_old_predictions(self._project_id, self._store, self._client, self._queue.notes)
        logger.info(
            "project %d: %d tasks have suggestions of %s", self._project_id, suggestions.tasks, self._version
        )
