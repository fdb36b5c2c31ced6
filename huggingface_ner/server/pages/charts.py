"""Computes where each part of the learning curve is drawn, in pixels of an SVG.

The server draws the curve, which has only about forty points. So the page needs no script and no library to show
it, and the Content-Security-Policy can be strict. A table on the page contains the same numbers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from huggingface_ner.learning.learning_curve import Forecast
from huggingface_ner.server.pages.facts import Score
from huggingface_ner.store.history import SuggestionCounts

LEFT, RIGHT, TOP, BOTTOM = 40, 14, 28, 40
TICKS = 5


@dataclass(frozen=True, slots=True)
class Point:
    """A version: its tasks and its scores."""

    tasks: int
    score: Score
    version: str


@dataclass(frozen=True, slots=True)
class AcceptedPoint:
    """A version: its tasks, and what annotators did with its suggestions, of which there is at least one."""

    tasks: int
    suggestions: SuggestionCounts
    version: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A version in the chart: its F1 or its share of accepted suggestions, and both ends of the interval.

    text: the tooltip.
    """

    x: float
    y: float
    low: float
    high: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A learning curve of a certain size.

    marks: the F1 of each version. accepted: the share of each version's suggestions that were accepted. x_ticks,
    y_ticks: the position and the text of each tick. line, future, band, accepted_line: points of SVG polylines;
    ``future`` and ``band`` are "" if there is no forecast. now: the x where the forecast begins.
    """

    width: int
    height: int
    marks: tuple[Mark, ...]
    accepted: tuple[Mark, ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    line: str
    future: str
    band: str
    accepted_line: str
    now: float

    @property
    def bottom(self) -> int:
        """The y of the x axis."""
        return self.height - BOTTOM

    @property
    def left(self) -> int:
        """The x of the y axis."""
        return LEFT

    @property
    def right(self) -> int:
        """The x of the right end of the x axis."""
        return self.width - RIGHT


def draw_chart(
    points: Sequence[Point],
    accepted: Sequence[AcceptedPoint],
    forecast: Forecast | None,
    size: tuple[int, int],
) -> Chart:
    """Return the chart of the versions.

    points, accepted: sorted by their numbers of tasks; at least one of the two is not empty. size: width and
    height.
    """
    width, height = size
    most = max([*(point.tasks for point in points), *(point.tasks for point in accepted)])
    end = max(most, forecast.ahead.tasks) if forecast else most
    step = nice_step(end)
    x_end = max(-(-end // step) * step, 1)

    def x(tasks: float) -> float:
        return round(LEFT + (width - LEFT - RIGHT) * tasks / x_end, 1)

    def y(share: float) -> float:
        return round(TOP + (height - TOP - BOTTOM) * (1 - share), 1)

    def line(places: Sequence[tuple[float, float]]) -> str:
        return " ".join(f"{x(tasks)},{y(share)}" for tasks, share in places)

    curve = forecast.curve if forecast else ()
    upper, lower = [(at.tasks, at.high) for at in curve], [(at.tasks, at.low) for at in curve]
    return Chart(
        width,
        height,
        tuple(_mark(point, x(point.tasks), y) for point in points),
        tuple(_accepted_mark(point, x(point.tasks), y) for point in accepted),
        tuple((x(tasks), str(tasks)) for tasks in range(0, x_end + 1, step)),
        tuple((y(share / TICKS), f"{share / TICKS:.1f}") for share in range(TICKS + 1)),
        line([(point.tasks, point.score.f1 or 0.0) for point in points]),
        line([(at.tasks, at.f1) for at in curve]),
        line([*upper, *lower[::-1]]),
        line([(point.tasks, point.suggestions.share or 0.0) for point in accepted]),
        x(most),
    )


def _mark(point: Point, x: float, y: Callable[[float], float]) -> Mark:
    low, high = point.score.f1_interval
    f1 = point.score.f1 or 0.0
    return Mark(x, y(f1), y(low), y(high), f"{point.tasks} tasks: F1 {f1:.2f} ({low:.2f} to {high:.2f})")


def _accepted_mark(point: AcceptedPoint, x: float, y: Callable[[float], float]) -> Mark:
    low, high = point.suggestions.interval
    share = point.suggestions.share or 0.0
    ends = f"{100 * low:.0f} to {100 * high:.0f} %"
    return Mark(x, y(share), y(low), y(high), f"{point.tasks} tasks: {100 * share:.0f} % accepted ({ends})")


def nice_step(end: int) -> int:
    """Return the distance between ticks up to ``end``: 1, 2 or 5 times a power of ten, with at most six ticks."""
    size = 1
    while True:
        for factor in (1, 2, 5):
            if end <= 5 * factor * size:
                return factor * size
        size *= 10
