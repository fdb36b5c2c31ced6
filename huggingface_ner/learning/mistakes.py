"""Collects a model's mistakes on the texts held out: the labels that it confuses, misses and invents."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from huggingface_ner.learning.quotes import name, quote, quoted
from huggingface_ner.spans import AnnotatedText, Span, overlapping

# Maximum number of examples of each kind of mistake, and of kinds; the most frequent kinds are kept. This limits
# the file with the mistakes to about 200 kB, for any labelling config.
MAX_EXAMPLES = 5
MAX_KINDS = 100

# The label of the gold span, and the label of the predicted span; "" if there is no such span. If both labels are
# equal, the predicted span has wrong borders.
Kind = tuple[str, str]


class Mistakes:
    """Collects the differences between gold and predicted spans, text by text.

    Each gold span that was not predicted exactly is paired with the predicted span that overlaps it most and is
    not correct itself; a span with the same place or label is preferred. If there is none, the gold span was
    missed. A predicted span that is neither correct nor paired was invented.
    """

    def __init__(self) -> None:
        self._counts: Counter[Kind] = Counter()
        self._correct: Counter[str] = Counter()
        self._examples: dict[Kind, list[dict[str, str]]] = {}

    def add(self, text: AnnotatedText, predicted: Sequence[Span]) -> None:
        """Add the differences in one text."""
        wanted, found = set(text.spans), set(predicted)
        self._correct.update(name(span.label) for span in wanted & found)
        for gold, guess in pair_spans(sorted(wanted - found), sorted(found - wanted)):
            kind = (_label(gold), _label(guess))
            self._counts[kind] += 1
            examples = self._examples.setdefault(kind, [])
            if len(examples) < MAX_EXAMPLES:
                examples.append(_example(text, gold, guess))

    def as_dict(self) -> dict[str, Any]:
        """Return the collected mistakes, as JSON.

        ``correct``: the number of correct spans, by label. ``kinds``: the most frequent kinds of mistakes, each
        with the label that was annotated (``gold``), the one that the model gave (``predicted``), a ``count``, and
        ``examples``. ``more``: the number of mistakes of other kinds.
        """
        kinds = sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))
        kept = kinds[:MAX_KINDS]
        return {
            "correct": dict(self._correct.most_common(MAX_KINDS)),
            "kinds": [
                {"gold": gold, "predicted": guess, "count": count, "examples": self._examples[gold, guess]}
                for (gold, guess), count in kept
            ],
            "more": sum(count for _, count in kinds[MAX_KINDS:]),
        }


def pair_spans(gold: Sequence[Span], guesses: Sequence[Span]) -> list[tuple[Span | None, Span | None]]:
    """Return pairs of a gold span and its predicted span; one of the two is None if the other has no counterpart.

    See Mistakes for how spans are paired.

    gold, guesses: in order; no span is in both.
    """
    candidates = [
        (_closeness(gold[index], guesses[place]), -index, -place)
        for place, indices in enumerate(overlapping(gold, guesses))
        for index in indices
    ]
    pair_of: dict[int, int] = {}
    taken: set[int] = set()
    for _, index, place in sorted(candidates, reverse=True):
        if -index not in pair_of and -place not in taken:
            pair_of[-index] = -place
            taken.add(-place)
    paired: list[tuple[Span | None, Span | None]] = [
        (wanted, guesses[pair_of[index]] if index in pair_of else None) for index, wanted in enumerate(gold)
    ]
    return paired + [(None, guess) for place, guess in enumerate(guesses) if place not in taken]


def _closeness(gold: Span, guess: Span) -> tuple[bool, bool, int]:
    same_place = (gold.start, gold.end) == (guess.start, guess.end)
    return same_place, gold.label == guess.label, min(gold.end, guess.end) - max(gold.start, guess.start)


def _example(text: AnnotatedText, gold: Span | None, guess: Span | None) -> dict[str, str]:
    """Return a mistake's place: the task, the gold span (if there is none, the predicted one), and its context.

    ``predicted``: the text of the predicted span, if it is at a different place from the gold span.
    """
    span = gold or guess
    assert span is not None  # noqa: S101 - pair_spans returns no pair without a span
    is_elsewhere = guess is not None and (guess.start, guess.end) != (span.start, span.end)
    selected = quoted(text.text, guess) if guess and is_elsewhere else ""
    return {"task": name(text.task_id), **quote(text.text, span), "predicted": selected}


def _label(span: Span | None) -> str:
    return name(span.label) if span else ""
