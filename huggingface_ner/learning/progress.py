"""The progress and the outcome of a training."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class RunProgress:
    """The progress of a run; ``step`` and ``steps`` count optimiser steps, ``seconds_left`` ends with the last."""

    phase: Literal["starting", "downloading", "training", "evaluating", "saving", "publishing"]
    step: int = 0
    steps: int = 0
    epoch: float = 0.0
    seconds_left: float | None = None

    @property
    def percent(self) -> float:
        """The percentage of steps done, within [0, 100]."""
        return round(100 * self.step / self.steps, 1) if self.steps else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return the fields and ``percent``."""
        return {**asdict(self), "percent": self.percent}


class Outcome(BaseModel, frozen=True):
    """The outcome of a run.

    status: published; refused, if the serving model is better; unchanged, if data and settings are those of the
    serving version; skipped, if there is nothing to learn from; failed.
    f1, f1_before: of the new and the serving model on the same held-out tasks; None if they were not scored.
    f1_basis: which part of the annotated regions of those tasks F1 rests on, in words; None if it is all of them.
    left_out: what of the project's annotations was not used, see LeftOut.as_dict; None if it is not known.
    retryable: whether a failed run may succeed if it is tried again.
    """

    status: Literal["published", "refused", "unchanged", "skipped", "failed"]
    reason: str
    version: str | None = None
    f1: float | None = None
    f1_before: float | None = None
    f1_basis: str | None = None
    left_out: dict[str, Any] | None = None
    retryable: bool = False
    seconds: float | None = None
    at: float | None = None

    @classmethod
    def failed(cls, reason: str, *, retryable: bool) -> Self:
        """Return the outcome of a run that failed for a reason."""
        return cls(status="failed", reason=reason, retryable=retryable)
