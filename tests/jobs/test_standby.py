"""Processes are started, wait for a job and get it; test_worker checks that they run the job."""

import os
import signal
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from huggingface_ner.jobs import standby as standby_module
from huggingface_ner.jobs.process import WORKER_PID
from huggingface_ner.jobs.standby import HandedJob, Standby
from tests.jobs.trainings import children

JOB = HandedJob(worker="rq:worker:w", job="train-7-1", queue="q", execution="e", environment={"TMPDIR": "/tmp"})


@pytest.fixture
def standby(monkeypatch: pytest.MonkeyPatch) -> Iterator[Standby]:
    monkeypatch.setenv(WORKER_PID, str(os.getpid()))
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")  # nobody answers there, so a job ends at once
    made = Standby()
    yield made
    made.close()
    assert not _waiting()


def _waiting() -> list[psutil.Process]:
    return [child for child in children(psutil.Process()) if standby_module.PREPARED in child.cmdline()]


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def _ended(pid: int) -> bool:
    """Wait for the end of a process, as RQ does; return whether it exited by itself."""
    return os.WIFEXITED(os.waitpid(pid, 0)[1])


def test_a_process_waits_only_while_a_training_is_expected(standby: Standby) -> None:
    standby.keep(is_expected=False)
    assert not _waiting()
    standby.keep(is_expected=True)
    (waiting,) = _waiting()
    standby.keep(is_expected=True)
    assert _waiting() == [waiting]
    standby.keep(is_expected=False)
    assert not waiting.is_running()


def test_a_training_gets_the_process_that_waits_and_other_jobs_their_own(standby: Standby) -> None:
    standby.keep(is_expected=True)
    (waiting,) = _waiting()
    other = standby.start(JOB, is_training=False)
    assert other != waiting.pid
    assert _ended(other)
    assert standby.start(JOB, is_training=True) == waiting.pid
    standby.keep(is_expected=True)
    assert _waiting() in ([], [waiting]), "no other process is prepared while a job runs"
    assert _ended(waiting.pid)
    standby.job_has_ended()
    standby.keep(is_expected=True)
    assert len(_waiting()) == 1


def test_a_process_that_ended_while_it_waited_is_replaced(
    standby: Standby, monkeypatch: pytest.MonkeyPatch
) -> None:
    standby.keep(is_expected=True)
    (waiting,) = _waiting()
    os.kill(waiting.pid, signal.SIGKILL)
    _until(lambda: waiting.status() == psutil.STATUS_ZOMBIE)
    standby.keep(is_expected=True)
    assert not _waiting(), "it is not replaced at once, because processes may end again and again"
    monkeypatch.setattr(standby_module, "RESTART_INTERVAL", 0.0)
    standby._not_before = 0.0
    standby.keep(is_expected=True)
    (waiting,) = _waiting()
    os.kill(waiting.pid, signal.SIGKILL)
    _until(lambda: waiting.status() == psutil.STATUS_ZOMBIE)
    started = standby.start(JOB, is_training=True)
    assert started != waiting.pid
    assert _ended(started)


def test_a_process_ends_when_nobody_can_give_it_a_job_any_more(standby: Standby) -> None:
    standby.keep(is_expected=True)
    (waiting,) = _waiting()
    held = standby._waiting
    assert held is not None
    standby._waiting = None
    os.close(held._write_end)
    assert _ended(waiting.pid)
