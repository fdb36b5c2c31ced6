"""The status of projects, as users see it: the state of their trainings and suggestions."""

import json
from collections.abc import Mapping
from typing import Any

from redis import Redis

from huggingface_ner.jobs.redis_connection import as_text
from huggingface_ner.jobs.requests import is_held, is_project_id
from huggingface_ner.jobs.runs import current_run, wants_training
from huggingface_ner.jobs.suggestion_marks import Suggestions
from huggingface_ner.learning.progress import RunProgress

# How many keys Redis looks at before it answers: usually all of them, so that one round trip finds all projects.
KEYS_AT_A_TIME = 10_000


def project_status(
    project_id: int, state: Mapping[str, str], suggestions: Suggestions | None, updates_per_training: int
) -> dict[str, Any]:
    """Return the status of a project, as the README shows it.

    state: the project's hash, see queue. updates_per_training: START_TRAINING_EACH_N_UPDATES; 0 if updates start
    no training.
    """
    run = current_run(state)
    updates = int(state.get("updates", 0))
    held = is_held(state)
    if run is not None:
        training = "running"
    elif "parked" in state and not held:
        training = "parked"
    else:
        training = "waiting" if held or wants_training(state) else "idle"
    status: dict[str, Any] = {"project": project_id, "state": training, "updates": updates}
    if updates_per_training:
        status["updates_until_training"] = updates_per_training - updates % updates_per_training
    if run is not None:
        progress = _object(state["progress"]) if "progress" in state else RunProgress("starting").as_dict()
        status["run"] = {"id": run.id, "began": run.began, **progress}
        status["waiting"] = held or int(state["asked"]) > run.answers
    if "parked" in state:
        status["reason"] = state["parked"]
    if "last" in state:
        status["last"] = _object(state["last"])
    if "webhook" in state:
        status["webhook"] = state["webhook"]
    if "labels_note" in state:
        status["labels"] = state["labels_note"]
    if suggestions is not None:
        status["suggestions"] = suggestions.model_dump(include={"version", "state", "tasks", "reason"})
    return status


def known_projects(redis: Redis, prefix: str) -> list[int]:
    """Return the projects whose hash is in Redis, in ascending order; each key is ``prefix`` and the id."""
    found = {as_text(key).removeprefix(prefix) for key in redis.scan_iter(f"{prefix}*", count=KEYS_AT_A_TIME)}
    return sorted(int(name) for name in found if is_project_id(name))


def _object(text: str) -> dict[str, Any]:
    """Return the JSON object in a text; raises ValueError."""
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value
