"""The one currency between the rooms: a labelled stretch of a text."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A labelled stretch of a text.

    start, end: Unicode code points (Python string indices), half-open: ``text[start:end]``.
    label: an entity type.
    score: the probability, within [0, 1], that exactly this stretch has exactly this label; 1.0 for gold spans.
    Two spans are equal when they mark the same stretch with the same label, whatever their scores.
    """

    start: int
    end: int
    label: str
    score: float = field(default=1.0, compare=False)
