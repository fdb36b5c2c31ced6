"""Compares the suggestions of each version with what annotators saved."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from huggingface_ner.edits import Edits, count_edits
from huggingface_ner.json_values import mappings
from huggingface_ner.label_studio.gold import since_epoch
from huggingface_ner.label_studio.labeling_config import LabelingConfig
from huggingface_ner.label_studio.regions import read_spans
from huggingface_ner.label_studio.tasks import TaskReader


@dataclass(frozen=True, slots=True)
class VersionEdits:
    """What annotators did with the suggestions of a version, and in how many tasks."""

    tasks: int
    edits: Edits


class SuggestionEdits:
    """Counts, while tasks are read, what annotators did with the suggestions of each version.

    Each task counts once, with its first annotation that was made from a prediction; see ``first_used``.
    by_version: the counts so far, by the ``model_version`` of the predictions.
    """

    def __init__(self, config: LabelingConfig, reader: TaskReader) -> None:
        self._config = config
        self._reader = reader
        self.by_version: dict[str, VersionEdits] = {}

    def watch(self, tasks: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield the tasks, and count their suggestions. Tasks need ``predictions`` and ``annotations``."""
        for task in tasks:
            yield task
            pair = first_used(task)
            if pair is not None:
                self._count(task, *pair)

    def _count(
        self, task: Mapping[str, Any], prediction: Mapping[str, Any], annotation: Mapping[str, Any]
    ) -> None:
        documents = self._reader.documents(task, self._config)
        if not documents:
            return
        edits = Edits()
        for text_object, document in documents:
            controls = self._config.controls_for(text_object)
            saved, suggested = (
                read_spans(one.get("result"), controls, document) for one in (annotation, prediction)
            )
            edits += count_edits(saved, suggested)
        version = prediction["model_version"]
        counts = self.by_version.get(version, VersionEdits(0, Edits()))
        self.by_version[version] = VersionEdits(counts.tasks + 1, counts.edits + edits)


def first_used(task: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
    """Return the first prediction that an annotator worked from, and the annotation; None if there is none.

    If an annotator started from a prediction on the page, the annotation names this prediction. Otherwise, it is
    compared with the newest prediction that was made before the annotation. Predictions that were turned into
    annotations in bulk do not count, because nobody has looked at them.
    """
    predictions = [
        prediction
        for prediction in mappings(task.get("predictions"))
        if isinstance(prediction.get("model_version"), str) and isinstance(prediction.get("result"), list)
    ]
    for annotation in sorted(mappings(task.get("annotations")), key=_created):
        was_looked_at = annotation.get("lead_time") is not None or annotation.get("updated_by") is not None
        if annotation.get("was_cancelled") or not was_looked_at:
            continue
        parent = annotation.get("parent_prediction")
        if parent is None:
            earlier = [one for one in predictions if _created(one) < _created(annotation)]
            found = max(earlier, key=_created, default=None)
        else:
            found = next((one for one in predictions if one.get("id") == parent), None)
        if found is not None:
            return found, annotation
    return None


def _created(item: Mapping[str, Any]) -> Any:
    return since_epoch(item.get("created_at"))
