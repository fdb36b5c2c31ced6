"""Measures how far scores are from the shares of spans that are right."""

from collections.abc import Sequence

import numpy as np

from huggingface_ner.spans import Span

BINS = 10


def calibration_error(gold: Sequence[Sequence[Span]], found: Sequence[Sequence[Span]]) -> float:
    """Return the expected calibration error of the scores of found spans; 0.0 if there are none.

    The scores are divided into BINS bins of equal width. The error of a bin is the distance between its mean score
    and its share of spans that are right. The result is the mean over all spans (Guo et al., 2017, On Calibration
    of Modern Neural Networks).
    """
    pairs = [
        (span.score, span in set(wanted)) for wanted, spans in zip(gold, found, strict=True) for span in spans
    ]
    if not pairs:
        return 0.0
    scores, right = np.array(pairs, dtype=np.float64).T
    bins = np.minimum((scores * BINS).astype(int), BINS - 1)
    distances = np.bincount(bins, scores - right, minlength=BINS)
    return float(np.abs(distances).sum() / len(pairs))
