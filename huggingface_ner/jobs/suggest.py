"""After a version is published: its predictions for the tasks that are not annotated yet.

Label Studio does not ask again for a task that has a prediction, until it is opened in the label stream.
"""

import logging
import os
import time
from collections.abc import Callable
from functools import partial

from redis import RedisError

from huggingface_ner.errors import HuggingFaceNERError
from huggingface_ner.jobs.process import begin_job
from huggingface_ner.jobs.suggestion_marks import Suggestions
from huggingface_ner.jobs.worker import HOLDER
from huggingface_ner.label_studio.client import ClientError, LabelStudioClient
from huggingface_ner.label_studio.labeling_config import LabelingConfigError, parse_labeling_config
from huggingface_ner.label_studio.predictions import predict_tasks
from huggingface_ner.label_studio.tasks import task_reader
from huggingface_ner.settings import Settings
from huggingface_ner.store.versions import ModelStore, project_store
from huggingface_ner.tagging.loading import load_tagger

# What is killed is done again, and trainings of any project come between: so long at a time.
TIME_SLICE = 60.0

logger = logging.getLogger(__name__)


class LostError(Exception):
    """Somebody else gives suggestions to the project now."""


def suggest_project(project_id: int, version: str) -> None:
    """Go on with a version's suggestions for a while: what RQ calls, in a process of its own."""
    settings, queue = begin_job()
    store = project_store(settings, project_id)
    suggestions = queue.suggestions.due(project_id, version)
    if suggestions is None or store.serving_version() != version:
        return

    def put(current: Suggestions) -> None:
        if not queue.suggestions.renew(project_id, os.environ[HOLDER]):
            raise LostError("another process does it")
        queue.suggestions.put(project_id, current)

    try:
        try:
            client = LabelStudioClient(settings, queue.tokens.get(project_id))
            _Pusher(project_id, store, version, settings, client, put=put).push(suggestions)
        except (HuggingFaceNERError, OSError) as error:
            retryable = error.retryable if isinstance(error, HuggingFaceNERError) else True
            logger.error("project %d: the suggestions of %s: %s", project_id, version, error)
            put(
                (queue.suggestions.due(project_id, version) or suggestions).failed(str(error), retryable=retryable)
            )
    except (LostError, RedisError) as error:
        logger.warning("project %d: giving suggestions stops here: %s", project_id, error)


class _Pusher:
    """Gives a version's predictions to the tasks of a project."""

    def __init__(
        self,
        project_id: int,
        store: ModelStore,
        version: str,
        settings: Settings,
        client: LabelStudioClient,
        *,
        put: Callable[[Suggestions], None],
    ) -> None:
        """Make one; ``put`` writes down how far it is."""
        self._project_id = project_id
        self._store = store
        self._version = version
        self._settings = settings
        self._client = client
        self._put = put

    def push(self, suggestions: Suggestions) -> None:
        """Go on from what has been given; stops after a while, or when another version serves.

        Raises ClientError, ModelError, LostError.
        """
        try:
            config = parse_labeling_config(self._client.labeling_config(self._project_id))
        except LabelingConfigError as error:
            raise ClientError(f"the labelling config is not for this: {error}", retryable=False) from error
        folder = self._store.folder(self._version)
        tagger = load_tagger(folder, device=self._settings.device, preference=self._settings.engine_preference)
        predict = partial(
            predict_tasks,
            config=config,
            names=config.match_labels(tagger.labels),
            reader=task_reader(self._settings),
            tag=tagger.tag,
        )
        until = time.monotonic() + TIME_SLICE
        self._put(suggestions)
        while time.monotonic() < until:
            tasks = self._client.tasks_to_predict(self._project_id, self._version, after=suggestions.last_task)
            given = predict(tasks)
            # nothing is given any more that another gives as well, or of a version that serves no more
            self._put(suggestions)
            if self._store.serving_version() != self._version:
                logger.info("project %d: %s serves no more", self._project_id, self._version)
                return
            if not tasks:
                self._complete(suggestions)
                return
            task_ids = [task["id"] for task in tasks]
            self._client.give_predictions(self._project_id, task_ids, given, self._version)
            suggestions = suggestions.given(len(tasks), max(task_ids))
            self._put(suggestions)

    def _complete(self, suggestions: Suggestions) -> None:
        if self._settings.update_project_model_version:
            self._client.set_model_version(self._project_id, self._version)
        self._put(suggestions.completed())
        logger.info(
            "project %d: %d tasks have suggestions of %s", self._project_id, suggestions.tasks, self._version
        )
