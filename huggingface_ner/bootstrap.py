"""Measures how much the F1 of two ways of tagging the same texts differs, and how certain the difference is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from huggingface_ner.spans import Span

DRAWS = 2_000
CONFIDENCE = 0.95

# The numbers of correct, predicted and gold spans: [seeds, texts, 3], or [texts, 3] for one seed.
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Difference:
    """How much higher one F1 is than another, and the bounds of the difference's 95 % interval.

    below: the share of the draws in which the difference is negative.
    """

    difference: float
    low: float
    high: float
    below: float

    def __str__(self) -> str:
        sure = "" if self.low <= 0 <= self.high else " *"
        return f"{self.difference:+.3f} ({self.low:+.3f} to {self.high:+.3f}){sure}"


def count_spans(gold: Sequence[Sequence[Span]], found: Sequence[Sequence[Span]]) -> Counts:
    """Return, for each text, the numbers of correct, predicted and gold spans."""
    pairs = [(set(wanted), set(spans)) for wanted, spans in zip(gold, found, strict=True)]
    return np.array([(len(wanted & spans), len(spans), len(wanted)) for wanted, spans in pairs])


def f1(counts: Counts) -> npt.NDArray[np.float64]:
    """Return strict F1 over all texts, one number for each seed."""
    return _f1_of_sums(counts.sum(axis=-2))


def _f1_of_sums(sums: Counts) -> npt.NDArray[np.float64]:
    correct, predicted, gold = np.moveaxis(sums, -1, 0)
    return np.asarray(2 * correct / np.maximum(predicted + gold, 1), dtype=np.float64)


def paired_difference(pairs: Sequence[tuple[Counts, Counts]]) -> Difference:
    """Return how much higher the second way's F1 is than the first's, averaged over seeds and corpora.

    pairs: for each corpus, the counts of both ways, over the same texts and seeds.
    Paired bootstrap (Efron and Tibshirani, 1993; Berg-Kirkpatrick et al., 2012, An Empirical Investigation of
    Statistical Significance in NLP): each draw takes texts and seeds at random, with replacement, and scores both
    ways on them.
    """
    # texts and seeds are drawn for each corpus separately
    random = np.random.default_rng(0)
    drawn = np.mean([_draw(*pair, random) for pair in pairs], axis=0)
    difference = float(np.mean([f1(second).mean() - f1(first).mean() for first, second in pairs]))
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Difference(difference, float(low), float(high), float(np.mean(drawn < 0)))


def _draw(first: Counts, second: Counts, random: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return the difference in each draw."""
    if first.shape != second.shape or (first[..., 2] != second[..., 2]).any():
        raise ValueError("the two ways were not scored on the same texts and seeds")
    seeds, texts, _ = first.shape
    # how often each text and each seed is drawn: [draws, texts] and [draws, seeds]
    of_text = random.multinomial(texts, np.full(texts, 1 / texts), DRAWS)
    of_seed = random.multinomial(seeds, np.full(seeds, 1 / seeds), DRAWS)
    differences = np.zeros(DRAWS)
    for seed in range(seeds):
        second_f1, first_f1 = (_f1_of_sums(of_text @ counts[seed]) for counts in (second, first))
        differences += of_seed[:, seed] * (second_f1 - first_f1) / seeds
    return differences
