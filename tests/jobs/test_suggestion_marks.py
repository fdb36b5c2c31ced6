"""The marks of due suggestions are stored in a real server that speaks Redis's protocol."""

import time
from typing import Literal

import pytest
from redis import Redis

from huggingface_ner.jobs import runs
from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.jobs.redis_connection import connect
from huggingface_ner.jobs.runs import LEASE_SECONDS, MAX_ATTEMPTS
from huggingface_ner.jobs.suggestion_marks import SuggestionMarks, Suggestions
from huggingface_ner.settings import Settings


@pytest.fixture
def marks(redis_url: str) -> SuggestionMarks:
    return _marks(redis_url, True)


def _marks(redis_url: str, predict_after_training: bool | Literal["auto"]) -> SuggestionMarks:
    settings = Settings(predict_after_training=predict_after_training)
    return TrainingQueue(connect(redis_url, timeout=5), settings).suggestions


def _complete(marks: SuggestionMarks, version: str) -> None:
    due = marks.due(7, version)
    assert due is not None
    marks.put(7, due.given(3, last_task=30, next_batch=9).model_copy(update={"state": "complete"}))


def test_a_version_is_due_until_its_suggestions_are_complete(marks: SuggestionMarks) -> None:
    assert marks.due(7, "v1") == Suggestions(version="v1")
    _complete(marks, "v1")
    assert marks.due(7, "v1") is None
    assert marks.due(7, "v2") == Suggestions(version="v2"), "another version is due, whether newer or older"
    assert marks.due(8, "v1") is not None, "each project has its own progress"


def test_a_killed_job_continues_where_it_was(marks: SuggestionMarks) -> None:
    marks.put(7, Suggestions(version="v1").given(100, last_task=250, next_batch=9))
    due = marks.due(7, "v1")
    assert due is not None
    assert (due.tasks, due.last_task) == (100, 250)


def test_tasks_that_are_added_during_a_job_are_due(marks: SuggestionMarks) -> None:
    begun = marks.due(7, "v1")
    assert begun is not None
    marks.tasks_added(7)
    marks.put(7, begun.given(3, last_task=30, next_batch=9).model_copy(update={"state": "complete"}))
    due = marks.due(7, "v1")
    assert due is not None
    assert due.last_task == 30, "only the new tasks are due"
    marks.put(7, due.model_copy(update={"state": "complete"}))
    assert marks.due(7, "v1") is None


def test_if_all_tasks_get_suggestions_from_now_on_those_passed_over_are_due(
    marks: SuggestionMarks, redis_url: str
) -> None:
    auto = _marks(redis_url, "auto")
    _complete(auto, "v1")
    assert auto.due(7, "v1") is None
    due = marks.due(7, "v1")
    assert due is not None
    assert (due.state, due.last_task, due.tasks) == ("running", 0, 3)
    _complete(marks, "v1")
    assert marks.due(7, "v1") is None
    assert auto.due(7, "v1") is None, "all have suggestions"


def test_a_failed_job_is_retried_and_then_given_up(
    marks: SuggestionMarks, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Suggestions(version="v1").failed("away", retryable=True)
    marks.put(7, first)
    assert first.not_before > time.time()
    assert marks.due(7, "v1") is None, "the retry is not due yet"
    monkeypatch.setattr(runs, "RETRY_DELAYS", (0.0, 0.0))
    current = Suggestions(version="v1")
    for attempt in range(1, MAX_ATTEMPTS + 1):
        current = current.failed("away", retryable=True)
        marks.put(7, current)
        assert (marks.due(7, "v1") is None) == (attempt == MAX_ATTEMPTS)
    assert (current.state, current.reason) == ("failed", "away")
    marks.tasks_added(7)
    assert marks.due(7, "v1") is not None
    assert Suggestions(version="v1").failed("no", retryable=False).state == "failed"


def test_the_reason_of_a_failure_is_forgotten_after_a_success() -> None:
    failed = Suggestions(version="v1").failed("no answer", retryable=True)
    assert failed.reason == "no answer"
    assert failed.given(1, 1, next_batch=1).reason is None


def test_one_holder_at_a_time_has_the_lease(marks: SuggestionMarks, redis_url: str) -> None:
    assert marks.acquire(7, "a")
    assert not marks.acquire(7, "b")
    assert marks.renew(7, "a")
    assert not marks.renew(7, "b")
    marks.release(7, "b")
    assert marks.is_leased(7)
    assert 0 < Redis.from_url(redis_url).ttl(marks._lock(7).name) <= LEASE_SECONDS
    marks.release(7, "a")
    assert not marks.is_leased(7)


def test_jobs_are_enqueued_once_if_due_and_not_leased(marks: SuggestionMarks) -> None:
    _complete(marks, "v1")
    marks.acquire(9, "a")
    for _ in range(3):
        marks.enqueue_due({7: "v1", 8: "v1", 9: "v1"})
    assert marks.rq.job_ids == ["suggest-8"]
