"""Confidence intervals of shares and of F1, computed from counts."""

import math
from typing import NamedTuple

# the standard normal quantile of a 95 % interval
Z = 1.959963984540054


class Interval(NamedTuple):
    """A 95 % confidence interval within [0, 1]."""

    low: float
    high: float


def share_interval(count: int, total: int) -> Interval:
    """Return the interval of the share ``count / total``; (0, 1) if the total is 0.

    It is the score interval of Wilson (1927, JASA 22, 209-212). Unlike the usual normal interval, it is not empty
    if the share is 0 or 1, and it contains the true share about 95 % of the time even with few observations
    (Brown, Cai and DasGupta 2001).
    """
    if total <= 0:
        return Interval(0.0, 1.0)
    share, extra = min(max(count / total, 0.0), 1.0), Z * Z / total
    centre = (share + extra / 2) / (1 + extra)
    half = math.sqrt(share * (1 - share) * extra + extra * extra / 4) / (1 + extra)
    # for a share of 0 or 1, rounding would put the interval's end just beside that share
    low = 0.0 if share == 0.0 else max(centre - half, 0.0)
    return Interval(low, 1.0 if share == 1.0 else min(centre + half, 1.0))


def f1_interval(correct: int, predicted: int, gold: int) -> Interval:
    """Return the interval of the F1 of spans; see scores.Scores for the counts.

    F1 is a function of one share J: among the spans that are gold, predicted or both, J is the share of those that
    are both.
    F1 = 2 J / (1 + J) grows with J, so the ends of J's Wilson interval give the ends of F1's interval. Spans count
    as independent. Spans of one text are not quite independent, so the interval is a little too narrow.
    """
    share = share_interval(correct, predicted + gold - correct)
    return Interval(*(2 * end / (1 + end) for end in share))
