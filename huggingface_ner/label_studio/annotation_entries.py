"""Reads single annotations: the texts of the task, and each labelled stretch with the control that labelled it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

from huggingface_ner.json_values import mapping
from huggingface_ner.label_studio.controls import SpanControl, TextObject
from huggingface_ner.label_studio.gold import annotator_id, since_epoch
from huggingface_ner.label_studio.labeling_config import LabelingConfig
from huggingface_ner.label_studio.occurrences import MAX_MENTION_CHARACTERS
from huggingface_ner.label_studio.page_values import fill_in
from huggingface_ner.label_studio.places import whole_number
from huggingface_ner.label_studio.regions import read_spans
from huggingface_ner.label_studio.tasks import TaskReader

# Only this many characters of a text are read, so that one long task does not use up the memory for all others.
# Longer HTML is not read at all while a webhook waits for its answer, because reading it would take over 0.1 s.
MAX_TEXT_CHARACTERS = 100_000
MAX_ID = 2**63 - 1


class Mention(NamedTuple):
    """A labelled stretch of a text, in code points, half-open; ``layer`` is the name of its control."""

    start: int
    end: int
    layer: str
    label: str


@dataclass(frozen=True, slots=True)
class EntryText:
    """A text of an annotated task, and what the annotation labels in it.

    layers: the names of the controls that could have labelled the text; see layer_name.
    """

    text: str
    layers: tuple[str, ...]
    mentions: tuple[Mention, ...]


@dataclass(frozen=True, slots=True)
class AnnotationEntry:
    """An annotation of a task.

    updated_at: when it was last changed, in microseconds since 1970.
    texts: empty if the annotation is cancelled, or if no text of the task can be read.
    annotator: the id of the user who made it; None if it is not known.
    """

    annotation_id: int
    task_id: int
    updated_at: int
    is_ground_truth: bool = False
    is_cancelled: bool = False
    texts: tuple[EntryText, ...] = ()
    annotator: int | None = None

    @property
    def size(self) -> int:
        """The approximate size: the characters of the texts, plus a fixed number for each other part."""
        return 100 + sum(len(text.text) + 50 + 20 * len(text.mentions) for text in self.texts)


def read_entries(
    task: object, annotations: Sequence[object], config: LabelingConfig, reader: TaskReader, *, at_once: bool
) -> list[AnnotationEntry]:
    """Return the entries of a task's annotations; those without an id are left out.

    at_once: whether to leave out the texts that take long to read: those behind URLs, and long HTML.
    """
    task = mapping(task)
    task_id = item_id(task)
    usable = [annotation for annotation in annotations if isinstance(annotation, Mapping)]
    if task_id is None:
        return []
    texts: list[tuple[str, list[tuple[SpanControl, str]], Any]] = []
    if not all(annotation.get("was_cancelled") for annotation in usable):
        for text_object, document in reader.documents(task, _quick(config, task) if at_once else config):
            controls = [(control, layer_name(control, config)) for control in config.controls_for(text_object)]
            texts.append((document.text, controls, document))
    entries = []
    for annotation in usable:
        annotation_id = item_id(annotation)
        if annotation_id is not None:
            cancelled = bool(annotation.get("was_cancelled"))
            time = since_epoch(annotation.get("updated_at") or annotation.get("created_at"))
            entries.append(
                AnnotationEntry(
                    annotation_id,
                    task_id,
                    max(time // timedelta(microseconds=1), 0),
                    bool(annotation.get("ground_truth")),
                    cancelled,
                    () if cancelled else tuple(_entry_text(annotation.get("result"), *found) for found in texts),
                    annotator_id(annotation),
                )
            )
    return entries


def layer_name(control: SpanControl, config: LabelingConfig) -> str:
    """Return a control's name as it is written in the config; a ``<Repeater>`` gives each copy another name."""
    if config.expand is None:
        return control.name
    return next(
        (one.name for one in config.controls if one.number_in_config == control.number_in_config), control.name
    )


def _entry_text(
    results: object, text: str, controls: Sequence[tuple[SpanControl, str]], document: Any
) -> EntryText:
    mentions = [
        Mention(span.start, span.end, layer, span.label)
        for control, layer in controls
        for span in read_spans(results, [control], document)
        if span.end <= MAX_TEXT_CHARACTERS and span.end - span.start <= MAX_MENTION_CHARACTERS
    ]
    layers = tuple(dict.fromkeys(layer for _, layer in controls))
    return EntryText(text[:MAX_TEXT_CHARACTERS], layers, tuple(dict.fromkeys(mentions)))


def _quick(config: LabelingConfig, task: Mapping[str, Any]) -> LabelingConfig:
    """Return the config of a task without the controls over texts that take long to read."""
    try:
        controls = config.for_task(task.get("data")).controls
    except Exception:  # the reader finds the same error, and logs it
        return config
    return LabelingConfig(tuple(control for control in controls if _is_quick(control.object, task)))


def _is_quick(text_object: TextObject, task: Mapping[str, Any]) -> bool:
    if text_object.is_url:
        return False
    value = fill_in(text_object.template, task.get("data")) if text_object.tag == "HyperText" else ""
    return not isinstance(value, str) or len(value) <= MAX_TEXT_CHARACTERS


def item_id(item: Mapping[str, Any]) -> int | None:
    """Return the id of a task or an annotation; None if it is not a whole number above 0."""
    number = whole_number(item.get("id"))
    return number if number is not None and 0 < number <= MAX_ID else None
