"""A run reports its progress, and pauses while another worker may have its lease."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from huggingface_ner.jobs import run_reporter
from huggingface_ner.jobs.phases import PhaseClock
from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.jobs.redis_connection import connect
from huggingface_ner.jobs.run_reporter import LeaseLostError, Reporter
from huggingface_ner.jobs.runs import LEASE_SECONDS, Run
from huggingface_ner.learning.progress import Outcome, RunProgress
from huggingface_ner.settings import Settings


class Clock:
    """A clock that advances only while somebody sleeps; each sleep also takes the next step of ``slept``."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: Iterator[object] = iter(())

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        next(self.slept)


class AwayQueue(TrainingQueue):
    """A queue whose Redis does not answer for a while."""

    is_away = False
    reports = 0

    def report(self, run: Run, progress: RunProgress, phase_began: float | None = None) -> bool:
        self.reports += 1
        if self.is_away:
            raise RedisConnectionError("away")
        return super().report(run, progress, phase_began)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(run_reporter, "time", clock)
    return clock


@pytest.fixture
def queue(redis_url: str, tmp_path: Path) -> AwayQueue:
    settings = Settings(redis_url=redis_url, model_dir=tmp_path)
    return AwayQueue(connect(redis_url, timeout=5), settings)


@pytest.fixture
def run(queue: AwayQueue) -> Run:
    queue.request_training(7)
    run = queue.begin(7)
    assert run is not None
    return run


def _step(number: int) -> RunProgress:
    return RunProgress("training", number, 100, 1.0)


def test_a_phase_is_reported_at_once_and_steps_at_intervals(clock: Clock, queue: AwayQueue, run: Run) -> None:
    report = Reporter(queue, run, PhaseClock())
    report(_step(1))
    report(_step(2))
    assert queue.status(7)["run"]["step"] == 1
    clock.now += run_reporter.REPORT_INTERVAL
    report(_step(3))
    assert queue.status(7)["run"]["step"] == 3
    report(RunProgress("evaluating"))
    assert queue.status(7)["run"]["phase"] == "evaluating"


def test_a_training_goes_on_while_its_lease_cannot_have_expired(clock: Clock, queue: AwayQueue, run: Run) -> None:
    report = Reporter(queue, run, PhaseClock())
    report(_step(1))
    queue.is_away = True
    clock.now += LEASE_SECONDS
    report(_step(2))
    assert queue.reports == 2, "the report is tried once, and the training does not wait"


@pytest.mark.parametrize("is_lost", [False, True])
def test_a_training_pauses_while_another_worker_may_have_its_lease(
    clock: Clock, queue: AwayQueue, run: Run, is_lost: bool, caplog: pytest.LogCaptureFixture
) -> None:
    def sleeps() -> Iterator[None]:
        for _ in range(50):
            yield
        if is_lost:
            queue.end(run, Outcome.failed("the worker was killed", retryable=True))
        queue.is_away = False
        yield

    report = Reporter(queue, run, PhaseClock())
    queue.is_away = True
    clock.now += LEASE_SECONDS + 1
    clock.slept = sleeps()
    if is_lost:
        with pytest.raises(LeaseLostError):
            report(_step(2))
    else:
        report(_step(2))
        assert queue.status(7)["run"]["step"] == 2
        assert "the training continues" in caplog.text
    assert queue.reports == 52
    assert caplog.text.count("the training pauses until Redis answers") == 1, (
        "the pause is logged once, and not at every attempt"
    )


def test_a_run_that_lost_its_lease_stops(clock: Clock, queue: AwayQueue, run: Run) -> None:
    queue.release(run)
    with pytest.raises(LeaseLostError):
        Reporter(queue, run, PhaseClock())(_step(1))
