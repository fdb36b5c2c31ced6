"""Reads texts with gold spans from annotated tasks, as Label Studio exports them."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from huggingface_ner.label_studio.labeling_config import LabelingConfig
from huggingface_ner.label_studio.regions import count_unread, read_spans
from huggingface_ner.label_studio.tasks import TaskReader
from huggingface_ner.left_out import LeftOut
from huggingface_ner.spans import AnnotatedText

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read_gold(
    tasks: Iterable[object], config: LabelingConfig, reader: TaskReader, left_out: LeftOut | None = None
) -> Iterator[AnnotatedText]:
    """Yield the texts of annotated tasks, one for each object.

    Cancelled annotations are ignored. If a task has several others, the one marked as ground truth is used
    or, if there is none, the newest one.
    left_out: counts all regions of the annotations that are used, and the regions and tasks that are left out.
    """
    left_out = LeftOut() if left_out is None else left_out
    for number, task in enumerate(tasks, start=1):
        annotation = best_annotation(task)
        if annotation is None or not isinstance(task, Mapping):
            if isinstance(task, Mapping) and task.get("annotations"):
                left_out.tasks["skipped"] += 1
            continue
        results = annotation.get("result")
        documents = reader.documents(task, config, left_out)
        of_text = LeftOut()
        # with a <Repeater>, each task has its own config
        in_task = next((text_object.task_config for text_object, _ in documents), None) or config
        count_unread(results, in_task.controls, {text_object.name for text_object, _ in documents}, of_text)
        for text_object, document in documents:
            spans = read_spans(results, config.controls_for(text_object), document, of_text)
            left_out.merge(of_text)
            task_id = str(task.get("id", f"#{number}"))
            yield AnnotatedText(
                task_id,
                document.text,
                tuple(spans),
                left_out=of_text.regions_left_out,
                part=text_object.name,
                borders=document.borders,
            )
            of_text = LeftOut()
        left_out.merge(of_text)


def best_annotation(task: object) -> Mapping[str, Any] | None:
    """Return the annotation of a task to learn from; None if it has no annotation, or only cancelled ones."""
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
            since_epoch(annotation.get("updated_at") or annotation.get("created_at")),
            annotation["id"] if isinstance(annotation.get("id"), int) else 0,
        ),
        default=None,
    )


def since_epoch(time: object) -> timedelta:
    """Return the time from 1970 to an ISO 8601 time, which is in UTC if it has no offset.

    Anything that is not such a time counts as the oldest.
    """
    try:
        parsed = datetime.fromisoformat(time) if isinstance(time, str) else None
    except ValueError:
        parsed = None
    if parsed is None:
        return timedelta.min
    # not converted to UTC, because a time near year 1 or 9999 has no counterpart there
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)) - _EPOCH
