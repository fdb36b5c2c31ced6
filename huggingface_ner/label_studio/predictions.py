"""Makes predictions for tasks, in the form of Label Studio's API."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from huggingface_ner.label_studio.documents import Document
from huggingface_ner.label_studio.known_strings import FindKnown, prefer_surer, suggest_known
from huggingface_ner.label_studio.labeling_config import LabelingConfig, TextObject
from huggingface_ner.label_studio.regions import write_region
from huggingface_ner.label_studio.tasks import TaskReader
from huggingface_ner.spans import Span, TaggedText, cut_at


def predict_tasks(
    tasks: Sequence[object],
    config: LabelingConfig,
    names: Mapping[str, str],
    reader: TaskReader,
    tag: Callable[[list[str]], list[TaggedText]],
    *,
    find_known: FindKnown = lambda text: (),
    min_score: float = 0.0,
) -> list[dict[str, Any]]:
    """Return a ``result`` and a ``score`` for each task, in order; a task that cannot be read gets [] and 1.0.

    names: the model's label -> the config's label; see LabelingConfig.match_labels.
    tag: returns each text's spans and score.
    find_known: returns the strings in a text that are known from other texts; by default, no strings are known.
    min_score: spans with a lower score are left out. The score of a task does not depend on it.
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
        known = suggest_known(find_known(document.text), config, text_object, document)
        by_control = _by_control(found.spans, config, names, text_object, document)
        spans = [
            (span, control)
            for control in config.controls_for(text_object)
            for span in prefer_surer(by_control.get(control.name, []), known.get(control.name, []))
            if span.score >= min_score
        ]
        regions = (write_region(*one, document) for one in sorted(spans, key=lambda one: one[0]))
        results[index] += [region for region in regions if region is not None]
        scores[index] = min(scores.get(index, 1.0), found.score)  # a task has the lowest score of its texts
    # Label Studio begins with the task that has the lowest score, because the model is least certain about it. A
    # task that cannot be read gets 1.0 and comes last, because no model can say anything about it. A task without
    # words comes last too.
    return [{"result": result, "score": scores.get(index, 1.0)} for index, result in enumerate(results)]


def _by_control(
    spans: Sequence[Span],
    config: LabelingConfig,
    names: Mapping[str, str],
    text_object: TextObject,
    document: Document,
) -> dict[str, list[Span]]:
    """Map each control's name to the spans that it suggests over the object, with the config's labels.

    A span that crosses a border is cut there.
    """
    by_control: dict[str, dict[Span, None]] = {}
    for span in spans:
        found = config.suggesting_control(span.label, names, text_object)
        if found is not None:
            control, label = found
            parts = cut_at(Span(span.start, span.end, label, span.score), document.borders, document.text)
            # each once, because spans that overlap can have parts in common
            by_control.setdefault(control.name, {}).update(dict.fromkeys(parts))
    return {name: list(parts) for name, parts in by_control.items()}
