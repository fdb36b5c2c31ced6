"""Strict span precision, recall and F1."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from huggingface_ner.spans import Span


@dataclass(frozen=True, slots=True)
class Scores:
    """How well predicted spans match gold spans; a match has the same start, end and label.

    correct, predicted, gold: numbers of spans.
    """

    correct: int
    predicted: int
    gold: int

    @property
    def precision(self) -> float:
        """The share of the predicted spans that are correct; 0.0 if none is predicted."""
        return self.correct / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """The share of the gold spans that are found; 0.0 if there are none."""
        return self.correct / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall; 0.0 if there are no spans at all."""
        return 2 * self.correct / (self.predicted + self.gold) if self.predicted + self.gold else 0.0


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores over all spans (micro average), and for each label of the gold and predicted spans."""

    overall: Scores
    by_label: dict[str, Scores]

    def as_dict(self) -> dict[str, object]:
        """Return ``precision``, ``recall``, ``f1``, their counts, and these per label in ``labels``."""
        return {**_as_dict(self.overall), "labels": {label: _as_dict(s) for label, s in self.by_label.items()}}


def evaluate(gold: Sequence[Sequence[Span]], predicted: Sequence[Sequence[Span]]) -> Evaluation:
    """Score the predicted spans of each text against its gold spans; both lists are in the order of the texts."""
    counts: dict[str, Counter[str]] = {"correct": Counter(), "predicted": Counter(), "gold": Counter()}
    for gold_spans, predicted_spans in zip(gold, predicted, strict=True):
        wanted, found = set(gold_spans), set(predicted_spans)
        for name, spans in (("correct", wanted & found), ("predicted", found), ("gold", wanted)):
            counts[name].update(span.label for span in spans)
    labels = sorted({*counts["predicted"], *counts["gold"]})
    return Evaluation(
        Scores(*(counts[name].total() for name in ("correct", "predicted", "gold"))),
        {label: Scores(*(counts[name][label] for name in ("correct", "predicted", "gold"))) for label in labels},
    )


def _as_dict(scores: Scores) -> dict[str, object]:
    return {
        "precision": scores.precision,
        "recall": scores.recall,
        "f1": scores.f1,
        "correct": scores.correct,
        "predicted": scores.predicted,
        "gold": scores.gold,
    }
