"""Reports the course of a training to TensorBoard or MLflow, through Trainer's own callbacks.

Neither package is installed by default.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Self

from huggingface_ner.errors import HuggingFaceNERError

ReportTo = Literal["none", "tensorboard", "mlflow"]
# How often a training reports its loss and its learning rate.
REPORTS = 50
# Trainer's TensorBoard callback reads this environment variable when it is created.
_TENSORBOARD_FOLDER = "TENSORBOARD_LOGGING_DIR"


class TrackingError(HuggingFaceNERError):
    """Trainings cannot be reported; the message names the package that is missing."""


@dataclass(frozen=True, slots=True)
class Tracking:
    """Where a training is reported.

    name: the run's name, for people. folder: for TensorBoard's logs, unless TENSORBOARD_LOGGING_DIR is set.
    MLflow is configured by its own variables, such as MLFLOW_TRACKING_URI.
    """

    report_to: ReportTo = "none"
    name: str = "training"
    folder: Path = Path("tensorboard")

    @classmethod
    def in_folder(cls, report_to: ReportTo, name: str, folder: Path) -> Self:
        """Return the tracking of a run that begins now; TensorBoard's logs are in a subfolder of ``folder``."""
        return cls(report_to, name, folder / "tensorboard" / f"{name}-{datetime.now(UTC):%Y%m%d-%H%M%S}")

    def check(self) -> None:
        """Raise TrackingError if the package is not installed."""
        if self.report_to != "none" and find_spec(self.report_to) is None:
            raise TrackingError(
                f"REPORT_TO={self.report_to}: the package {self.report_to} is not installed; install it with `pip "
                f"install {self.report_to}` where trainings run, or unset REPORT_TO"
            )

    def arguments(self, steps: int) -> dict[str, Any]:
        """Return Trainer's arguments for reporting a training that has this number of steps."""
        if self.report_to == "none":
            return {"report_to": "none", "logging_strategy": "no"}
        return {
            "report_to": self.report_to,
            "logging_strategy": "steps",
            "logging_steps": max(steps // REPORTS, 1),
            "run_name": self.name,
        }

    @contextmanager
    def environment(self) -> Iterator[None]:
        """Set the environment variables that Trainer's callbacks read while the with block runs."""
        if self.report_to != "tensorboard" or os.environ.get(_TENSORBOARD_FOLDER):
            yield
            return
        os.environ[_TENSORBOARD_FOLDER] = str(self.folder)
        try:
            yield
        finally:
            del os.environ[_TENSORBOARD_FOLDER]


NO_TRACKING = Tracking()
