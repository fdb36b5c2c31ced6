"""Predicts tasks, in Label Studio's form."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from huggingface_ner.label_studio.documents import Document
from huggingface_ner.label_studio.labeling_config import LabelingConfig, TextObject
from huggingface_ner.label_studio.regions import within_borders, write_region
from huggingface_ner.label_studio.tasks import TaskReader
from huggingface_ner.spans import Span, TaggedText


def predict_tasks(
    tasks: Sequence[object],
    config: LabelingConfig,
    names: Mapping[str, str],
    reader: TaskReader,
    tag: Callable[[list[str]], list[TaggedText]],
) -> list[dict[str, Any]]:
    """Return a ``result`` and a ``score`` for each task, in order; a task that cannot be read gets [] and 1.0.

    names: the config's label for each of the model's labels that has one; see LabelingConfig.match_labels.
    tag: returns each text's spans and score.
    """
    opened = [
        (index, text_object, document)
        for index, documents in enumerate(reader.documents_many(tasks, config))
        for text_object, document in documents
    ]
    results: list[list[dict[str, Any]]] = [[] for _ in tasks]
    scores: dict[int, float] = {}
    tagged = tag([document.text for _, _, document in opened])
    for (index, text_object, document), found in zip(opened, tagged, strict=True):
        results[index] += _regions(found.spans, config, names, text_object, document)
        scores[index] = min(scores.get(index, 1.0), found.score)  # the lowest score of its texts
    # Label Studio offers the task with the lowest score first, as the one that the model is least certain of. A
    # model says nothing about a task that cannot be read, so such a task goes last, as does a text without words.
    return [{"result": result, "score": scores.get(index, 1.0)} for index, result in enumerate(results)]


def _regions(
    spans: Sequence[Span],
    config: LabelingConfig,
    names: Mapping[str, str],
    text_object: TextObject,
    document: Document,
) -> list[dict[str, Any]]:
    """Return the regions of the spans whose label has a control over the object.

    A span that crosses a border is cut there.
    """
    regions: list[dict[str, Any]] = []
    written: set[tuple[str, Span]] = set()
    for span in spans:
        found = config.suggesting_control(span.label, names, text_object)
        if found is None:
            continue
        control, label = found
        for part in within_borders(Span(span.start, span.end, label, span.score), document):
            # spans that overlap can have parts in common
            if (control.name, part) not in written:
                written.add((control.name, part))
                region = write_region(part, control, document)
                regions += [] if region is None else [region]
    return regions
