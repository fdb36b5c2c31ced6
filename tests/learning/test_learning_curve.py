"""Forecasts are tested on simulated projects whose true curve is known."""

import numpy as np
import pytest

from huggingface_ner.learning.learning_curve import Expected, Forecast, ScoredVersion, forecast

TASKS = (20, 30, 40, 50, 60, 80, 100, 120)
SPANS = 80


def _versions(seed: int, *, a: float = 0.9, b: float = 1.8, c: float = 0.5) -> list[ScoredVersion]:
    """Return versions whose true F1 is a - b * tasks ** -c, each scored on SPANS spans."""
    random = np.random.default_rng(seed)
    versions = []
    for tasks in TASKS:
        f1 = a - b * tasks**-c
        correct = int(random.binomial(SPANS, f1 / (2 - f1)))
        predicted = (SPANS + correct) // 2
        versions.append(ScoredVersion(tasks, correct, predicted, SPANS + correct - predicted))
    return versions


def _forecasts(count: int, **curve: float) -> list[Forecast]:
    found = [forecast(_versions(seed, **curve)) for seed in range(count)]
    return [one for one in found if isinstance(one, Forecast)]


def test_the_band_holds_what_it_says() -> None:
    found = _forecasts(60)
    assert len(found) > 50
    truth = 0.9 - 1.8 * 240**-0.5
    covered = sum(one.doubled.low <= truth <= one.doubled.high for one in found) / len(found)
    assert 0.65 < covered < 0.95, "the band should cover about 80 %"


def test_a_target_is_reached_where_the_curve_says() -> None:
    found = [one for one in _forecasts(60) if one.target == 0.8]
    needed = (1.8 / (0.9 - 0.8)) ** 2 - 120
    held = [
        one for one in found if one.more_low is not None and one.more_low <= needed <= (one.more_high or 10**6)
    ]
    assert len(found) > 5
    assert len(held) > len(found) / 2
    for one in found:
        assert one.more is not None
        assert one.more_low is not None
        assert one.more_low <= one.more <= (one.more_high or one.more)


def test_projects_that_stay_the_same_get_no_forecast() -> None:
    assert len(_forecasts(60, a=0.7, b=0.0)) <= 6
    told = forecast([ScoredVersion(tasks, 50, 65, 65) for tasks in TASKS])
    assert isinstance(told, str)
    assert "no clear trend" in told


@pytest.mark.parametrize(
    ("in_all", "end", "known"),
    [
        (None, 240, False),
        (100, 120, True),  # annotations were deleted since the last training
        (120, 120, True),
        (121, 121, True),
        (160, 160, True),
        (240, 240, True),
        (360, 240, True),
        (361, 240, False),
    ],
)
def test_it_ends_with_the_tasks_of_the_project(in_all: int | None, end: int, known: bool) -> None:
    found, without = forecast(_versions(0), in_all), forecast(_versions(0))
    assert isinstance(found, Forecast)
    assert isinstance(without, Forecast)
    assert found.curve[-1].tasks == found.ahead.tasks == end
    assert (found.all_tasks is not None) == known
    assert found.all_tasks is None or found.all_tasks.tasks == max(in_all or 0, 120)
    assert (found.now, found.doubled, found.more) == (without.now, without.doubled, without.more)
    if found.all_tasks is not None and end < 240:
        assert found.now <= found.all_tasks.f1 <= found.doubled.f1


def test_it_says_whether_the_tasks_suffice_for_the_target() -> None:
    doubled = Expected(240, 0.85, 0.8, 0.9)
    for more, in_all, suffice in ((120, 240, True), (120, 239, False), (30, 150, True), (30, 149, False)):
        end = Expected(in_all, 0.84, 0.8, 0.9)
        assert Forecast((), 0.8, doubled, 0.85, more, all_tasks=end).tasks_suffice is suffice
    assert Forecast((), 0.8, doubled, 0.85, 120).tasks_suffice is None
    assert Forecast((), 0.8, doubled, all_tasks=Expected(150, 0.84, 0.8, 0.9)).tasks_suffice is None
    assert Forecast((), 0.8, doubled, 0.85, 120).as_dict()["doubled"] == {
        "tasks": 240,
        "f1": 0.85,
        "low": 0.8,
        "high": 0.9,
    }


@pytest.mark.parametrize(
    ("versions", "reason"),
    [
        ([], "at least 50 annotated tasks"),
        (_versions(0)[:3], "at least 50 annotated tasks"),
        (_versions(0)[-2:], "at least 4 scored versions"),
        ([ScoredVersion(tasks, 50, 60, 60) for tasks in (100, 101, 102, 103)], "1.5 times"),
        ([ScoredVersion(tasks, 0, 0, 0) for tasks in TASKS], "at least 50 annotated tasks"),
    ],
)
def test_without_enough_to_go_by_the_reason_is_told(versions: list[ScoredVersion], reason: str) -> None:
    told = forecast(versions)
    assert isinstance(told, str)
    assert reason in told


def test_perfect_and_useless_versions_do_no_harm() -> None:
    for correct in (0, 40):
        forecast([ScoredVersion(tasks, correct, 40, 40) for tasks in TASKS])
    rising = [ScoredVersion(tasks, min(tasks // 3, 40), 40, 40) for tasks in TASKS]
    found = forecast(rising)
    assert isinstance(found, Forecast)
    assert all(0 <= at.low <= at.f1 <= at.high <= 1 for at in found.curve)
    assert found == forecast(rising), "the same versions give the same forecast"
