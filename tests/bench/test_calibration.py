import pytest

from bench.calibration import calibration_error
from huggingface_ner.spans import Span


def _spans(scores: list[float]) -> list[Span]:
    return [Span(number, number + 1, "PER", score) for number, score in enumerate(scores)]


def test_scores_that_come_true_have_no_error() -> None:
    found = _spans([0.75, 0.75, 0.75, 0.75, 1.0, 0.0])
    assert calibration_error([found[:3] + found[4:5]], [found]) == pytest.approx(0)
    assert calibration_error([[], []], [[], []]) == 0


def test_the_error_is_weighed_by_spans() -> None:
    found = _spans([0.95, 0.95, 0.95, 0.15])
    # in the upper bin, a third is right instead of 0.95; in the lower one, none is instead of 0.15
    expected = (3 * (0.95 - 1 / 3) + 0.15) / 4
    assert calibration_error([found[:1], []], [found[:2], found[2:]]) == pytest.approx(expected)


def test_errors_of_two_bins_do_not_cancel() -> None:
    sure, unsure = _spans([0.8, 0.2])
    assert calibration_error([[unsure]], [[sure, unsure]]) == pytest.approx(0.8)
