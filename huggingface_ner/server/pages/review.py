"""The annotations to look at, as the page of a project shows them; see learning.review."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Place:
    """A place to look at. quote: the ``task``, the place's ``text``, and the text ``before`` and ``after`` it.

    link: opens the task in Label Studio; None if the task's id is not one of Label Studio's. label: the annotated
    label; "" if the place is not annotated. suggestion: the annotation that may be right, in words. reasons:
    sentences that say why.
    """

    quote: Mapping[str, str]
    link: str | None
    label: str
    suggestion: str = ""
    reasons: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the place as JSON."""
        reasons = {"suggestion": self.suggestion, "reasons": list(self.reasons)} if self.reasons else {}
        return {**self.quote, "link": self.link, "label": self.label, **reasons}


@dataclass(frozen=True, slots=True)
class ContradictoryString:
    """A string that is annotated in several ways.

    counts: each label of the string, "" if it is not annotated, with the number of such occurrences.
    ``more_...``: how many further ones are not listed.
    """

    string: str
    counts: tuple[tuple[str, int], ...]
    more_labels: int
    examples: tuple[Place, ...]
    more_examples: int


@dataclass(frozen=True, slots=True)
class Way:
    """One way in which a text is annotated.

    tasks: the tasks with their links. spans: those of its spans that not all ways share, each as its string and
    its label. ``more_...``: how many further ones are not listed.
    """

    tasks: tuple[tuple[str, str | None], ...]
    more_tasks: int
    spans: tuple[tuple[str, str], ...]
    more_spans: int

    def as_dict(self) -> dict[str, Any]:
        """Return the way as JSON."""
        return {
            "tasks": [task for task, _ in self.tasks],
            "more_tasks": self.more_tasks,
            "spans": [{"text": text, "label": label} for text, label in self.spans],
            "more_spans": self.more_spans,
        }


@dataclass(frozen=True, slots=True)
class IdenticalText:
    """A text that several tasks have, annotated in several ways; more_ways: how many ways are not listed."""

    text: str
    ways: tuple[Way, ...]
    more_ways: int


@dataclass(frozen=True, slots=True)
class Agreement:
    """How much annotators agree; see learning.agreement.

    names: the label or the two annotators for which this is measured; empty if it is measured for all.
    differences: the label that the first annotator gave, the label that the second annotator gave instead, and how
    often; "" if an annotator has not marked the place. more_differences: how many are of kinds that are not
    listed.
    """

    names: tuple[str, ...]
    f1: float | None
    alpha: float | None
    count: int
    differences: tuple[tuple[str, str, int], ...] = ()
    more_differences: int = 0


@dataclass(frozen=True, slots=True)
class Dispute:
    """A task that annotators disagree about.

    places: the reasons of each say how the annotators have marked it. more: the number of places that are not
    listed.
    """

    task: str
    link: str | None
    f1: float | None
    places: tuple[Place, ...]
    more: int


@dataclass(frozen=True, slots=True)
class Review:
    """Everything to look at.

    ``more_...``: how many further ones are not listed. not_looked_at: the number of texts that were not checked,
    because there were too many. all_together: the agreement of all annotators over all labels; None if no task has
    several annotators. words: the number of words that alpha was computed from; more_word_texts: the number of
    texts whose words were too many for this.
    """

    dubious: tuple[Place, ...]
    more_dubious: int
    not_looked_at: int
    strings: tuple[ContradictoryString, ...]
    more_strings: int
    texts: tuple[IdenticalText, ...]
    more_texts: int
    all_together: Agreement | None
    words: int
    more_word_texts: int
    labels: tuple[Agreement, ...]
    more_labels: int
    pairs: tuple[Agreement, ...]
    more_pairs: int
    disputes: tuple[Dispute, ...]
    more_disputes: int

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to look at."""
        return not (self.dubious or self.strings or self.texts or self.disputes)

    def as_dict(self) -> dict[str, Any]:
        """Return the same facts as JSON, for programs. ``more_...``: how many further ones are not listed."""
        return {
            "dubious": [place.as_dict() for place in self.dubious],
            "more_dubious": self.more_dubious,
            "not_looked_at": self.not_looked_at,
            "contradictions": [
                {
                    "string": one.string,
                    "counts": [{"label": label, "count": count} for label, count in one.counts],
                    "more_labels": one.more_labels,
                    "examples": [place.as_dict() for place in one.examples],
                    "more_examples": one.more_examples,
                }
                for one in self.strings
            ],
            "more_contradictions": self.more_strings,
            "identical_texts": [
                {"text": one.text, "ways": [way.as_dict() for way in one.ways], "more_ways": one.more_ways}
                for one in self.texts
            ],
            "more_identical_texts": self.more_texts,
            "agreement": None if self.all_together is None else self._agreement(self.all_together),
        }

    def _agreement(self, all_together: Agreement) -> dict[str, Any]:
        return {
            "f1": all_together.f1,
            "alpha": all_together.alpha,
            "tasks": all_together.count,
            "words": self.words,
            "more_texts": self.more_word_texts,
            "labels": [
                {"label": one.names[0], "f1": one.f1, "alpha": one.alpha, "spans": one.count}
                for one in self.labels
            ],
            "more_labels": self.more_labels,
            "pairs": [
                {
                    "annotators": list(one.names),
                    "f1": one.f1,
                    "alpha": one.alpha,
                    "tasks": one.count,
                    "differences": [
                        {"labels": [first, second], "count": count} for first, second, count in one.differences
                    ],
                    "more_differences": one.more_differences,
                }
                for one in self.pairs
            ],
            "more_pairs": self.more_pairs,
            "disputed": [
                {
                    "task": one.task,
                    "link": one.link,
                    "f1": one.f1,
                    "places": [place.as_dict() for place in one.places],
                    "more_places": one.more,
                }
                for one in self.disputes
            ],
            "more_disputed": self.more_disputes,
        }
