"""One training run: what it is known by, and how often it is tried."""

from collections.abc import Mapping

from pydantic import BaseModel

# Without a sign of life for so long, what holds a project was killed.
LEASE_SECONDS = 10
MAX_ATTEMPTS = 3
# After the first that failed, after the second.
RETRY_DELAYS = (10.0, 300.0)


class Run(BaseModel, frozen=True):
    """A run that a worker has begun.

    id: also the job's in RQ. answers: the requests for a training that it saw, by number: all up to this one.
    began: seconds since 1970.
    """

    id: str
    project_id: int
    answers: int
    began: float


def current_run(state: Mapping[str, str]) -> Run | None:
    """Return the run that holds a project, from the project's hash."""
    return Run.model_validate_json(state["run"]) if "run" in state else None


def wants_training(state: Mapping[str, str]) -> bool:
    """Return whether a training is requested that no run has answered, from the project's hash."""
    return int(state.get("asked", 0)) > int(state.get("answered", 0))
