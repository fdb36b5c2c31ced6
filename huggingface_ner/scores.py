"""Strict span precision, recall and F1."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from huggingface_ner.intervals import Interval, f1_interval
from huggingface_ner.spans import Span


@dataclass(frozen=True, slots=True)
class Scores:
    """How well predicted spans match gold spans. Two spans match if start, end and label are equal.

    correct, predicted, gold: the numbers of matching, predicted and gold spans.
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

    @property
    def f1_interval(self) -> Interval:
        """The 95 % confidence interval of F1."""
        return f1_interval(self.correct, self.predicted, self.gold)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores over all spans (micro average), and for each label that a gold or a predicted span has.

    gold_left_out: the number of annotated regions that could not be read as spans; the scores do not include them.
    by_text: the scores of each text, in order.
    """

    overall: Scores
    by_label: dict[str, Scores]
    gold_left_out: int = 0
    by_text: tuple[Scores, ...] = ()

    @property
    def basis(self) -> str | None:
        """The part of the annotated regions that the scores cover; see score_basis."""
        return score_basis(self.overall.gold, self.gold_left_out)

    def as_dict(self) -> dict[str, object]:
        """Return the scores, the interval of F1 and the counts; ``labels`` has the same for each label."""
        labels = {label: _as_dict(scores) for label, scores in self.by_label.items()}
        return {**_as_dict(self.overall), "gold_left_out": self.gold_left_out, "labels": labels}


def score_basis(gold: int, left_out: int) -> str | None:
    """Return, for people, which part of the annotated regions the scores cover; None if they cover all."""
    return f"{gold} of {gold + left_out} regions" if left_out else None


def f1_in_words(
    f1: float | None, f1_before: float | None, basis: str | None, interval: Sequence[float] | None = None
) -> str:
    """Return F1 scores in brackets, after a blank.

    For example: " (F1 0.851, between 0.764 and 0.909 with 95 % confidence, over 88 of 113 regions, before 0.700)".
    The result is "" if there are no scores. basis: see score_basis. interval: the confidence interval of F1.
    """
    if f1 is None:
        return ""
    parts = [f"F1 {f1:.3f}"]
    if interval is not None:
        parts.append("between {:.3f} and {:.3f} with 95 % confidence".format(*interval))
    if basis is not None:
        parts.append(f"over {basis}")
    if f1_before is not None:
        parts.append(f"before {f1_before:.3f}")
    return f" ({', '.join(parts)})"


def evaluate(
    gold: Sequence[Sequence[Span]], predicted: Sequence[Sequence[Span]], gold_left_out: int = 0
) -> Evaluation:
    """Score the predicted spans of each text against its gold spans; both lists are in the order of the texts.

    gold_left_out: see Evaluation.
    """
    counts: dict[str, Counter[str]] = {"correct": Counter(), "predicted": Counter(), "gold": Counter()}
    by_text = []
    for gold_spans, predicted_spans in zip(gold, predicted, strict=True):
        wanted, found = set(gold_spans), set(predicted_spans)
        for name, spans in (("correct", wanted & found), ("predicted", found), ("gold", wanted)):
            counts[name].update(span.label for span in spans)
        by_text.append(Scores(len(wanted & found), len(found), len(wanted)))
    labels = sorted({*counts["predicted"], *counts["gold"]})
    return Evaluation(
        Scores(*(counts[name].total() for name in ("correct", "predicted", "gold"))),
        {label: Scores(*(counts[name][label] for name in ("correct", "predicted", "gold"))) for label in labels},
        gold_left_out,
        tuple(by_text),
    )


def _as_dict(scores: Scores) -> dict[str, object]:
    return {
        "precision": scores.precision,
        "recall": scores.recall,
        "f1": scores.f1,
        "f1_interval": scores.f1_interval,
        "correct": scores.correct,
        "predicted": scores.predicted,
        "gold": scores.gold,
    }
