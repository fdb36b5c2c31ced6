import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from huggingface_ner.tagging.calibration import Calibration, score_logit

NONE = Calibration(slope=1, words=0, bias=0)
CALIBRATIONS = st.builds(Calibration, slope=st.floats(0.05, 3), words=st.floats(-2, 2), bias=st.floats(-3, 3))
SCORES = st.floats(0, 1)
WORDS = st.integers(1, 500)


@given(SCORES, WORDS)
def test_a_calibration_can_leave_scores_as_they_are(score: float, words: int) -> None:
    assert NONE.probability(score, words) == pytest.approx(score, abs=2e-6)


@given(CALIBRATIONS, SCORES, SCORES, WORDS)
def test_what_is_surer_stays_surer(calibration: Calibration, one: float, other: float, words: int) -> None:
    low, high = (calibration.probability(score, words) for score in sorted((one, other)))
    assert 0 <= low <= high <= 1


@given(CALIBRATIONS, SCORES, WORDS)
def test_a_calibration_is_linear_in_logits(calibration: Calibration, score: float, words: int) -> None:
    expected = calibration.slope * score_logit(score) + calibration.words * math.log(words) + calibration.bias
    assert calibration.probability(score, words) == pytest.approx(1 / (1 + math.exp(-expected)), abs=1e-12)


def test_long_spans_can_be_surer_than_the_product_of_their_words() -> None:
    calibration = Calibration(slope=1, words=0.5, bias=0)
    assert calibration.probability(0.3, 4) > calibration.probability(0.3, 1) == pytest.approx(0.3)


@pytest.mark.parametrize("parameters", [(0, 0, 0), (-1, 0, 0), (1, math.nan, 0), (1, 0, math.inf)])
def test_a_calibration_that_reverses_the_order_is_refused(parameters: tuple[float, float, float]) -> None:
    slope, words, bias = parameters
    with pytest.raises(ValidationError):
        Calibration(slope=slope, words=words, bias=bias)
