"""The time that a training still takes is estimated from its steps and from the phases of the last training."""

import time

import pytest

from huggingface_ner.jobs import phases
from huggingface_ner.jobs.phases import PhaseClock, run_seconds_left

LAST = {
    "downloading": 5.0,
    "training": 200.0,
    "evaluating": 8.0,
    "saving": 3.0,
    "publishing": 1.0,
    "trying engines": 30.0,
}


def test_the_phases_after_the_steps_count_too() -> None:
    run = {"phase": "training", "step": 10, "steps": 100, "seconds_left": 90.0}
    assert run_seconds_left(run, LAST, 0.0) == 90.0 + 8 + 3 + 1, "the time until the version is published"
    assert run_seconds_left({**run, "seconds_left": None}, LAST, 0.0) is None
    assert run_seconds_left(run, {}, 0.0) is None, "nothing is known before the first training"
    assert run_seconds_left({"phase": "napping"}, LAST, 0.0) is None


@pytest.mark.parametrize(
    ("phase", "elapsed", "left"),
    [
        ("evaluating", 0, 12.0),
        ("evaluating", 6, 6.0),
        ("evaluating", 8, 4.0),
        ("evaluating", 300, 4.0),
        ("trying engines", 10, 20.0),
        ("trying engines", 300, 0.0),
    ],
)
def test_a_phase_without_steps_takes_as_long_as_last_time(phase: str, elapsed: float, left: float) -> None:
    assert run_seconds_left({"phase": phase, "phase_began": 1000.0}, LAST, 1000.0 + elapsed) == left


def test_the_clock_adds_up_each_phase(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 1.0, 4.0, 9.0])
    monkeypatch.setattr(phases, "time", type("Clock", (), {"monotonic": staticmethod(lambda: next(times))}))
    clock = PhaseClock()
    clock.enter("downloading")
    clock.enter("training")
    assert clock.seconds() == {"downloading": 3.0, "training": 5.0}
    assert time.monotonic() > 0
