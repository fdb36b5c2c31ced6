import numpy as np
import pytest
from numpy.typing import NDArray

from huggingface_ner.bootstrap import Difference, count_spans, f1, paired_difference
from huggingface_ner.scores import evaluate
from huggingface_ner.spans import Span

GOLD = [[Span(0, 4, "PER"), Span(5, 9, "LOC")], [], [Span(0, 3, "ORG")]]
FOUND = [[Span(0, 4, "PER"), Span(5, 8, "LOC")], [Span(1, 2, "ORG")], [Span(0, 3, "ORG")]]


def _counts(recall: float, texts: int = 300, seeds: int = 3) -> NDArray[np.int64]:
    """Return counts for texts with two gold spans each; the model finds a share of these, and no wrong spans."""
    correct = np.random.default_rng(7).binomial(2, recall, (seeds, texts))
    return np.stack([correct, correct, np.full((seeds, texts), 2)], axis=-1)


def test_f1_is_that_of_the_scores() -> None:
    assert f1(count_spans(GOLD, FOUND)) == pytest.approx(evaluate(GOLD, FOUND).overall.f1)
    assert f1(np.zeros((2, 5, 3), dtype=np.int64)).tolist() == [0.0, 0.0]


def test_a_way_does_not_differ_from_itself() -> None:
    assert paired_difference([(_counts(0.5), _counts(0.5))]) == Difference(0.0, 0.0, 0.0, below=0.0)


def test_a_clear_difference_has_an_interval_above_zero() -> None:
    better = paired_difference([(_counts(0.5), _counts(0.7))])
    assert 0 < better.low < better.difference < better.high
    assert better.below == 0.0
    assert better.difference == pytest.approx(f1(_counts(0.7)).mean() - f1(_counts(0.5)).mean())
    assert str(better).endswith(" *")
    worse = paired_difference([(_counts(0.7), _counts(0.5))])
    assert worse.difference == pytest.approx(-better.difference)
    assert worse.below == 1.0


def test_a_difference_in_few_texts_is_not_sure() -> None:
    first = _counts(0.5, texts=6, seeds=1)
    second = first.copy()
    second[0, 0, :2] = 2 - second[0, 0, :2]  # one text has other predictions
    unsure = paired_difference([(first, second)])
    assert unsure.low <= 0 <= unsure.high
    assert not str(unsure).endswith("*")


def test_the_interval_is_as_wide_as_theory_says() -> None:
    """With one seed, the delta method gives the approximate deviation of the F1 of these counts."""
    first, second = _counts(0.0, texts=2_000, seeds=1), _counts(0.5, texts=2_000, seeds=1)
    interval = paired_difference([(first, second)])
    # For the sums, F1 = 2c / (c + g). By the delta method, its standard deviation is 2g / (c + g)^2 times the
    # standard deviation of the mean of c.
    deviation = 2 * 2 / (1 + 2) ** 2 * np.sqrt(0.5 / 2_000)
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * deviation, rel=0.1)


def test_corpora_count_alike() -> None:
    large, small = (_counts(0.5), _counts(0.7)), (_counts(0.5, texts=50), _counts(0.5, texts=50))
    both = paired_difference([large, small])
    assert both.difference == pytest.approx(paired_difference([large]).difference / 2)


def test_other_texts_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="same texts"):
        paired_difference([(_counts(0.5), _counts(0.5, texts=299))])
