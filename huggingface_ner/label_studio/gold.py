"""Reads texts with gold spans from annotated tasks, as Label Studio exports them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from huggingface_ner.label_studio.labeling_config import LabelingConfig
from huggingface_ner.label_studio.regions import read_spans
from huggingface_ner.label_studio.tasks import TaskReader
from huggingface_ner.spans import AnnotatedText


def read_gold(tasks: Iterable[object], config: LabelingConfig, reader: TaskReader) -> Iterator[AnnotatedText]:
    """Yield the texts of annotated tasks, one for each object.

    Cancelled annotations are ignored; of several, the ground truth counts, else the newest.
    """
    for number, task in enumerate(tasks, start=1):
        annotation = best_annotation(task)
        if annotation is None or not isinstance(task, Mapping):
            continue
        for text_object, document in reader.documents(task, config):
            spans = read_spans(annotation.get("result"), config.controls_for(text_object), document)
            yield AnnotatedText(str(task.get("id", f"#{number}")), document.text, tuple(spans))


def best_annotation(task: object) -> Mapping[str, Any] | None:
    """Return the annotation of a task to learn from; None if it has none that is not cancelled."""
    annotations = task.get("annotations") if isinstance(task, Mapping) else None
    usable = [
        annotation
        for annotation in (annotations if isinstance(annotations, list) else [])
        if isinstance(annotation, Mapping) and not annotation.get("was_cancelled")
    ]
    # ISO 8601 in one time zone sorts by time
    return max(
        usable,
        key=lambda annotation: (
            bool(annotation.get("ground_truth")),
            str(annotation.get("updated_at") or annotation.get("created_at") or ""),
            annotation["id"] if isinstance(annotation.get("id"), int) else 0,
        ),
        default=None,
    )
