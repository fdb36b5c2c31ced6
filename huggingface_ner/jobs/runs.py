"""One training run: its identity, its lease, and how often it is retried."""

from collections.abc import Mapping

from pydantic import BaseModel

# Seconds after which a lease expires unless its holder renews it. A killed holder cannot renew it.
LEASE_SECONDS = 10
MAX_ATTEMPTS = 3
# Seconds until the retry after the first failure, and after the second.
RETRY_DELAYS = (10.0, 300.0)
# Debounce: wait after the last request so that the annotation that triggered it is committed, but never longer
# than MAX_DEBOUNCE_SECONDS after the first.
DEBOUNCE_SECONDS = 2.0
MAX_DEBOUNCE_SECONDS = 10.0


def retry_delay(attempts: int) -> float:
    """Return the seconds until the next attempt. attempts: the number of failed attempts."""
    return RETRY_DELAYS[min(attempts, len(RETRY_DELAYS)) - 1]


class Run(BaseModel, frozen=True):
    """A run that a worker has begun.

    id: the run's id, and also that of its job in RQ. answers: the number of the last request that the run answers.
    began: seconds since 1970.
    """

    id: str
    project_id: int
    answers: int
    began: float


def current_run(state: Mapping[str, str]) -> Run | None:
    """Return the run that has the lease of a project, given the project's hash."""
    return Run.model_validate_json(state["run"]) if "run" in state else None


def wants_training(state: Mapping[str, str]) -> bool:
    """Return whether a request for a training is still unanswered, given the project's hash."""
    return int(state.get("asked", 0)) > int(state.get("answered", 0))


def due_at(state: Mapping[str, str]) -> float:
    """Return when the training of a project is due, in seconds since 1970."""
    last = float(state.get("asked_last", 0)) + DEBOUNCE_SECONDS
    first = float(state.get("asked_first", 0)) + MAX_DEBOUNCE_SECONDS
    return max(min(last, first), float(state.get("not_before", 0)))
