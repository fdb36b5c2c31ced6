"""The model that Label Studio talks to: what a user customises.

Runs under label-studio-ml 1.0.9 and 2.x: the base class gets everything by keyword.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from redis import RedisError

from huggingface_ner.jobs.queue import TrainingQueue, shared_queue
from huggingface_ner.label_studio.base_class import LabelStudioMLBase
from huggingface_ner.label_studio.events import START_TRAINING, TASKS_CREATED, WebhookEvent, read_event
from huggingface_ner.label_studio.interactive import answer_drawn_region
from huggingface_ner.label_studio.labeling_config import LabelingConfigError, parse_labeling_config
from huggingface_ner.label_studio.predictions import predict_tasks
from huggingface_ner.label_studio.project_ids import parse_project_id
from huggingface_ner.label_studio.tasks import task_reader
from huggingface_ner.serving.served_models import ServedModels, shared_models
from huggingface_ner.settings import Settings, shared_settings
from huggingface_ner.store.versions import project_store

logger = logging.getLogger(__name__)


class HuggingFaceNER(LabelStudioMLBase):  # type: ignore[misc]  # the base class has no types
    """Named entity recognition with a fine-tuned Hugging Face token-classification model."""

    def __init__(
        self,
        project_id: str | None = None,
        label_config: str | None = None,
        *,
        settings: Settings | None = None,
        models: ServedModels | None = None,
        queue: TrainingQueue | None = None,
        is_connected: Callable[[], bool] = lambda: True,
        **kwargs: Any,
    ) -> None:
        """Make a model for one project.

        project_id: as Label Studio sends it, "<id>.<created at>".
        models, queue: what serves and what trains; without models, both are this process's own.
        is_connected: whether somebody still waits for the answer; asked now and then.
        label_config: the project's labelling config, XML; raises LabelingConfigError where it labels no text.
        """
        self._labeling_config = parse_labeling_config(label_config) if label_config else None
        self._project = parse_project_id(project_id)
        self._settings = settings or shared_settings()
        self._is_wanted = is_connected
        self._models = models or shared_models()
        self._queue = shared_queue() if models is None else queue
        super().__init__(project_id=project_id, label_config=None, **kwargs)
        self.label_config = label_config

    def predict(
        self, tasks: Sequence[Any], context: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> list[dict[str, Any]]:
        """Return one prediction for each task, in order: ``result``, ``score`` and ``model_version``.

        A task that cannot be read gets an empty result and the score 0. Raises NotReadyError while there is no
        model, OverloadedError where too much waits already, ClientGoneError.
        context: the regions in the page of a person who annotates the first task, if the request comes from it.
        Then the model is not needed, and the regions of the answer have no score; see answer_drawn_region.
        """
        config = self._labeling_config
        if config is None:
            raise LabelingConfigError("predicting needs the project's labelling config")
        if context is not None:
            version = self._models.model_version(self._project, 0.0)
            answers = answer_drawn_region(tasks, context, config, task_reader(self._settings))
            return [{"result": regions, "score": 0.0, "model_version": version} for regions in answers]
        served = self._models.model_for(self._project)
        names = config.match_labels(served.labels)
        tag = partial(served.tag, is_connected=self._is_wanted)
        predictions = predict_tasks(tasks, config, names, task_reader(self._settings), tag)
        return [{**prediction, "model_version": served.version} for prediction in predictions]

    def fit(self, event: str, data: Mapping[str, Any], **kwargs: Any) -> dict[str, Any]:
        """Take note of a webhook's event; returns what Label Studio is told, at once.

        Each START_TRAINING_EACH_N_UPDATES-th annotation asks for a training, and so do Label Studio's button and a
        change of the labels: then ``job`` is the id of the run that answers. The webhook is a hint only: the
        run reads everything from Label Studio.
        """
        received = read_event(event, data)
        # from outside: shown as Python would, on one line, and not at any length
        logger.info("project %s: %.40r", received.project_id, event)
        answer: dict[str, Any] = {"status": "ok", "event": event[:40]}
        if received.project_id is None:
            return {**answer, "status": "ignored", "reason": "project: the event does not say which"}
        if self._queue is None:
            return {**answer, "status": "error", "error": "there is no training queue: set REDIS_URL"}
        try:
            job = self._ask_for_training(self._queue, received, received.project_id)
        except RedisError as error:
            logger.error("project %d: %.40r is not counted: %s", received.project_id, event, error)
            return {**answer, "status": "error", "error": "the training queue does not answer"}
        return answer if job is None else {**answer, "job": job}

    def _ask_for_training(self, queue: TrainingQueue, event: WebhookEvent, project_id: int) -> str | None:
        if event.action == START_TRAINING:
            return queue.ask(project_id)
        if event.action == TASKS_CREATED:
            queue.suggestions.tasks_added(project_id)
            return None
        labels = self._new_labels(event, project_id)
        if labels is not None:
            return queue.ask_for_labels(project_id, labels)
        return queue.count_updates(project_id, event.updates) if event.updates else None

    def _new_labels(self, event: WebhookEvent, project_id: int) -> Sequence[str] | None:
        """Return a labelling config's labels where they are others than the project's model was trained for."""
        version = project_store(self._settings, project_id).current_version() if event.label_config else None
        if version is None or not event.label_config:
            return None
        try:
            labels = parse_labeling_config(event.label_config).label_names
        except LabelingConfigError:
            return None
        return None if set(labels) == set(version.metrics.get("label_names") or ()) else labels
