"""Classes for texts and their labelled spans, which all packages use."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import accumulate, pairwise


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A labelled span of a text.

    start, end: Unicode code points (Python string indices), half-open: ``text[start:end]``.
    label: an entity type.
    score: the probability, within [0, 1], that exactly this span has this label; 1.0 for gold spans.
    Two spans are equal if start, end and label are equal; their scores are not compared.
    """

    start: int
    end: int
    label: str
    score: float = field(default=1.0, compare=False)


@dataclass(frozen=True, slots=True)
class TaggedText:
    """A text's predicted spans, in order, and the model's confidence in all of them.

    Spans overlap only if the model was trained for labels that overlap.

    score: the confidence, within [0, 1]. It is comparable between texts of any length, with or without spans; see
    TagGroups.decode.
    """

    spans: list[Span]
    score: float


@dataclass(frozen=True, slots=True)
class Vote:
    """The spans that one of a task's annotations marks in a text.

    annotator: the id of the user who made it; None if it is not known.
    """

    annotator: int | None
    spans: tuple[Span, ...]
    is_ground_truth: bool = False


@dataclass(frozen=True, slots=True)
class AnnotatedText:
    """A text with its gold spans, which may overlap, and the id of its task.

    No spans means that the text contains no entities.
    left_out: the number of its annotated regions that could not be read as spans.
    part: which of its task's texts this is. A label can have a different name in another text of the task.
    borders: the offsets that no suggestion crosses, ascending.
    votes: one for each annotation of its task, the oldest first; empty if there is only one. See consensus.
    """

    task_id: str
    text: str
    spans: tuple[Span, ...]
    left_out: int = 0
    part: str = ""
    borders: tuple[int, ...] = ()
    votes: tuple[Vote, ...] = ()

    @property
    def latest_votes(self) -> list[Vote]:
        """The last vote of each annotator, and all votes of unknown ones."""
        last = {vote.annotator: index for index, vote in enumerate(self.votes)}
        return [
            vote
            for index, vote in enumerate(self.votes)
            if vote.annotator is None or last[vote.annotator] == index
        ]

    @property
    def is_disputed(self) -> bool:
        """Whether its annotators disagree, and no annotation is the ground truth."""
        if any(vote.is_ground_truth for vote in self.votes):
            return False
        return len({frozenset(vote.spans) for vote in self.latest_votes}) > 1


class Places:
    """Stretches of a text as pairs of start and end, which may overlap."""

    def __init__(self, places: Iterable[tuple[int, int]]) -> None:
        self._places = sorted(places)
        self._ends = list(accumulate((end for _, end in self._places), max))  # the largest end up to each place

    def overlap(self, start: int, end: int) -> bool:
        """Return whether one of the places overlaps a stretch."""
        last = bisect_left(self._places, (end,))
        return last > 0 and self._ends[last - 1] > start

    def longer_overlap(self, start: int, end: int) -> bool:
        """Return whether a place overlaps a stretch and is longer than the stretch."""
        reaching = self._places[bisect_right(self._ends, start) : bisect_left(self._places, (end,))]
        return any(other_end > start and other_end - other > end - start for other, other_end in reaching)


def overlapping(spans: Sequence[Span], others: Sequence[Span]) -> list[list[int]]:
    """Return, for each span of ``others``, the indices of the spans that overlap it, ascending.

    spans: in order. others: in any order.
    """
    starts = [span.start for span in spans]
    found: list[list[int]] = [[] for _ in others]
    begun: list[tuple[int, int]] = []  # a heap, by end, of the spans that do not begin after ``other``
    following = 0
    for number in sorted(range(len(others)), key=lambda number: others[number].start):
        other = others[number]
        while following < len(spans) and starts[following] <= other.start:
            heappush(begun, (spans[following].end, following))
            following += 1
        while begun and begun[0][0] <= other.start:
            heappop(begun)
        later = range(following, bisect_left(starts, other.end, following))
        found[number] = [*sorted(index for _, index in begun), *later]
    return found


def trimmed(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Return a stretch of a text without the blanks at its edges; None if nothing is left."""
    stretch = text[start:end]
    start += len(stretch) - len(stretch.lstrip())
    end = start + len(stretch.strip())
    return (start, end) if start < end else None


def cut_at(span: Span, borders: Sequence[int], text: str) -> Iterator[Span]:
    """Yield the parts of a span between borders, without blanks at their edges.

    borders: offsets in the text, ascending.
    """
    inside = borders[bisect_right(borders, span.start) : bisect_left(borders, span.end)]
    for start, end in pairwise((span.start, *inside, span.end)):
        part = trimmed(text, start, end)
        if part is not None:
            yield Span(*part, span.label, span.score)


def drop_overlaps(spans: Iterable[Span]) -> list[Span]:
    """Return spans in order and without overlaps.

    Of spans that overlap, the longest one is kept; of equally long ones, the first one.
    """
    kept: list[Span] = []
    for span in longest_first(spans):
        insert_without_overlap(span, kept)
    return kept


def longest_first(spans: Iterable[Span]) -> list[Span]:
    """Return spans sorted by length, the longest first; equally long ones are sorted by their starts."""
    return sorted(spans, key=lambda span: (span.start - span.end, span.start))


def insert_without_overlap(span: Span, kept: list[Span]) -> bool:
    """Insert a span into ordered spans without overlaps; return False if it overlaps one of them."""
    place = bisect_left(kept, span.start, key=lambda other: other.start)
    after_previous = place == 0 or kept[place - 1].end <= span.start
    before_next = place == len(kept) or span.end <= kept[place].start
    if after_previous and before_next:
        kept.insert(place, span)
        return True
    return False
