"""Label Studio's webhook events: which project they are about, and what they mean for its training."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from huggingface_ner.label_studio.project_ids import parse_project_id

START_TRAINING = "START_TRAINING"
PROJECT_UPDATED = "PROJECT_UPDATED"
TASKS_CREATED = "TASKS_CREATED"
# Action -> the key of its annotations, an object or a list; ANNOTATIONS_CREATED has a list under the singular.
ANNOTATION_KEYS = {
    "ANNOTATION_CREATED": "annotation",
    "ANNOTATION_UPDATED": "annotation",
    "ANNOTATIONS_CREATED": "annotation",
    "ANNOTATIONS_DELETED": "annotations",
}
KNOWN_ACTIONS = frozenset({*ANNOTATION_KEYS, START_TRAINING, PROJECT_UPDATED, TASKS_CREATED, "TASKS_DELETED"})


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """An event, as far as it can be trusted: as a hint that something changed.

    project_id: None if it names no project. updates: annotations that were created, changed or deleted.
    label_config: the project's labelling config as it is now; only with PROJECT_UPDATED.
    """

    action: str
    project_id: int | None
    updates: int = 0
    label_config: str | None = None


def read_event(action: str, data: Mapping[str, Any]) -> WebhookEvent:
    """Read a webhook's body; nothing in it is taken for granted."""
    project = data.get("project")
    details = project if isinstance(project, Mapping) else {}
    project_id = parse_project_id(details.get("id") if details else project)
    updates = 0
    if action in ANNOTATION_KEYS:
        annotations = data.get(ANNOTATION_KEYS[action])
        updates = len(annotations) if isinstance(annotations, list) else 1
    label_config = details.get("label_config") if action == PROJECT_UPDATED else None
    return WebhookEvent(action, project_id, updates, label_config if isinstance(label_config, str) else None)
