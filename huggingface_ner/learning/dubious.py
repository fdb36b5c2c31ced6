"""Lists annotations that may be wrong, the most dubious first.

The suspicion of a place is a sum of three kinds of terms; bench/README.md has the measurements:

- half of -log p, where p is the probability of the place's worst word, averaged over the training. For a span, the
  words beside it count too, because a border may be wrong;
- the score of the best other span that the model found there, minus the score of the annotated span;
- -log of twice the share of the others that agree, for each of three groups of others: the other occurrences of
  the string, the other annotations of the task, and the same place in identical texts.
"""

import heapq
import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from huggingface_ner.learning.contradictions import Contradictions, Treatments
from huggingface_ner.learning.dynamics import Dynamics, Observed
from huggingface_ner.learning.occurrences import UNMARKED
from huggingface_ner.learning.quotes import name, quote, quoted
from huggingface_ner.spans import AnnotatedText, Places, Span, insert_without_overlap, overlapping

MAX_DUBIOUS = 100
# Places with a lower suspicion are not listed. In the web texts that were measured, a fifth of the places just
# above this limit were errors.
MIN_SUSPICION = 0.5
MIN_PROBABILITY = 1e-3
# Another span is suggested instead of an annotated one only if the model's score for it is at least this. Deleting
# an annotated span is suggested only if its score and its probability are both lower than this.
SURE = 0.3
# Half a vote is added to each side, so that a single other opinion does not count as certainty.
PRIOR = 0.5


@dataclass(frozen=True, slots=True)
class Opinion:
    """How others annotate a place.

    agreeing: the number of others that annotate it in the same way. others: the number of all others.
    why: a sentence for people.
    """

    agreeing: int
    others: int
    why: str

    @property
    def suspicion(self) -> float:
        """The term that this opinion adds to the place's suspicion; 0 if there are no others."""
        return -math.log(2 * (self.agreeing + PRIOR) / (self.others + 2 * PRIOR))


@dataclass(frozen=True)  # without slots, because of the cached property
class Suspect:
    """A place that may be annotated wrongly.

    span: the annotated span, or a place where nothing is annotated; its label is UNMARKED then.
    probability: the probability of the place's worst word. support: the model's score for the annotation;
    0.5 if nothing is annotated there. rival: the best other span that the model found there or, for a place where
    nothing is annotated, the label that its string has elsewhere. Its label is UNMARKED if there is no such span.
    """

    text: AnnotatedText
    span: Span
    probability: float
    support: float
    rival: Span
    opinions: tuple[Opinion, ...]

    @cached_property
    def suspicion(self) -> float:
        """How dubious the place is; the module's docstring has the formula."""
        model = -0.5 * math.log(max(self.probability, MIN_PROBABILITY)) + self.rival.score - self.support
        return model + sum(opinion.suspicion for opinion in self.opinions)

    def as_dict(self) -> dict[str, Any]:
        """Return the place for people, as JSON; see dubious_annotations."""
        return {
            "task": name(self.text.task_id),
            **quote(self.text.text, self.span),
            "start": self.span.start,
            "end": self.span.end,
            "label": name(self.span.label),
            "suggestion": self._suggestion(),
            "reasons": self._reasons(),
            "suspicion": round(self.suspicion, 3),
        }

    def _suggestion(self) -> str:
        rival, span = self.rival, self.span
        if rival.label == UNMARKED:
            return "nothing" if self.support < SURE and self.probability < SURE else ""
        if rival.score < SURE and span.label != UNMARKED:
            return ""
        is_here = (rival.start, rival.end) == (span.start, span.end)
        return name(rival.label) if is_here else f"{name(rival.label)}: {quoted(self.text.text, rival)}"

    def _reasons(self) -> list[str]:
        reasons = [opinion.why for opinion in self.opinions if opinion.suspicion > 0]
        if self.probability < 0.5 or not reasons:
            share = f"{self.probability:.0%}".replace("%", " %")
            what = "that nothing is annotated here" if self.span.label == UNMARKED else "of this annotation"
            reasons.append(f"During the training, the model's probability {what} was {share} on average.")
        return reasons


def dubious_annotations(dynamics: Dynamics, contradictions: Contradictions) -> dict[str, Any]:
    """Return the annotations that may be wrong, as JSON.

    ``dubious``: the dubious places, the most dubious first. Of places that overlap, only the most dubious one is
    listed. Each has its ``task``, the text around it, its ``label`` ("" if nothing is annotated there), a
    ``suggestion`` ("" if there is none) and its ``reasons``, which are sentences.
    ``more``: the number of further dubious places. ``not_looked_at``: the number of texts that were not observed.
    """
    count = 0
    listed: list[Suspect] = []
    for text, observed in dynamics.observed():
        dubious = [
            one for one in _apart(_suspects(text, observed, contradictions)) if one.suspicion > MIN_SUSPICION
        ]
        count += len(dubious)
        listed = (
            heapq.nlargest(MAX_DUBIOUS, [*listed, *dubious], key=lambda one: one.suspicion) if dubious else listed
        )
    return {
        "dubious": [suspect.as_dict() for suspect in listed],
        "more": count - len(listed),
        "not_looked_at": dynamics.total - dynamics.count,
    }


