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
    if event.action == TASKS_CREATED:
        queue.suggestions.tasks_added(project_id)
    if event.action in (TASKS_CREATED, TASKS_DELETED):  # annotations of these tasks send no events
        queue.request_recount(project_id)
        return None
    labels = _new_labels(settings, event, project_id)
    if labels is not None:
        return queue.request_training_for_labels(project_id, labels)
    if not event.updates:
        return None
    return queue.count_updates(project_id, event.updates, added=event.added)


def _new_labels(settings: Settings, event: WebhookEvent, project_id: int) -> Sequence[str] | None:
    """Return the labels in the event's labelling config if they differ from those of the project's model."""
    if not event.label_config:
        return None
    version = project_store(settings.models_folder, project_id).current_version()
    if version is None:
        return None
    try:
        labels = parse_labeling_config(event.label_config).label_names
    except LabelingConfigError:
        return None
    return None if set(labels) == set(version.metrics.get("label_names") or ()) else labels
