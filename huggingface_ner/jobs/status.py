"""The status of projects, as users see it: the state of their trainings and suggestions."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, RootModel

from huggingface_ner.jobs.damaged_entries import affects_one_entry, explanation
from huggingface_ner.jobs.mention_changes import read_counts
from huggingface_ner.jobs.phases import run_seconds_left
from huggingface_ner.jobs.redis_connection import decoded
from huggingface_ner.jobs.requests import is_held, is_project_id
from huggingface_ner.jobs.runs import current_run, wants_training
from huggingface_ner.jobs.suggestion_marks import Suggestions, read_suggestions
from huggingface_ner.jobs.totals import read_totals
from huggingface_ner.json_values import read_json
from huggingface_ner.learning.progress import Outcome, RunProgress

# Upper bound on the counts and times of a project. Larger ones, and NaN, mean that its entry is damaged.
MAX_NUMBER = 1e15


class _Progress(BaseModel):
    """What a run reports: the fields of RunProgress.as_dict, and when its phase began."""

    phase: str
    step: int = 0
    steps: int = 0
    epoch: float = 0.0
    percent: float = 0.0
    seconds_left: float | None = None
    phase_began: float = 0.0


class _Accepted(BaseModel):
    """How many suggestions of a version were accepted; it has further fields, which only pages show."""

    version: str
    suggested: int
    share: float


class _Object(RootModel[dict[str, Any]]):
    """Any JSON object."""


class _Phases(RootModel[dict[str, float]]):
    """How long each phase took, in seconds."""


def project_status(
    project_id: int,
    state: Mapping[str, str],
    suggestions: Suggestions | None,
    updates_per_training: int,
    ahead: int | None = None,
) -> dict[str, Any]:
    """Return the status of a project, as the README shows it.

    state: the project's hash, see queue.py. updates_per_training: START_TRAINING_EACH_N_UPDATES; 0 if updates
    start no training. ahead: how many trainings of other projects are running or come before this project's.
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
        starting = RunProgress("starting").as_dict()
        progress = _read(_Progress, state["progress"]) if "progress" in state else starting
        phases = _read(_Phases, state["phases"]) if "phases" in state else {}
        in_all = run_seconds_left(progress, phases, time.time())
        status["run"] = {"id": run.id, "began": run.began, **progress, "seconds_left_in_all": in_all}
        status["waiting"] = held or int(state["asked"]) > run.answers
    if training == "waiting" and ahead is not None:
        status["ahead"] = ahead
    if training == "waiting" and ("asked_first" in state or held):
        status["waiting_since"] = float(state.get("asked_first") or state["held_at"])
    if "last" in state:
        status["last"] = _read(Outcome, state["last"])
        if status["last"].get("accepted"):
            _Accepted.model_validate(status["last"]["accepted"])
    status.update(_notes(state))
    totals = read_totals(state)
    status |= {"totals": totals} if any(totals.values()) else {}
    if suggestions is not None:
        status["suggestions"] = suggestions.model_dump(include={"version", "state", "tasks", "has_more", "reason"})
    _check_numbers(status)
    return status


# Fields of a project's hash, and their names in its status.
_TEXTS = {
    "parked": "reason",
    "webhook": "webhook",
    "labels_note": "labels",
    "review": "review_tab",
    "title": "title",
    "address": "address",
}


def _notes(state: Mapping[str, str]) -> dict[str, Any]:
    """Return the notes on the project with their times; see project_notes."""
    notes: dict[str, Any] = {told: state[name] for name, told in _TEXTS.items() if name in state}
    notes |= {name: float(state[name]) for name in ("setup_at", "event_at") if name in state}
    if "label_studio_at" in state:
        trouble = state.get("label_studio") or None
        notes["label_studio"] = {"answers": not trouble, "at": float(state["label_studio_at"])}
        if trouble:
            # entries of older releases do not say whether the key was refused
            notes["label_studio"] |= {"reason": trouble, "refuses_key": state.get("key_refused") == "1"}
    if "tasks" in state:
        notes["tasks"] = _read(_Object, state["tasks"])
    return notes


def read_status(
    project_id: int,
    keys: tuple[str, str],
    answers: Sequence[Any],
    updates_per_training: int,
    ahead: int | None,
) -> dict[str, Any]:
    """Return the status of a project from the answers of Redis, each a value or an exception.

    answers: the project's hash, the hash of its suggestions, and the answers to KnownMentions.ask_counts. keys:
    the keys of the two hashes. An entry that cannot be read has the state "damaged", and a reason.
    """
    state, suggestions, *mentions = answers
    key = keys[0]
    try:
        if isinstance(state, Exception):
            raise state
        key = keys[1]
        if isinstance(suggestions, Exception):
            raise suggestions
        read = read_suggestions(suggestions)[0]
        key = keys[0]
        status = project_status(project_id, decoded(state), read, updates_per_training, ahead)
    except Exception as error:
        if not affects_one_entry(error):
            raise
        return {"project": project_id, "state": "damaged", "updates": 0, "reason": explanation(key, error)}
    counts = read_counts(mentions)
    return {**status, "known_mentions": counts} if counts else status


def trainings_ahead(states: Mapping[int, Any], jobs: Sequence[bytes]) -> dict[int, int]:
    """Return, for each project with a job in the queue, how many other trainings run or begin before its own.

    states: the hash of each project, or an exception if it could not be read. jobs: the ids of the jobs in RQ's
    queue, the next one first; some of the jobs are not trainings.
    """
    # Redis answers in bytes, which may be damaged, so they are not decoded
    ahead = sum(b"run" in state for state in states.values() if isinstance(state, Mapping))
    found: dict[int, int] = {}
    for job in jobs:
        kind, _, rest = job.decode("utf-8", "replace").partition("-")
        project = rest.partition("-")[0]
        if kind == "train" and is_project_id(project) and int(project) not in found:
            found[int(project)] = ahead
            ahead += 1
    return found


def _read(form: type[BaseModel], text: str) -> dict[str, Any]:
    """Return the JSON object in a text; raises ValueError or OverflowError if it does not have our form."""
    value: dict[str, Any] = read_json(text)
    form.model_validate(value)
    _check_numbers(value)
    return value


def _check_numbers(value: object) -> None:
    """Raise OverflowError if a status contains a number that cannot be a count or a time."""
    if isinstance(value, Mapping):
        for each in value.values():
            _check_numbers(each)
    elif isinstance(value, list):
        for each in value:
            _check_numbers(each)
    elif isinstance(value, int | float) and not abs(value) < MAX_NUMBER:
        raise OverflowError("a number is too large")
