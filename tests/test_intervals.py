from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huggingface_ner.intervals import Z, f1_interval, share_interval
from huggingface_ner.scores import Scores

COUNTS = st.tuples(*[st.integers(0, 300)] * 3)  # the numbers of correct, invented and missed spans


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    # R's prop.test(count, total, correct = FALSE), which computes Wilson's interval
    [
        (8, 10, 0.4901625, 0.9433178),
        (0, 10, 0.0, 0.2775328),
        (3, 3, 0.4385030, 1.0),
        (50, 100, 0.4038315, 0.5961685),
    ],
)
def test_the_interval_is_wilsons(count: int, total: int, low: float, high: float) -> None:
    assert share_interval(count, total) == pytest.approx((low, high), abs=1e-6)


@given(st.integers(1, 400), st.data())
def test_its_ends_are_the_shares_that_the_test_just_does_not_reject(total: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, total))
    share = count / total
    for end in share_interval(count, total):
        if 0 < end < 1:
            assert abs(share - end) == pytest.approx(Z * (end * (1 - end) / total) ** 0.5, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("total", [5, 20, 60])
def test_it_covers_the_true_share_as_often_as_it_says(total: int) -> None:
    shares = [number / 200 for number in range(1, 200)]
    coverage = []
    for share in shares:
        chances = [comb(total, n) * share**n * (1 - share) ** (total - n) for n in range(total + 1)]
        inside = [low <= share <= high for low, high in (share_interval(n, total) for n in range(total + 1))]
        coverage.append(sum(chance for chance, is_inside in zip(chances, inside, strict=True) if is_inside))
    assert min(coverage) > 0.80
    assert 0.94 < sum(coverage) / len(coverage) < 0.97


@given(COUNTS)
def test_f1_is_in_its_interval(counts: tuple[int, int, int]) -> None:
    correct, invented, missed = counts
    scores = Scores(correct, correct + invented, correct + missed)
    low, high = f1_interval(correct, scores.predicted, scores.gold)
    assert 0.0 <= low <= high <= 1.0
    if scores.predicted + scores.gold:
        assert low <= scores.f1 + 1e-12
        assert scores.f1 - 1e-12 <= high
    else:
        assert (low, high) == (0.0, 1.0)


def test_more_spans_make_it_narrower() -> None:
    few, many = f1_interval(3, 4, 4), f1_interval(300, 400, 400)
    assert few.low < many.low < 0.75 < many.high < few.high
    assert f1_interval(3, 3, 3).low < 0.7, "three correct spans prove little"
