"""The progress and the outcome of a training."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from pydantic import BaseModel

from huggingface_ner.secret_values import without_credentials

# The phases of a run, in order. Engines are tried after the new version is published.
Phase = Literal["starting", "downloading", "training", "evaluating", "saving", "publishing", "trying engines"]


@dataclass(frozen=True, slots=True)
class RunProgress:
    """The progress of a run.

    step, steps: how many optimiser steps are done, and how many there are in all.
    seconds_left: estimated seconds until the last of these steps is done; None while too few are done.
    """

    phase: Phase
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

    status: published; refused if the serving model is better; unchanged if the serving version was trained on the
    same data with the same settings; skipped if there is nothing to learn from; failed if an error ended the run.
    f1, f1_before: the F1 of the new and of the serving model on the same held-out tasks; None if not scored.
    f1_interval, gold: the 95 % confidence interval of f1, and the number of spans behind it.
    f1_basis: a text that says which annotated regions of those tasks are scored in F1; None if all of them are.
    left_out: which of the project's annotations were not used, see LeftOut.as_dict; None if that is not known.
    unknown_tokens: how many tokens of the texts the baseline does not know, see UnknownTokens.as_dict; None if
    that was not counted.
    accepted: how many suggestions annotators accepted, for the newest version for which this is known. It has the
    version's name as ``version``, and the fields of store.history.SuggestionCounts.as_dict. None if it is not
    known for any version.
    phases: the seconds that each phase took; None if that is not known.
    retryable: whether a failed run may succeed if it is tried again.
    """

    status: Literal["published", "refused", "unchanged", "skipped", "failed"]
    reason: str
    version: str | None = None
    f1: float | None = None
    f1_before: float | None = None
    f1_interval: tuple[float, float] | None = None
    gold: int | None = None
    f1_basis: str | None = None
    left_out: dict[str, Any] | None = None
    unknown_tokens: dict[str, Any] | None = None
    accepted: dict[str, Any] | None = None
    retryable: bool = False
    seconds: float | None = None
    phases: dict[str, float] | None = None
    at: float | None = None

    @classmethod
    def failed(cls, reason: str, *, retryable: bool) -> Self:
        """Return the outcome of a run that failed for a reason; people see it without the credentials of URLs."""
        return cls(status="failed", reason=without_credentials(reason), retryable=retryable)