def _apart(suspects: Iterator[Suspect]) -> list[Suspect]:
    """Return a text's suspects, the most dubious first; of those that overlap, only the most dubious one."""
    kept: list[Span] = []
    by_suspicion = sorted(suspects, key=lambda suspect: -suspect.suspicion)
    return [suspect for suspect in by_suspicion if insert_without_overlap(suspect.span, kept)]


def _suspects(text: AnnotatedText, observed: Observed, contradictions: Contradictions) -> Iterator[Suspect]:
    spans = sorted(set(text.spans))
    annotation = _Annotation(spans)
    others = _Others(text, contradictions)
    words = _Words(observed, spans)
    found = [Span(one.start, one.end, one.label, score) for one, score in observed.found.items()]
    rivals = _rivals(spans, [one for one in found if not annotation.agrees(one)])
    for span, rival in zip(spans, rivals, strict=True):
        support = observed.found.get(span, 0.0)
        yield Suspect(text, span, words.worst(span), support, rival, others.opinions(span))
    # the spans are sorted, so that the best one at a place is the last and stays in the dictionary
    unmarked = {(one.start, one.end): one for one in sorted(found, key=lambda one: one.score)}
    for (start, end, label), of_string in others.treatments.items():
        if label == UNMARKED:
            unmarked.setdefault((start, end), Span(start, end, of_string.majority, 0.0))
    for (start, end), rival in unmarked.items():
        place = Span(start, end, UNMARKED)
        if rival.label != UNMARKED and annotation.agrees(place):
            yield Suspect(text, place, words.worst(place), 0.5, rival, others.opinions(place))


def _rivals(spans: Sequence[Span], found: Sequence[Span]) -> list[Span]:
    """Return, for each span, the best found span that overlaps it; see Suspect.

    spans: in order.
    """
    rivals = [Span(span.start, span.end, UNMARKED, 0.0) for span in spans]
    for one, indices in zip(found, overlapping(spans, found), strict=True):
        for index in indices:
            if rivals[index].label == UNMARKED or one.score > rivals[index].score:
                rivals[index] = one
    return rivals


class _Annotation:
    """The spans that one annotation marks in a text."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self._spans = frozenset(spans)
        self._places = Places((span.start, span.end) for span in self._spans)

    def agrees(self, span: Span) -> bool:
        """Return whether a span is marked; if its label is UNMARKED, whether nothing is marked there."""
        if span.label == UNMARKED:
            return not self._places.overlap(span.start, span.end)
        return span in self._spans


class _Others:
    """How others annotate the places of a text.

    treatments: how often the string of an occurrence has each label in all texts. The keys are the start, end and
    label of the occurrence.
    """

    def __init__(self, text: AnnotatedText, contradictions: Contradictions) -> None:
        self._text = text.text
        self.treatments = {
            (one.span.start, one.span.end, one.label): of_string
            for one, of_string in contradictions.treatments(text)
        }
        votes = [] if any(vote.is_ground_truth for vote in text.votes) else text.latest_votes
        self._votes = [_Annotation(vote.spans) for vote in votes]
        self._identical = [(_Annotation(way), count) for way, count in contradictions.identical(text).items()]

    def opinions(self, span: Span) -> tuple[Opinion, ...]:
        """Return the opinions of others on a place."""
        found = []
        of_string = self.treatments.get((span.start, span.end, span.label))
        if of_string is not None and of_string.total() > 1:
            found.append(_of_string(quoted(self._text, span), span.label, of_string))
        count = len(self._votes)
        if count > 1:
            said = sum(vote.agrees(span) for vote in self._votes)
            what = f"marked this as {name(span.label)}" if span.label else "left this unmarked"
            found.append(Opinion(max(said - 1, 0), count - 1, f"{said} of {count} annotators {what}."))
        others = sum(count for _, count in self._identical) - 1
        if others > 0:
            agreeing = sum(count for way, count in self._identical if way.agrees(span)) - 1
            why = f"{agreeing} of {others} identical texts have the same annotation here."
            found.append(Opinion(agreeing, others, why))
        return tuple(found)


def _of_string(string: str, label: str, treatments: Treatments) -> Opinion:
    others = treatments.copy()
    others[label] -= 1
    most, count = max(sorted(others.items()), key=lambda item: item[1])
    how = f"annotated as {name(most)}" if most else "not annotated"
    why = f"“{string}” is {how} in {count} of {others.total()} other places."
    return Opinion(others[label], others.total(), why)


class _Words:
    """The words of a text, with the probability of the annotation of each word."""

    def __init__(self, observed: Observed, spans: list[Span]) -> None:
        self._starts = [start for start, _ in observed.words]
        self._ends = [end for _, end in observed.words]
        self._probabilities = observed.probabilities
        self._annotated: set[int] = set()
        for span in spans:
            self._annotated.update(range(*self._range(span)))

    def _range(self, span: Span) -> tuple[int, int]:
        return bisect_right(self._ends, span.start), bisect_left(self._starts, span.end)

    def worst(self, span: Span) -> float:
        """Return the lowest probability of a place's words; for a span, unmarked words beside it count too."""
        first, last = self._range(span)
        words = list(range(first, last))
        if span.label != UNMARKED:
            words += [
                word for word in (first - 1, last) if 0 <= word < len(self._starts) and word not in self._annotated
            ]
        return min((float(self._probabilities[word]) for word in words), default=1.0)
