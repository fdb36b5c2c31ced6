import time
from typing import Any

import pytest

from huggingface_ner.label_studio.task_counts import TaskCounts
from huggingface_ner.learning.learning_curve import Expected, Forecast
from huggingface_ner.server.pages import words
from huggingface_ner.store.history import SuggestionCounts


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "a few seconds"),
        (31, "about 30 seconds"),
        (58, "about 1 minute"),
        (214, "about 4 minutes"),
        (5000, "about 83 minutes"),
        (8000, "about 2 hours"),
        (400_000, "about 5 days"),
    ],
)
def test_durations_are_rounded(seconds: float, told: str) -> None:
    assert words.duration(seconds) == told


def test_times() -> None:
    assert words.ago(100.0, 105.0) == "just now"
    assert words.ago(100.0, 400.0) == "5 minutes ago"
    assert words.ago(400.0, 100.0) == "just now", "the clocks of two machines may differ"
    assert words.date(1795370000.0) == "22 Nov 2026, 17:53 UTC"
    assert words.date(1e300) == ""
    assert words.iso(1795342320.0) == "2026-11-22T10:12:00+00:00"


def test_numbers() -> None:
    assert [words.counted(count, "task") for count in (0, 1, 1200)] == ["0 tasks", "1 task", "1\u202f200 tasks"]


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ({"state": "idle"}, "No training is running"),
        ({"state": "waiting", "ahead": 2}, "A training waits; 2 others run first"),
        ({"state": "waiting", "ahead": 0}, "A training waits; it is next"),
        ({"state": "waiting"}, "A training starts in a few seconds"),
        ({"state": "parked"}, "Trainings are stopped until the next annotation"),
        ({"state": "running", "run": {"phase": "saving"}}, "Training: saving the new model"),
        (
            {"state": "running", "run": {"phase": "trying engines"}},
            "Training: trying faster engines; the new version is published already",
        ),
    ],
)
def test_states(status: dict[str, Any], told: str) -> None:
    assert words.state_sentence(status) == told


def test_progress_promises_only_what_is_known() -> None:
    run = {"phase": "training", "step": 5, "steps": 100, "percent": 5.0, "seconds_left": None, "began": 0.0}
    assert words.progress_sentence(run) == "Step 5 of 100."
    assert words.percent(run, 10.0) == 5.0
    known = {**run, "seconds_left": 100.0, "seconds_left_in_all": 150.0}
    assert words.progress_sentence(known) == "Step 5 of 100; about 2 minutes left."
    assert words.percent(known, 50.0) == 25.0
    saving = {"phase": "saving", "percent": 0.0, "steps": 0, "began": 0.0}
    assert words.progress_sentence(saving) == "How long it takes is not known yet."
    assert words.percent(saving, 10.0) is None
    trying = {**saving, "phase": "trying engines", "seconds_left_in_all": 20.0}
    assert words.progress_sentence(trying) == "About 20 seconds left."
    assert words.percent(trying, 10.0) is None, "the new version is already published"


def test_what_comes_next() -> None:
    assert words.next_sentence({"state": "idle", "updates_until_training": 1}, 10).endswith(
        "after 1 more annotation."
    )
    assert "somebody starts one" in words.next_sentence({"state": "idle"}, 0)
    assert "new attempt" in words.next_sentence({"state": "parked"}, 10)
    assert "right afterwards" in words.next_sentence({"state": "running", "waiting": True}, 10)
    assert words.next_sentence({"state": "waiting", "updates_until_training": 7}, 10) == ""


def test_outcomes() -> None:
    last = {"status": "refused", "reason": "it is worse.", "at": time.time()}
    told = words.outcome_sentence(last, time.time())
    assert told == "The last training published nothing, just now: it is worse."


@pytest.mark.parametrize(
    ("version", "named"),
    [
        (None, "this version"),
        ("v7-F1-0.75-120-tasks-20261126-031700-7b16", "version v7 of 26 Nov 2026, 03:17 UTC"),
        ("20261122-101200-77b7", "the version of 22 Nov 2026, 10:12 UTC"),
        ("mine", "mine"),
    ],
)
def test_the_accepted_suggestions_name_their_version(version: str | None, named: str) -> None:
    counts = SuggestionCounts(tasks=3, exact=6, to_mend=2, to_delete=1, missing=1)
    told = words.accepted_sentence(counts, version)
    assert told.startswith(f"Of 9 suggestions of {named}, 67\N{NO-BREAK SPACE}% were accepted unchanged (")
    assert told.endswith("Annotators changed 2 and deleted 1 of them, and added 1 span.")


