"""Decides which marks (labelled stretches) count if a task has several annotations.

1. If an annotation is marked as ground truth, only this annotation counts. If several are, only the newest of them
   counts.
2. Otherwise, a mark counts if more than half of the annotations have it.
3. If there are exactly two annotations and they differ, one of them is followed: the one by the annotator who
   agrees more with the others in the project (F1 of the marks in shared tasks). If both agree equally, or if the
   annotators are not known, the newer annotation is followed.

Cancelled annotations never count. Only this module makes these decisions. They apply to the texts for training, to
the texts for scoring, and to the known mentions.
"""

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Generic, TypeVar

Mark = TypeVar("Mark", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Ballot(Generic[Mark]):
    """The marks of one annotation of a task.

    annotator: the id of the user who made the annotation; None if it is not known.
    marks: two annotations agree on a mark if both contain it.
    """

    annotator: int | None
    marks: frozenset[Mark]
    is_ground_truth: bool = False


@dataclass(frozen=True, slots=True)
class Decision(Generic[Mark]):
    """The marks that count in a task.

    marks: the marks that count. source: the index of the annotation that is followed or, if the majority decides,
    of the newest one. outvoted: the marks that do not count; empty if there is a ground truth.
    """

    marks: frozenset[Mark]
    source: int
    outvoted: frozenset[Mark] = frozenset()


class Agreement:
    """How much the annotators of a project agree with each other."""

    def __init__(self) -> None:
        self._common: Counter[tuple[int, int]] = Counter()  # pair -> marks that both have
        self._all: Counter[tuple[int, int]] = Counter()  # pair -> marks of both together

    def add(self, ballots: Sequence[Ballot[Any]], weight: int = 1) -> None:
        """Count the annotations of a task. weight: -1 subtracts annotations that were counted before."""
        for pair, one, other in _pairs(ballots):
            self._common[pair] += weight * len(one.marks & other.marks)
            self._all[pair] += weight * (len(one.marks) + len(other.marks))

    def f1_by_annotator(self) -> dict[int, float]:
        """Return, for each annotator, the F1 of their marks against those of all others, in shared tasks.

        Annotators who share no marked task with others are left out.
        """
        common: Counter[int] = Counter()
        marks: Counter[int] = Counter()
        for pair, count in self._all.items():
            for annotator in pair:
                common[annotator] += self._common[pair]
                marks[annotator] += count
        return {annotator: 2 * common[annotator] / count for annotator, count in marks.items() if count}

    def ranks(self) -> dict[int, int]:
        """Return the rank of each of these annotators; a higher rank means more agreement.

        Annotators who agree equally have the same rank.
        As long as the ranks stay the same, no decision changes.
        """
        by_annotator = self.f1_by_annotator()
        steps = {f1: rank for rank, f1 in enumerate(sorted({*by_annotator.values()}))}
        return {annotator: steps[f1] for annotator, f1 in by_annotator.items()}


def decide(ballots: Sequence[Ballot[Mark]], ranks: Mapping[int, int]) -> Decision[Mark]:
    """Return which marks count in a task.

    ballots: the annotations that are not cancelled, the oldest first; at least one.
    ranks: see Agreement; only contested tasks need them.
    """
    newest = len(ballots) - 1
    truths = [index for index, ballot in enumerate(ballots) if ballot.is_ground_truth]
    if truths:
        return Decision(ballots[truths[-1]].marks, truths[-1])
    if is_contested(ballots):
        source = _followed(ballots, ranks)
        marks = ballots[source].marks
    else:
        source = newest
        votes = Counter(mark for ballot in ballots for mark in ballot.marks)
        marks = frozenset(mark for mark, count in votes.items() if 2 * count > len(ballots))
    return Decision(marks, source, frozenset(mark for ballot in ballots for mark in ballot.marks - marks))


def is_contested(ballots: Sequence[Ballot[Any]]) -> bool:
    """Return whether there are exactly two annotations that differ, and no ground truth.

    Which of the two is followed depends on all tasks of the project.
    """
    if len(ballots) != 2 or any(ballot.is_ground_truth for ballot in ballots):
        return False
    return ballots[0].marks != ballots[1].marks


def _followed(ballots: Sequence[Ballot[Any]], ranks: Mapping[int, int]) -> int:
    """Return the index, 0 or 1, of the annotation that is followed."""
    older, newer = (ballot.annotator for ballot in ballots)
    if older is None or newer is None or older == newer:
        return 1
    return int(ranks.get(newer, 0) >= ranks.get(older, 0))


def _pairs(ballots: Sequence[Ballot[Any]]) -> Iterator[tuple[tuple[int, int], Ballot[Any], Ballot[Any]]]:
    """Yield the pairs of annotations by different annotators, both known, with the ids of the annotators."""
    for one, other in combinations(ballots, 2):
        first, second = one.annotator, other.annotator
        if first is not None and second is not None and first != second:
            yield (min(first, second), max(first, second)), one, other
