"""The class that answers Label Studio's requests. Users can customise it.

It runs under label-studio-ml 1.0.9 and 2.x, because it passes all arguments to the base class by keyword.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from redis import RedisError

from huggingface_ner.jobs.damaged_entries import is_damage
from huggingface_ner.jobs.known_mentions import KnownMentions
from huggingface_ner.jobs.queue import TrainingQueue, shared_queue
from huggingface_ner.jobs.webhooks import handle_event
from huggingface_ner.label_studio.annotation_events import read_changes
from huggingface_ner.label_studio.base_class import LabelStudioMLBase
from huggingface_ner.label_studio.events import read_event
from huggingface_ner.label_studio.interactive import answer_drawn_region
from huggingface_ner.label_studio.labeling_config import LabelingConfigError, parse_labeling_config
from huggingface_ner.label_studio.predictions import predict_tasks
from huggingface_ner.label_studio.project_ids import parse_project_id
from huggingface_ner.label_studio.tasks import task_reader
from huggingface_ner.serving.served_models import shared_models
from huggingface_ner.settings import Settings, shared_settings
from huggingface_ner.spans import TaggedText

# If scores are calibrated, a span with at least this score is more likely right than wrong.
MORE_LIKELY_RIGHT = 0.5

logger = logging.getLogger(__name__)


class Model(Protocol):
    """A model that predicts for a project."""

    @property
    def version(self) -> str:
        """The ``model_version`` of its predictions."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Its entity types."""

    @property
    def is_calibrated(self) -> bool:
        """Whether the scores of its spans are calibrated."""

    def tag(self, texts: list[str], is_connected: Callable[[], bool]) -> list[TaggedText]:
        """Return the spans and the score of each text, in order."""


class Models(Protocol):
    """The models that predict: all models of a server, or the one model that a command or a job has loaded."""

    def model_for(self, project_id: int | None) -> Model:
        """Return the model that predicts for a project now."""

    def model_version(self, project_id: int | None, timeout: float) -> str:
        """Return the version of a project's model, waiting up to ``timeout`` seconds for one that is loading."""


class HuggingFaceNER(LabelStudioMLBase):  # type: ignore[misc]  # the base class has no types
    """Named entity recognition with a fine-tuned Hugging Face token-classification model.

    To customise it, write a subclass and name it in MODEL_CLASS. The subclass then makes the suggestions that
    Label Studio requests, the suggestions that are stored after a training, and those of the command ``predict``::

        class BriefNER(HuggingFaceNER):
            def predict(self, tasks, context=None, **kwargs):
                predictions = super().predict(tasks, context, **kwargs)
                return [{**prediction, "result": prediction["result"][:100]} for prediction in predictions]
    """

    def __init__(
        self,
        project_id: str | None = None,
        label_config: str | None = None,
        *,
        settings: Settings | None = None,
        models: Models | None = None,
        queue: TrainingQueue | None = None,
        is_connected: Callable[[], bool] = lambda: True,
        **kwargs: Any,
    ) -> None:
        """Make a model for one project.

        project_id: as Label Studio sends it, "<id>.<created at>".
        label_config: the project's labelling config (XML). Raises LabelingConfigError if it labels no text.
        models: the models that predict. queue: the queue in which trainings are requested. If ``models`` is None,
        the models and the queue that the whole process shares are used.
        is_connected: returns whether the client still waits for the answer; called several times a second.
        """
        self._labeling_config = parse_labeling_config(label_config) if label_config else None
        self._project = parse_project_id(project_id)
        self._settings = settings or shared_settings()
        self._is_connected = is_connected
        self._models = models or shared_models()
        self._queue = shared_queue() if models is None else queue
        self._known_mentions = (
            self._queue.mentions if self._queue else KnownMentions(None, None, self._settings.gazetteer)
        )
        super().__init__(project_id=project_id, label_config=None, **kwargs)
        self.label_config = label_config

    def predict(
        self, tasks: Sequence[Any], context: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> list[dict[str, Any]]:
        """Return one prediction for each task, in order: ``result``, ``score`` and ``model_version``.

        Spans with a score below MIN_SCORE are left out, which does not change a task's score. A task that cannot
        be read gets an empty result and the score 1. Raises NotReadyError while there is no model,
        OverloadedError if too many texts wait already, and ClientGoneError if the client has disconnected.

        context: the regions on the annotator's page, if the request comes from interactive annotating. In that
        case the first task is answered without the model, and its regions have no score; see answer_drawn_region.
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
        tag = partial(served.tag, is_connected=self._is_connected)
        reader = task_reader(self._settings, self._is_connected)
        known = self._known_mentions.in_project(self._project)
        min_score = self._settings.min_score
        if min_score == "auto":
            min_score = MORE_LIKELY_RIGHT if served.is_calibrated else 0.0
        predictions = predict_tasks(tasks, config, names, reader, tag, find_known=known.find, min_score=min_score)
        return [{**prediction, "model_version": served.version} for prediction in predictions]

    def fit(self, event: str, data: Mapping[str, Any], **kwargs: Any) -> dict[str, Any]:
        """Handle a webhook event, and return the answer for Label Studio at once.

        A training is requested by each START_TRAINING_EACH_N_UPDATES-th annotation, by Label Studio's button, and
        by a change of the labels. The answer then has ``job``, the id of the run that will do the training. The
        webhook is only a hint: the run itself reads all data from Label Studio.
        """
        received = read_event(event, data)
        # the event's name comes from outside, so it is cut and escaped for the log
        logger.debug("project %s: %.40r", received.project_id, event)
        answer: dict[str, Any] = {"status": "ok", "event": event[:40]}
        if received.project_id is None:
            return {**answer, "status": "ignored", "reason": "project: the event names no project"}
        if self._queue is None:
            return {**answer, "status": "error", "error": "there is no training queue: set REDIS_URL"}
        try:
            job = handle_event(self._queue, self._settings, received, received.project_id)
        except Exception as error:
            if is_damage(error):  # its message may quote the entry
                logger.error("project %d: %.40r is not counted: its entry is damaged", received.project_id, event)
                return {**answer, "status": "error", "error": "the project's entry in the queue is damaged"}
            if not isinstance(error, RedisError):
                raise
            logger.error("project %d: %.40r is not counted: %s", received.project_id, event, error)
            return {**answer, "status": "error", "error": "the training queue does not answer"}
        self._note_mentions(event, data, received.project_id)
        return answer if job is None else {**answer, "job": job}

    def _note_mentions(self, event: str, data: Mapping[str, Any], project_id: int) -> None:
        """Store the annotations of an event; if this fails, the next training reads them from Label Studio."""
        try:
            self._known_mentions.note(project_id, read_changes(event, data, task_reader(self._settings)))
        except RedisError as error:
            logger.error("project %d: the mentions in %.40r were not stored: %s", project_id, event, error)
