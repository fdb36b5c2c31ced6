"""The model that Label Studio talks to: what a user customises.

Runs under label-studio-ml 1.0.9 and 2.x: the base class gets everything by keyword.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from huggingface_ner.base_class import LabelStudioMLBase
from huggingface_ner.label_studio.labeling_config import parse_labeling_config
from huggingface_ner.label_studio.predictions import predict_tasks
from huggingface_ner.label_studio.project_ids import parse_project_id
from huggingface_ner.label_studio.tasks import task_reader
from huggingface_ner.settings import Settings, shared_settings
from huggingface_ner.tagger_pool import TaggerPool, shared_pool

logger = logging.getLogger(__name__)


class HuggingFaceNER(LabelStudioMLBase):  # type: ignore[misc]  # the base class has no types
    """Named entity recognition with a fine-tuned Hugging Face token-classification model."""

    def __init__(
        self,
        project_id: str | None = None,
        label_config: str | None = None,
        *,
        settings: Settings | None = None,
        pool: TaggerPool | None = None,
        is_wanted: Callable[[], bool] = lambda: True,
        **kwargs: Any,
    ) -> None:
        """Make a model for one project.

        project_id: as Label Studio sends it, "<id>.<created at>".
        is_wanted: whether somebody still waits for the answer; asked now and then.
        label_config: the project's labelling config, XML; raises LabelingConfigError where it labels no text.
        """
        self._labeling_config = parse_labeling_config(label_config) if label_config else None
        self._project = parse_project_id(project_id)
        self._settings = settings or shared_settings()
        self._is_wanted = is_wanted
        self._pool = pool or shared_pool()
        super().__init__(project_id=project_id, label_config=None, **kwargs)
        self.label_config = label_config

    def predict(
        self, tasks: Sequence[Any], context: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> list[dict[str, Any]]:
        """Return one prediction for each task, in order: ``result``, ``score`` and ``model_version``.

        A task that cannot be read gets an empty result and the score 0. Raises NotReadyError while there is no
        model, OverloadedError where too much waits already, ClientGoneError.
        """
        config = self._labeling_config
        if config is None:
            raise ValueError("label_config: predicting needs the project's labelling config")
        served = self._pool.serving(self._project)
        names = config.match_labels(served.labels)
        tag = partial(served.tag, is_wanted=self._is_wanted)
        predictions = predict_tasks(tasks, config, names, task_reader(self._settings), tag)
        return [{**prediction, "model_version": served.version} for prediction in predictions]

    def fit(self, event: str, data: Mapping[str, Any], **kwargs: Any) -> dict[str, Any]:
        """Take note that something changed in a project; returns what Label Studio is told."""
        project = data.get("project")
        project_id = project.get("id") if isinstance(project, Mapping) else None
        # from outside: shown as Python would, on one line, and not at any length
        logger.info("project %.40r: %.40r", project_id, event)
        return {"status": "ok", "event": event}
