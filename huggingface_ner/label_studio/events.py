"""Label Studio's webhook events: which project they are about, and what they mean for its training."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from huggingface_ner.json_values import mapping
from huggingface_ner.label_studio.project_ids import parse_project_id
from huggingface_ner.label_studio.task_counts import TaskCounts, read_task_counts

START_TRAINING = "START_TRAINING"
PROJECT_UPDATED = "PROJECT_UPDATED"
# sent only by a webhook of the whole organization
PROJECT_DELETED = "PROJECT_DELETED"
TASKS_CREATED = "TASKS_CREATED"
TASKS_DELETED = "TASKS_DELETED"
# Action -> the key of its annotations, which are an object or a list. ANNOTATIONS_CREATED has a list, although its
# key is in the singular.
ANNOTATION_KEYS = {
    "ANNOTATION_CREATED": "annotation",
    "ANNOTATION_UPDATED": "annotation",
    "ANNOTATIONS_CREATED": "annotation",
    "ANNOTATIONS_DELETED": "annotations",
}
# Action -> the change in the project's number of annotations for each annotation in the event.
ADDED = {"ANNOTATION_CREATED": 1, "ANNOTATIONS_CREATED": 1, "ANNOTATIONS_DELETED": -1}
KNOWN_ACTIONS = frozenset(
    {*ANNOTATION_KEYS, START_TRAINING, PROJECT_UPDATED, PROJECT_DELETED, TASKS_CREATED, TASKS_DELETED}
)


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """An event; it is trusted only as a hint that something changed.

    project_id: None if the event names no project.
    updates: how many annotations were created, changed or deleted.
    added: the change in the project's number of annotations; negative if some were deleted.
    label_config: the project's labelling config as it is now; only with PROJECT_UPDATED.
    title: the project's title; empty if it is not in the event.
    may_be_automatic: whether a START_TRAINING may come from Label Studio's switch "Start model training on
    annotation submission", not from its button; False only if the event says that the switch is off.
    counts: the project's tasks; None if they are not in the event.
    """

    action: str
    project_id: int | None
    updates: int = 0
    added: int = 0
    label_config: str | None = None
    may_be_automatic: bool = False
    title: str = ""
    counts: TaskCounts | None = None


def read_event(action: str, data: Mapping[str, Any]) -> WebhookEvent:
    """Read a webhook's body; any part of it may be missing or malformed."""
    project = data.get("project")
    details = mapping(project)
    project_id = parse_project_id(details.get("id") if details else project)
    updates = 0
    if action in ANNOTATION_KEYS:
        annotations = data.get(ANNOTATION_KEYS[action])
        updates = len(annotations) if isinstance(annotations, list) else 1
    title = details.get("title")
    label_config = details.get("label_config") if action == PROJECT_UPDATED else None
    # Label Studio sends the switch as the number of annotations that start a training; 0 means off
    switch = details.get("min_annotations_to_start_training")
    return WebhookEvent(
        action,
        project_id,
        updates,
        updates * ADDED.get(action, 0),
        label_config if isinstance(label_config, str) else None,
        may_be_automatic=action == START_TRAINING and switch != 0,
        title=title if isinstance(title, str) else "",
        counts=read_task_counts(details),
    )
