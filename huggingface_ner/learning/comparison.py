"""Decides whether a new model is worse than the previous one, on texts that neither has learned from.

A new version has learned from all texts that the previous one has learned from, and from more. So it is published
unless the comparison shows, with some certainty, that it is worse. bench/README.md has the error rates.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from huggingface_ner.bootstrap import Counts, paired_difference
from huggingface_ner.scores import Evaluation, Scores

# With fewer gold spans in the texts held out, these texts alone do not decide.
MIN_GOLD_SPANS = 50
# A new model is worse only if its F1 is lower in at least this share of the bootstrap draws.
CERTAINTY = 0.95


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a new model compares with the previous one.

    f1_before: the F1 of the previous model on the texts held out. is_worse: whether the new model is worse.
    reason: how this was decided, as the end of a sentence about the previous model.
    figures: the numbers behind the decision, as JSON.
    """

    f1_before: float
    is_worse: bool
    reason: str
    figures: Mapping[str, Any]


def needs_more(new: Evaluation) -> bool:
    """Return whether the texts held out have too few spans to compare a new model on them alone."""
    return new.overall.gold < MIN_GOLD_SPANS


def compare(
    new: Evaluation, before: Evaluation, before_since: Evaluation | None, f1_tolerance: float
) -> Comparison:
    """Compare a new model with the previous model.

    The new model is worse if its F1 on the texts held out is lower by more than the tolerance, and lower in at
    least the share CERTAINTY of the draws of a paired bootstrap over these texts. With fewer than MIN_GOLD_SPANS
    gold spans, this is not enough, because the previous model may just have been lucky with the few texts. Then
    the previous model's F1 on all texts that it had not seen has to confirm the result (the prequential method;
    Dawid, 1984, JRSS A 147, 278-292): the new model's F1 also has to be lower than this F1 by more than the
    tolerance, and below its 95 % interval.

    new, before: the evaluations of the new and the previous model on the texts held out, in the same order.
    before_since: the evaluation of the previous model on the texts that only the new model has learned from; None
    if there are none.
    """
    f1, f1_before = new.overall.f1, before.overall.f1
    difference = paired_difference([(_counts(before), _counts(new))])
    is_worse = f1 < f1_before - f1_tolerance and difference.below >= CERTAINTY
    figures: dict[str, Any] = {"gold": new.overall.gold, **asdict(difference)}
    reason = (
        f"its F1 on the held-out texts is {f1_before:.3f}; the new model's {f1:.3f} is lower by more than "
        f"F1_TOLERANCE={f1_tolerance:g}, and lower in {100 * difference.below:.0f} % of the draws of a paired "
        f"bootstrap over {new.overall.gold} spans"
    )
    if needs_more(new):
        unseen = _sum(before.overall, before_since.overall) if before_since else before.overall
        low, high = unseen.f1_interval
        is_worse = is_worse and f1 < min(unseen.f1 - f1_tolerance, low)
        figures |= {"f1_before_unseen": unseen.f1, "interval_before_unseen": (low, high)}
        reason += f"; on all texts that it had not seen its F1 is {unseen.f1:.3f} (at least {low:.3f})"
    return Comparison(f1_before, is_worse, reason, figures)


def _counts(evaluation: Evaluation) -> Counts:
    return np.array([[(text.correct, text.predicted, text.gold) for text in evaluation.by_text]], dtype=np.int64)


def _sum(one: Scores, other: Scores) -> Scores:
    return Scores(one.correct + other.correct, one.predicted + other.predicted, one.gold + other.gold)
