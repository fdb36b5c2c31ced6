"""The one currency between the rooms: labelled stretches of texts."""

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


@dataclass(frozen=True, slots=True)
class TaggedText:
    """A text's spans, in order and not overlapping, and how sure the model is of the text as a whole.

    score: within [0, 1], comparable between texts of any length, with spans or without; see decoding.decode.
    """

    spans: list[Span]
    score: float


@dataclass(frozen=True, slots=True)
class AnnotatedText:
    """A text with its gold spans, which may overlap, and the id of the task that it is from.

    No spans means that nothing is to be found in the text.
    """

    task_id: str
    text: str
    spans: tuple[Span, ...]
