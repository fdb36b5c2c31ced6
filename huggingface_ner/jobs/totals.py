"""Totals for operators in a project's hash: trainings by outcome, seconds by phase, suggestions pushed."""

from collections.abc import Mapping
from typing import Any

from redis.client import Pipeline

from huggingface_ner.jobs.phases import PHASES
from huggingface_ner.learning.progress import Outcome

COUNT, SECONDS, PUSHED = "count_", "seconds_", "pushed"
OUTCOMES = ("published", "refused", "unchanged", "skipped", "failed")


def count_outcome(pipeline: Pipeline, key: str, outcome: Outcome) -> None:
    """Add a run that has ended, and the seconds of its phases, to the totals. key: the project's hash."""
    pipeline.hincrby(key, f"{COUNT}{outcome.status}", 1)
    for phase, seconds in (outcome.phases or {}).items():
        pipeline.hincrbyfloat(key, f"{SECONDS}{phase}", seconds)


def read_totals(state: Mapping[str, str]) -> dict[str, Any]:
    """Return the totals in a project's hash: ``trainings`` by outcome, ``seconds`` by phase, and ``pushed``."""
    return {
        "trainings": {name: int(state[f"{COUNT}{name}"]) for name in OUTCOMES if f"{COUNT}{name}" in state},
        "seconds": {name: float(state[f"{SECONDS}{name}"]) for name in PHASES if f"{SECONDS}{name}" in state},
        "pushed": int(state.get(PUSHED, 0)),
    }
