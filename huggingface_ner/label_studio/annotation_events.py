"""Reads from webhook events which annotations are new or changed, and which were deleted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from huggingface_ner.json_values import mapping
from huggingface_ner.label_studio.annotation_entries import AnnotationEntry, item_id, read_entries
from huggingface_ner.label_studio.events import ANNOTATION_KEYS
from huggingface_ner.label_studio.labeling_config import LabelingConfigError, parse_labeling_config
from huggingface_ner.label_studio.tasks import TaskReader

# Label Studio waits one second for the answer to a webhook. Reading this many annotations takes less than that.
MAX_ENTRIES = 500


@dataclass(frozen=True, slots=True)
class AnnotationChanges:
    """The annotations that an event is about.

    is_complete: False if the event may have changed further annotations that are not listed here.
    is_project_deleted: whether the project itself was deleted.
    """

    put: tuple[AnnotationEntry, ...] = ()
    removed: tuple[int, ...] = ()
    removed_tasks: tuple[int, ...] = ()
    is_complete: bool = True
    is_project_deleted: bool = False


def read_changes(action: str, data: Mapping[str, Any], reader: TaskReader) -> AnnotationChanges:
    """Read a webhook's body; any part of it may be missing or malformed."""
    match action:
        case "PROJECT_DELETED":
            changes = AnnotationChanges(is_project_deleted=True)
        case "TASKS_CREATED":  # annotations that were imported with the tasks are not in the event
            changes = AnnotationChanges(is_complete=False)
        case "TASKS_DELETED":
            changes = AnnotationChanges(removed_tasks=_ids(data.get("tasks")))
        case "ANNOTATIONS_DELETED":
            changes = AnnotationChanges(removed=_ids(data.get("annotations")))
        case _:
            changes = _put(action, data, reader) if action in ANNOTATION_KEYS else AnnotationChanges()
    return changes


def _put(action: str, data: Mapping[str, Any], reader: TaskReader) -> AnnotationChanges:
    annotations, tasks = _listed(data.get(ANNOTATION_KEYS[action])), _listed(data.get("task"))
    label_config = mapping(data.get("project")).get("label_config")
    try:
        config = parse_labeling_config(label_config if isinstance(label_config, str) else "")
    except LabelingConfigError:
        return AnnotationChanges()  # nothing can be suggested in this project
    by_id = {item_id(task): task for task in tasks if isinstance(task, Mapping)}
    put: list[AnnotationEntry] = []
    for annotation in annotations[:MAX_ENTRIES]:
        task_id = annotation.get("task") if isinstance(annotation, Mapping) else None
        task = by_id.get(item_id({"id": task_id}))
        if task is not None:
            put += read_entries(task, [annotation], config, reader, at_once=True)
    return AnnotationChanges(tuple(put), is_complete=len(annotations) <= MAX_ENTRIES)


def _ids(items: object) -> tuple[int, ...]:
    ids = (item_id(item) for item in _listed(items) if isinstance(item, Mapping))
    return tuple(one for one in ids if one is not None)


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]
