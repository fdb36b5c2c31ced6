"""What the page of a project says of the annotations to look at; see learning.review."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Place:
    """A place to look at. quote: the task, and the text ``before``, in and ``after`` the place.

    link: opens the task in Label Studio; None if its id is not one of Label Studio's. label: what it is annotated
    as, "" if it is not. suggestion: what may be right, in words. reasons: why, in sentences.
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
    """A string that is treated in several ways. counts: each label, "" if it is not annotated, and how often."""

    string: str
    counts: tuple[tuple[str, int], ...]
    examples: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class IdenticalText:
    """A text that occurs several times. ways: the tasks, each with its link, and what is annotated only there."""

    text: str
    ways: tuple[tuple[tuple[tuple[str, str | None], ...], tuple[tuple[str, str], ...]], ...]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How much some annotators agree. names: a label, or the names of two annotators; see learning.agreement.

    differences: what the first annotator marked, what the second did instead, and how often.
    """

    names: tuple[str, ...]
    f1: float | None
    alpha: float | None
    count: int
    differences: tuple[tuple[str, str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Dispute:
    """A task that annotators disagree about.

    places: each with a sentence on who says what. more: how many further places there are.
    """

    task: str
    link: str | None
    f1: float | None
    places: tuple[Place, ...]
    more: int


@dataclass(frozen=True, slots=True)
class Review:
    """What to look at.

    ``more_...``: how many further ones are not listed.
    not_looked_at: how many texts were too many to be looked at. all_together: the agreement of all annotators over
    all labels; None if no task has several annotators.
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
        """Return the same facts for programs. ``more_...``: how many further ones are not listed."""
        return {
            "dubious": [place.as_dict() for place in self.dubious],
            "more_dubious": self.more_dubious,
            "not_looked_at": self.not_looked_at,
            "contradictions": [
                {
                    "string": one.string,
                    "counts": [{"label": label, "count": count} for label, count in one.counts],
                    "examples": [place.as_dict() for place in one.examples],
                }
                for one in self.strings
            ],
            "more_contradictions": self.more_strings,
            "identical_texts": [
                {
                    "text": one.text,
                    "ways": [
                        {
                            "tasks": [task for task, _ in tasks],
                            "spans": [{"text": text, "label": label} for text, label in spans],
                        }
                        for tasks, spans in one.ways
                    ],
                }
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
