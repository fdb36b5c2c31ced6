import pytest
from hypothesis import given
from hypothesis import strategies as st

from huggingface_ner.learning.learning_curve import Expected, Forecast
from huggingface_ner.server.pages.charts import Point, draw_chart, nice_step
from huggingface_ner.server.pages.facts import Score

POINTS = st.lists(
    st.builds(
        lambda tasks, correct, more: Point(tasks, Score(correct, correct + more, correct + 1), "v"),
        st.integers(0, 10**6),
        st.integers(0, 500),
        st.integers(0, 500),
    ),
    min_size=1,
    max_size=20,
)


@given(POINTS, st.sampled_from([(760, 300), (340, 250)]))
def test_everything_is_inside_the_chart(points: list[Point], size: tuple[int, int]) -> None:
    chart = draw_chart(sorted(points, key=lambda point: point.tasks), None, *size)
    assert len(chart.marks) == len(points)
    for mark in chart.marks:
        assert chart.left <= mark.x <= chart.right
        assert 0 <= mark.high <= mark.y + 0.11
        assert mark.y - 0.11 <= mark.low <= chart.bottom
    assert 1 < len(chart.x_ticks) <= 7
    assert chart.band == ""


@pytest.mark.parametrize(("end", "step"), [(1, 1), (5, 1), (6, 2), (120, 50), (240, 50), (1000, 200), (26, 10)])
def test_ticks_are_round_numbers(end: int, step: int) -> None:
    assert nice_step(end) == step


def test_the_forecast_goes_on_to_the_right() -> None:
    points = [Point(60, Score(5, 10, 10), "a"), Point(100, Score(7, 10, 10), "b")]
    expected = [Expected(tasks, 0.7, 0.6, 0.8) for tasks in (60, 100, 200)]
    chart = draw_chart(points, Forecast(tuple(expected), 0.7, expected[-1]), 760, 300)
    assert chart.now == chart.marks[-1].x < float(chart.future.split()[-1].partition(",")[0]) <= chart.right
    assert len(chart.band.split()) == 6
    assert chart.marks[0].text == "60 tasks: F1 0.50 (0.26 to 0.74)"
