"""Handles Label Studio's webhook events: some of them request a training or a recount."""

from collections.abc import Sequence

from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.label_studio.events import START_TRAINING, TASKS_CREATED, TASKS_DELETED, WebhookEvent
from huggingface_ner.label_studio.labeling_config import LabelingConfigError, parse_labeling_config
from huggingface_ner.settings import Settings
from huggingface_ner.store.versions import project_store


def handle_event(queue: TrainingQueue, settings: Settings, event: WebhookEvent, project_id: int) -> str | None:
    """Count an event, and request a training if the event calls for one; returns the id of the run, or None.

    Raises RedisError.
    """
    if event.action == START_TRAINING:
        hold_or_request = queue.hold_request if event.may_be_automatic else queue.request_training
        return hold_or_request(project_id)
    if event.action == TASKS_CREATED and settings.predict_after_training is True:
        queue.suggestions.tasks_added(project_id)
    if event.action in (TASKS_CREATED, TASKS_DELETED):  # annotations of these tasks send no events
        queue.request_recount(project_id)
        return None
    labels, trained = _labels(event), _trained_labels(settings, event, project_id)
    if labels is not None and trained is not None:
        if set(labels) != trained:
            return queue.request_training_for_labels(project_id, labels)
        queue.forget_labels(project_id)
    if not event.updates:
        return None
    return queue.count_updates(project_id, event.updates, added=event.added)


def _labels(event: WebhookEvent) -> Sequence[str] | None:
    """Return the labels in the event's labelling config; None if the event has no config that can be used."""
    try:
        return parse_labeling_config(event.label_config).label_names if event.label_config else None
    except LabelingConfigError:
        return None


def _trained_labels(settings: Settings, event: WebhookEvent, project_id: int) -> set[str] | None:
    """Return the labels of the project's model; None if there is no model or the event has no labelling config."""
    version = project_store(settings.models_folder, project_id).current_version() if event.label_config else None
    return None if version is None else set(version.metrics.get("label_names") or ())
