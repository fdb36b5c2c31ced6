"""Annotated tasks, as Label Studio exports them, to texts with gold spans."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from huggingface_ner.label_studio.labeling_config import LabelingConfig
from huggingface_ner.label_studio.regions import read_spans
from huggingface_ner.label_studio.tasks import TaskReader
from huggingface_ner.spans import AnnotatedText

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read_gold(tasks: Iterable[object], config: LabelingConfig, reader: TaskReader) -> Iterator[AnnotatedText]:
    """Yield the texts of annotated tasks, one for each object.

    Cancelled annotations count as none; of several the ground truth is taken, else the newest.
    """
    for number, task in enumerate(tasks, start=1):
        annotation = best_annotation(task)
        if annotation is None or not isinstance(task, Mapping):
            continue
        for text_object, document in reader.documents(task, config):
            spans = read_spans(annotation.get("result"), config.controls_for(text_object), document)
            yield AnnotatedText(str(task.get("id", f"#{number}")), document.text, tuple(spans))


def best_annotation(task: object) -> Mapping[str, Any] | None:
    """Return the annotation that a task teaches by; None where it has none that is not cancelled."""
    annotations = task.get("annotations") if isinstance(task, Mapping) else None
    usable = [
        annotation
        for annotation in (annotations if isinstance(annotations, list) else [])
        if isinstance(annotation, Mapping) and not annotation.get("was_cancelled")
    ]
    return max(
        usable,
        key=lambda annotation: (
            bool(annotation.get("ground_truth")),
            _since_epoch(annotation.get("updated_at") or annotation.get("created_at")),
            annotation["id"] if isinstance(annotation.get("id"), int) else 0,
        ),
        default=None,
    )


def _since_epoch(time: object) -> timedelta:
    """Return an ISO 8601 time as the time since 1970, UTC if it has no offset; what is not one is the oldest."""
    try:
        parsed = datetime.fromisoformat(time) if isinstance(time, str) else None
    except ValueError:
        parsed = None
    if parsed is None:
        return timedelta.min
    # a difference, because a time near year 1 or 9999 has no counterpart in UTC
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)) - _EPOCH
