import logging
import signal
import sys
import time

import psutil
import pytest

from huggingface_ner.jobs.managed_process import (
    MAX_RESTART_INTERVAL,
    RESTART_INTERVAL,
    Backoff,
    ManagedProcess,
)
from tests.clock import Clock

# ends when its standard input does, or when it gets a line: with that line's status
WAITING = [sys.executable, "-c", "import sys; raise SystemExit(int(sys.stdin.readline() or 7))"]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(1000.0)
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    return clock


def _pid(managed: ManagedProcess) -> int:
    assert managed._process is not None
    return managed._process.pid


def _end(managed: ManagedProcess, number: int) -> None:
    """Kill the process with a signal, and wait for its end."""
    assert managed._process is not None
    managed._process.send_signal(number)
    managed._process.wait(30)


def _restarts(managed: ManagedProcess, clock: Clock, seconds: float) -> int:
    """Poll for ``seconds`` while each process is killed at once; return how many were started."""
    started, until = 0, clock.now + seconds
    while clock.now < until:
        clock.now += 0.5
        managed.restart_if_ended()
        if managed.is_running():
            started += 1
            _end(managed, signal.SIGKILL)
    return started


def test_each_restart_is_logged_and_waited_for(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    with ManagedProcess("the part", WAITING) as managed:
        managed.restart_if_ended()
        assert managed.is_running()
        _end(managed, signal.SIGKILL)
        assert managed.returncode == -signal.SIGKILL
        assert not managed.has_failed()
        managed.restart_if_ended()
        assert not managed.is_running(), "it has only just been started"
        clock.now += RESTART_INTERVAL + 0.1
        managed.restart_if_ended()
        assert managed.is_running()
        assert caplog.messages == [
            "the part has ended with signal 9 (Killed); starting it again (restart 1 in a row)"
        ]


def test_the_interval_grows_up_to_a_maximum(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    with ManagedProcess("the part", WAITING) as managed:
        _end(managed, signal.SIGTERM)
        assert _restarts(managed, clock, 4 * RESTART_INTERVAL) == 2, "after 5 and 10 seconds"
        in_the_first = _restarts(managed, clock, 5 * MAX_RESTART_INTERVAL)
        assert in_the_first in (5, 6)
        assert _restarts(managed, clock, 5 * MAX_RESTART_INTERVAL) in (4, 5), "never less often"
        assert "(restart 6 in a row)" in caplog.text
        clock.now += MAX_RESTART_INTERVAL + 0.1
        managed.restart_if_ended()
        clock.now += MAX_RESTART_INTERVAL + 0.1  # it runs for a while
        _end(managed, signal.SIGKILL)
        managed.restart_if_ended()
        assert caplog.messages[-1].endswith("starting it again (restart 1 in a row)")


def test_a_status_is_told(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    with ManagedProcess("the part", [sys.executable, "-c", "raise SystemExit(3)"]) as managed:
        assert managed._process is not None
        managed._process.wait(30)
        assert managed.has_failed()
        clock.now += RESTART_INTERVAL + 0.1
        managed.restart_if_ended()
        assert "the part has ended with status 3; starting it again" in caplog.text


def test_a_process_that_cannot_be_started_is_tried_again(
    clock: Clock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ManagedProcess("the part", WAITING) as managed:
        _end(managed, signal.SIGKILL)
        monkeypatch.setattr(managed, "_command", ["/gone"])
        clock.now += RESTART_INTERVAL + 0.1
        managed.restart_if_ended()
        assert "the part cannot be started: " in caplog.text
        assert not managed.has_failed()
        monkeypatch.setattr(managed, "_command", WAITING)
        clock.now += 2 * RESTART_INTERVAL + 0.1
        managed.restart_if_ended()
        assert managed.is_running()


def test_it_is_stopped_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with ManagedProcess("the part", WAITING) as managed:
        process = psutil.Process(_pid(managed))
        assert process.is_running()
    assert not process.is_running()
    assert managed.returncode == -signal.SIGTERM
    assert not caplog.messages


def test_what_has_run_for_long_may_be_restarted_at_once(clock: Clock) -> None:
    backoff = Backoff()
    assert not backoff.may_restart()
    clock.now += MAX_RESTART_INTERVAL + 0.1
    assert backoff.may_restart()
    assert [backoff.restarted(), backoff.restarted()] == [1, 2]
    assert not backoff.may_restart()
    clock.now += MAX_RESTART_INTERVAL + 0.1
    assert backoff.may_restart()
    assert backoff.restarts == 2, "it had ended at once"
