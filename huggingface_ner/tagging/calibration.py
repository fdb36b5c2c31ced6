"""Turns the score that a model gives a span into the probability that the span is right.

After a long training, a model is too sure of the texts that it was trained on. A model also treats the words of a
span as independent, so the scores of long spans are too low. Both errors can be measured on texts that the model
was not trained on. A function from scores to probabilities corrects them. It never changes the order of spans with
the same number of words.
"""

import math

from pydantic import BaseModel, Field

# Scores are moved this far away from 0 and 1, whose logits are infinite.
MARGIN = 1e-6


def score_logit(score: float) -> float:
    """Return the logit of a score, which is always finite."""
    score = min(max(score, MARGIN), 1 - MARGIN)
    return math.log(score / (1 - score))


class Calibration(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """The probability that a span is right: sigmoid(slope x logit(score) + words x log(its words) + bias).

    Platt, 1999, Probabilistic Outputs for Support Vector Machines, with the number of words as a second variable.
    """

    slope: float = Field(gt=0)
    words: float
    bias: float

    def probability(self, score: float, words: int) -> float:
        """Return the probability that a span is right. words: how many words it has, at least one."""
        logit = self.slope * score_logit(score) + self.words * math.log(words) + self.bias
        odds = math.exp(-abs(logit))
        return (1 if logit > 0 else odds) / (1 + odds)
