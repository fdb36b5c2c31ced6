"""The baseline is loaded as soon as this is possible; only the default baseline is replaced."""

import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest

from huggingface_ner.engines.stand_in import PACKAGED_ENCODER
from huggingface_ner.serving import baseline as baseline_module
from huggingface_ner.serving.baseline import Baseline, BaselineState
from huggingface_ner.tagging.tagger import Tagger

TAGGER = cast("Tagger", SimpleNamespace(labels=("PER",)))


def _fail(name: str) -> Tagger:
    raise OSError(f"no such file: {name}")


def test_it_is_loading_until_it_is_ready() -> None:
    may_load = threading.Event()

    def load(name: str) -> Tagger:
        assert may_load.wait(20)
        return TAGGER

    made = Baseline("my model", is_set=True, load=load)
    assert made.wait(0.0) == BaselineState("loading", "my_model")
    made.start()
    assert (made.state.state, made.tagger) == ("loading", None)
    may_load.set()
    assert made.wait(20) == BaselineState("ready", "my_model"), "without the blanks, which Label Studio trims"
    assert made.tagger is TAGGER
    made.close()


def test_one_that_a_person_has_set_is_tried_until_it_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baseline_module, "RETRY_INTERVAL", 0.01)
    failures = iter(range(3))
    loaded = threading.Event()

    def load(name: str) -> Tagger:
        if next(failures, None) is not None:
            _fail(name)
        loaded.set()
        return TAGGER

    made = Baseline("gone", is_set=True, load=load)
    made.start()
    assert loaded.wait(20)
    made.close()
    assert (made.state, made.tagger) == (BaselineState("ready", "gone"), TAGGER)


def test_one_that_cannot_be_loaded_says_why(caplog: pytest.LogCaptureFixture) -> None:
    made = Baseline("gone", is_set=True, load=_fail)
    made.start()
    assert made.wait(20) == BaselineState("failed", "gone", "no such file: gone")
    made.close()
    assert "BASELINE_MODEL_NAME=gone cannot be loaded: no such file: gone" in caplog.text


def test_the_default_one_is_replaced_and_not_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    tried: list[str] = []

    def load(name: str) -> Any:
        tried.append(name)
        _fail(name)

    made = Baseline("org/model", is_set=False, load=load)
    made.start()
    state = made.wait(20)
    made.close()
    assert (state.state, state.model_version, made.tagger) == ("ready", PACKAGED_ENCODER, None)
    assert state.reason is not None
    assert "org/model could not be loaded (no such file: org/model)" in state.reason
    assert state.reason in caplog.text
    assert tried == ["org/model"]
