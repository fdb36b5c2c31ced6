import pytest
from hypothesis import given
from hypothesis import strategies as st

from huggingface_ner.learning.learning_curve import Expected, Forecast
from huggingface_ner.server.pages.charts import AcceptedPoint, Point, draw_chart, nice_step
from huggingface_ner.server.pages.facts import Score
from huggingface_ner.store.history import SuggestionCounts

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


ACCEPTED = st.lists(
    st.builds(
        lambda tasks, exact, wrong: AcceptedPoint(tasks, _suggestions(exact, wrong), "v"),
        st.integers(0, 10**6),
        st.integers(1, 500),
        st.integers(0, 500),
    ),
    max_size=20,
)


def _suggestions(exact: int, wrong: int) -> SuggestionCounts:
    return SuggestionCounts(tasks=exact, exact=exact, to_mend=0, to_delete=wrong, missing=3)


@given(POINTS, ACCEPTED, st.sampled_from([(760, 300), (340, 250)]))
def test_everything_is_inside_the_chart(
    points: list[Point], accepted: list[AcceptedPoint], size: tuple[int, int]
) -> None:
    chart = draw_chart(sorted(points, key=lambda point: point.tasks), accepted, None, size)
    assert (len(chart.marks), len(chart.accepted)) == (len(points), len(accepted))
    for mark in (*chart.marks, *chart.accepted):
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
    chart = draw_chart(points, [], Forecast(tuple(expected), 0.7, expected[-1]), (760, 300))
    assert chart.now == chart.marks[-1].x < float(chart.future.split()[-1].partition(",")[0]) <= chart.right
    assert len(chart.band.split()) == 6
    assert chart.marks[0].text == "60 tasks: F1 0.50 (0.26 to 0.74)"


def test_suggestions_may_have_more_tasks_than_the_forecast() -> None:
    ahead = Expected(70, 0.7, 0.6, 0.8)
    forecast = Forecast((ahead,), 0.7, Expected(120, 0.7, 0.6, 0.8), all_tasks=ahead)
    points = [Point(60, Score(5, 10, 10), "a")]
    chart = draw_chart(points, [AcceptedPoint(110, _suggestions(3, 1), "b")], forecast, (760, 300))
    assert chart.accepted[0].x <= chart.right


def test_what_was_accepted_is_drawn_without_any_scores() -> None:
    chart = draw_chart([], [AcceptedPoint(10, _suggestions(3, 1), "a")], None, (760, 300))
    assert (chart.marks, chart.line) == ((), "")
    assert [mark.text for mark in chart.accepted] == ["10 tasks: 75 % accepted (30 to 95 %)"]
    assert len(chart.accepted_line.split()) == 1
