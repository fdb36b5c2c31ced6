"""Trainings are reported by Trainer's own callbacks, to stand-ins of the packages that record the reports."""

import importlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from huggingface_ner.cli import main
from huggingface_ner.learning import fine_tuning
from huggingface_ner.learning.fine_tuning import Hyperparameters, fine_tune
from huggingface_ner.learning.tracking import NO_TRACKING, Tracking, TrackingError
from huggingface_ner.spans import AnnotatedText, Span

TENSORBOARD = """
import json, pathlib
class SummaryWriter:
    def __init__(self, log_dir):
        self.folder = pathlib.Path(log_dir)
        self.folder.mkdir(parents=True)
    def add_text(self, *args): pass
    def add_scalar(self, name, value, step):
        with (self.folder / "scalars").open("a") as file:
            print(json.dumps([name, value, step]), file=file)
    def flush(self): pass
    def close(self): pass
"""
MLFLOW = """
import json, os, types
__version__ = "2.7.0"
_runs = []
limits = types.SimpleNamespace(MAX_PARAM_VAL_LENGTH=500, MAX_PARAMS_TAGS_PER_BATCH=100)
utils = types.SimpleNamespace(validation=limits)
def _note(*what):
    with open(os.environ["MLFLOW_NOTES"], "a") as file:
        print(json.dumps(what), file=file)
def active_run(): return _runs[-1] if _runs else None
def is_tracking_uri_set(): return True
def get_tracking_uri(): return "stand-in"
def start_run(run_name=None, nested=False):
    _runs.append(types.SimpleNamespace(info=types.SimpleNamespace(run_id="1")))
    _note("run", run_name)
def log_params(params): pass
def log_metrics(metrics=None, step=None): _note("metrics", metrics, step)
def end_run(*args): _runs.clear()
"""
EXAMPLES = [
    AnnotatedText(str(number), f"{name} flew.", (Span(0, len(name), "PER"),))
    for number, name in enumerate(["Anna", "Kovács", "Zürich"] * 4)
]


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install stand-ins of TensorBoard and MLflow from a folder."""
    folder = tmp_path / "packages"
    folder.mkdir()
    for name, code in (("tensorboard", ""), ("tensorboardX", TENSORBOARD), ("mlflow", MLFLOW)):
        (folder / f"{name}.py").write_text(code)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("MLFLOW_NOTES", str(tmp_path / "mlflow"))
    importlib.invalidate_caches()
    yield
    for name in ("tensorboard", "tensorboardX", "mlflow"):
        sys.modules.pop(name, None)


def _train(tiny_bert: Path, tracking: Tracking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fine_tuning, "MIN_STEPS", 10)
    fine_tune(EXAMPLES, ["PER"], tiny_bert, Hyperparameters(), match_labels=lambda labels: {}, tracking=tracking)


def _lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.usefixtures("packages")
def test_tensorboard_gets_the_loss_in_a_folder_of_the_run(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TENSORBOARD_LOGGING_DIR", raising=False)
    _train(tiny_bert, Tracking.in_folder("tensorboard", "project-7", tmp_path), monkeypatch)
    (folder,) = (tmp_path / "tensorboard").iterdir()
    assert folder.name.startswith("project-7-")
    losses = [(value, step) for name, value, step in _lines(folder / "scalars") if name == "train/loss"]
    assert len(losses) > 5
    assert all(value > 0 for value, _ in losses)
    assert "TENSORBOARD_LOGGING_DIR" not in os.environ


@pytest.mark.usefixtures("packages")
def test_a_folder_that_was_set_for_tensorboard_is_used(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path / "mine"))
    _train(tiny_bert, Tracking.in_folder("tensorboard", "project-7", tmp_path), monkeypatch)
    assert _lines(tmp_path / "mine" / "scalars")
    assert not (tmp_path / "tensorboard").exists()


@pytest.mark.usefixtures("packages")
def test_mlflow_gets_a_run_with_its_name(tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _train(tiny_bert, Tracking("mlflow", "project-7"), monkeypatch)
    first, *rest = _lines(tmp_path / "mlflow")
    assert first == ["run", "project-7"]
    assert any("loss" in metrics for kind, metrics, _ in rest if kind == "metrics")


def test_by_default_nothing_is_reported(tiny_bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert NO_TRACKING.arguments(100) == {"report_to": "none", "logging_strategy": "no"}
    NO_TRACKING.check()
    _train(tiny_bert, NO_TRACKING, monkeypatch)


@pytest.mark.parametrize("command", ["serve", "worker", "train --config x --tasks x --out x"])
def test_a_package_that_is_missing_is_named_before_anything_starts(
    command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REPORT_TO", "mlflow")
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))
    monkeypatch.setitem(sys.modules, "mlflow", None)
    assert main(command.split()) == 1
    assert "the package mlflow is not installed; install it with `pip install mlflow`" in capsys.readouterr().err


def test_a_package_that_is_missing_fails_a_training_for_good() -> None:
    with pytest.raises(TrackingError) as caught:
        Tracking("tensorboard").check()
    assert not caught.value.retryable
