import json
import logging
import time
from pathlib import Path

import pytest

from huggingface_ner.store.pointer import MAX_DELAY
from huggingface_ner.store.versions import ACTIVATION_DELAY, ModelStore, project_store, serving_versions
from tests.clock import Clock
from tests.store.publishing import errors, publish


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(time.time())
    monkeypatch.setattr(time, "time", lambda: clock.now)
    return clock


def _postpone(tmp_path: Path, before: str, version: str, since: float) -> Path:
    """Write a pointer whose version takes effect at a time in seconds since 1970."""
    path = tmp_path / "3" / "current"
    path.write_text(json.dumps({"version": version, "before": before, "since": since}))
    return path


@pytest.mark.parametrize("seconds", [MAX_DELAY + 1, 86_400.0, 1e18, 1e308])
def test_a_version_whose_time_is_too_far_away_is_used_now(
    seconds: float, tmp_path: Path, store: ModelStore, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = publish(store), publish(store)
    path = _postpone(tmp_path, first, second, clock.now + seconds)
    for _ in range(3):  # each request opens the store anew
        assert project_store(tmp_path, 3).serving_version() == second
    (error,) = errors(caplog)
    assert f"{path}: {second} is used now" in error
    assert len(error) < 500


def test_it_stays_in_use_until_the_next_version_takes_effect(
    tmp_path: Path, store: ModelStore, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    first, second = publish(store), publish(store)
    path = _postpone(tmp_path, first, second, clock.now + 3600)
    assert store.serving_version() == second
    clock.now += 3599
    assert store.serving_version() == second
    assert serving_versions(tmp_path) == {3: second}
    third = publish(store)
    assert store.serving_version() == second
    assert f"{path} is all right again" in caplog.text
    clock.now += ACTIVATION_DELAY
    assert store.serving_version() == third
    assert len(errors(caplog)) == 1


def test_a_version_takes_effect_in_time_although_clocks_differ_a_little(
    store: ModelStore, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    first = publish(store)
    clock.now += ACTIVATION_DELAY
    second = publish(store)
    clock.now -= MAX_DELAY - ACTIVATION_DELAY - 1  # this machine's clock is behind that of the worker
    assert store.serving_version() == first
    clock.now += MAX_DELAY - 1
    assert store.serving_version() == second
    assert not errors(caplog)