def test_forecasts() -> None:
    doubled = Expected(240, 0.85, 0.81, 0.88)
    told = words.forecast_sentence(Forecast((), 0.8, doubled, 0.85, 120, 70, 300), 120)
    assert told.startswith(
        "About 120 more tasks should bring F1 to 0.85 (at most 300 tasks, with 80 % confidence)."
    )
    assert "possibly many more" in words.forecast_sentence(Forecast((), 0.8, doubled, 0.85, 120, 70, None), 120)
    assert words.forecast_sentence(Forecast((), 0.8, doubled), 120).startswith(
        "Twice as many tasks (240) should bring F1 from about 0.80 to about 0.85"
    )
    assert "will change little" in words.forecast_sentence(Forecast((), 0.84, doubled), 120)


@pytest.mark.parametrize(
    ("target", "in_all", "left", "told"),
    [
        (
            (0.85, 120, 70, 300),
            *(160, 40),
            "About 120 more tasks should bring F1 to 0.85, but only 40 tasks are left. "
            "With all tasks, an F1 of about 0.82 is expected (0.80 to 0.83 with 80 % confidence).",
        ),
        (
            (0.85, 120, 70, None),
            *(121, 1),
            "About 120 more tasks should bring F1 to 0.85, but only 1 task is left. "
            "With all tasks, an F1 of about 0.82 is expected (0.80 to 0.83 with 80 % confidence).",
        ),
        (
            (0.85, 30, 20, 60),
            *(160, 40),
            "About 30 more tasks should bring F1 to 0.85 (at most 60 tasks, with 80 % confidence). "
            "With all 160 tasks of the project, an F1 of about 0.82 is expected (0.80 to 0.83 with 80 % "
            "confidence).",
        ),
        (
            (0.85, 30, 20, 60),
            *(300, 180),
            "About 30 more tasks should bring F1 to 0.85 (at most 60 tasks, with 80 % confidence). "
            "With 240 tasks, an F1 of about 0.85 is expected (0.81 to 0.88 with 80 % confidence).",
        ),
        (
            (0.9, 200, 150, None),
            *(300, 180),
            "About 200 more tasks should bring F1 to 0.90, but only 180 tasks are left. "
            "With all tasks, an F1 of about 0.82 is expected (0.80 to 0.83 with 80 % confidence).",
        ),
        (
            (0.85, 120, 70, 300),
            *(225, 125),  # annotations were deleted after the training
            "About 120 more tasks should bring F1 to 0.85 (at most 300 tasks, with 80 % confidence). "
            "With all 225 tasks of the project, an F1 of about 0.82 is expected (0.80 to 0.83 with 80 % "
            "confidence).",
        ),
        (
            (),
            *(160, 40),
            "More tasks of the same kind will change little: with all 160 tasks of the project instead of 120, "
            "F1 is expected to be about 0.82 (0.80 to 0.83 with 80 % confidence).",
        ),
        (
            (0.85, 30, 20, 60),
            *(None, 0),
            "No task is left, so further ones have to be added. About 30 more tasks should bring F1 to 0.85 "
            "(at most 60 tasks, with 80 % confidence). "
            "With 240 tasks, an F1 of about 0.85 is expected (0.81 to 0.88 with 80 % confidence).",
        ),
    ],
)
def test_forecasts_know_how_many_tasks_are_left(
    target: tuple[Any, ...], in_all: int | None, left: int, told: str
) -> None:
    doubled = Expected(240, 0.85, 0.81, 0.88)
    end = Expected(in_all, 0.82, 0.8, 0.83) if in_all else None
    goal, more, low, high = target or (None, None, None, None)
    found = Forecast((), 0.81, doubled, goal, more, low, high, end)
    assert words.forecast_sentence(found, 120, left) == told


def test_without_a_target_the_tasks_that_are_left_may_still_help() -> None:
    found = Forecast((), 0.78, Expected(240, 0.85, 0.81, 0.88), all_tasks=Expected(160, 0.82, 0.8, 0.83))
    told = words.forecast_sentence(found, 120, 40)
    assert told.startswith(
        "All 160 tasks of the project should bring F1 from about 0.78 to about 0.82 (0.80 to 0.83"
    )


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        ((0, 0), "The project has no tasks."),
        ((80, 50), "50 of 80 tasks are annotated; 30 are left."),
        ((80, 1, 2), "1 of 80 tasks is annotated, 2 were skipped; 77 are left."),
        ((80, 79), "79 of 80 tasks are annotated; 1 is left."),
        ((2000, 1999, 1), "1\u202f999 of 2\u202f000 tasks are annotated, 1 was skipped; none is left."),
    ],
)
def test_how_many_tasks_are_annotated(counts: tuple[int, ...], told: str) -> None:
    assert words.tasks_sentence(TaskCounts(*counts)) == told
