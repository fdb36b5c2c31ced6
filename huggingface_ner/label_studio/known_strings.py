"""Suggests strings that are known from other texts, and combines them with a model's spans."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from huggingface_ner.label_studio.annotation_entries import layer_name
from huggingface_ner.label_studio.controls import LabelingConfig, SpanControl, TextObject
from huggingface_ner.label_studio.documents import Document
from huggingface_ner.spans import Span, drop_overlaps


class Tally(Protocol):
    """How often a string occurs in annotated texts, and how often it is annotated there."""

    @property
    def occurrences(self) -> int:
        """How many occurrences there are."""

    @property
    def marked(self) -> int:
        """How many of them are annotated."""

    @property
    def labels(self) -> Mapping[str, int]:
        """How many of them have each label."""


@dataclass(frozen=True, slots=True)
class KnownString:
    """A stretch of a text, in code points, whose string is known.

    tallies: layer (see annotation_entries.layer_name) -> how annotators labelled the string there.
    listed: the labels that a gazetteer gives it.
    """

    start: int
    end: int
    tallies: Mapping[str, Tally]
    listed: tuple[str, ...] = ()


FindKnown = Callable[[str], Iterable[KnownString]]
"""Returns the known strings in a text; they may overlap."""


def suggest_known(
    found: Iterable[KnownString], config: LabelingConfig, text_object: TextObject, document: Document
) -> dict[str, list[Span]]:
    """Return the spans to suggest, without overlaps, grouped by the name of their control.

    If strings overlap, the longest is suggested. A string is never suggested if annotators left more than half of
    its occurrences unmarked. The score is the share of its occurrences that have the label. An entry of a
    gazetteer counts as one more occurrence with its label.
    """
    spans: dict[str, list[Span]] = {}
    counterparts: dict[str, tuple[SpanControl, str] | None] = {}
    borders = document.borders
    controls = [(control, layer_name(control, config)) for control in config.controls_for(text_object)]
    for known in found:
        if bisect_right(borders, known.start) < bisect_left(borders, known.end):
            continue
        for label in known.listed:
            if label not in counterparts:
                counterparts[label] = config.suggesting_control(label, {}, text_object)
        listed_in = [pair for label in known.listed if (pair := counterparts[label]) is not None]
        for control, layer in controls:
            listed = [name for owner, name in listed_in if owner == control]
            best = _best(known.tallies.get(layer), listed, control)
            if best is not None:
                spans.setdefault(control.name, []).append(Span(known.start, known.end, *best))
    return {name: drop_overlaps(some) for name, some in spans.items()}


def prefer_surer(found: Sequence[Span], known: Sequence[Span]) -> list[Span]:
    """Return a model's spans and the known strings of one control together, in order.

    A known string that overlaps spans of the model replaces them if its score is higher than all of theirs.
    Otherwise, the model's spans are kept. If the model found the same span, its score can only rise. The model's
    own spans may overlap each other. known: in order, without overlaps.
    """
    starts, ends = [span.start for span in known], [span.end for span in known]
    rivals: list[list[int]] = [[] for _ in known]
    for number, span in enumerate(found):
        for place in range(bisect_right(ends, span.start), bisect_left(starts, span.end)):
            rivals[place].append(number)
    kept = dict(enumerate(found))
    added = []
    for place in sorted(range(len(known)), key=lambda place: -known[place].score):
        same = [number for number in rivals[place] if kept.get(number) == known[place]]
        if same:
            kept[same[0]] = max(kept[same[0]], known[place], key=lambda span: span.score)
        elif all(kept[number].score < known[place].score for number in rivals[place] if number in kept):
            added.append(known[place])
            for number in rivals[place]:
                kept.pop(number, None)
    return sorted([*kept.values(), *added])


def _best(tally: Tally | None, listed: Sequence[str], control: SpanControl) -> tuple[str, float] | None:
    """Return the label to suggest for a string, and its share of the occurrences; None to suggest nothing."""
    shares: Counter[str] = Counter()
    occurrences = marked = len(listed[:1])
    if tally is not None:
        occurrences += tally.occurrences
        marked += tally.marked
        for saved, count in tally.labels.items():
            name = control.read_label(saved)  # None if the label was removed from the config
            if name is not None:
                shares[name] += count
    shares.update(listed[:1])
    label = max(shares, key=lambda one: shares[one], default=None)
    if label is None or 2 * marked < occurrences:
        return None
    return label, min(shares[label] / occurrences, 1.0)
