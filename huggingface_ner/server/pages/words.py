"""Turns numbers, times and states into the words of the pages."""

from datetime import UTC, datetime
from typing import Any

from huggingface_ner.label_studio.task_counts import TaskCounts
from huggingface_ner.learning.learning_curve import MIN_RISE, Expected, Forecast
from huggingface_ner.store.history import SuggestionCounts
from huggingface_ner.store.version_names import number_of, published_at

# What each phase of a run does; see learning.progress.
PHASES = {
    "starting": "starting",
    "downloading": "reading the annotated tasks",
    "training": "learning",
    "evaluating": "scoring the new model on the held-out tasks",
    "saving": "saving the new model",
    "publishing": "publishing the new version",
    "trying engines": "trying faster engines; the new version is published already",
}
OUTCOMES = {
    "published": "The last training published a new version",
    "refused": "The last training published nothing",
    "unchanged": "The last training had nothing new to learn",
    "skipped": "The last training was skipped",
    "failed": "The last training failed",
}


def counted(count: int, noun: str) -> str:
    """Return a number and a noun: "1 task", "1 200 tasks"."""
    return f"{_number(count)} {noun if count == 1 else f'{noun}s'}"


def _number(count: int) -> str:
    """Return a number, in groups of three digits."""
    return f"{count:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def duration(seconds: float) -> str:
    """Return a duration in words, rounded because it is an estimate."""
    if seconds < 10:
        return "a few seconds"
    if seconds < 55:
        return f"about {round(seconds / 10) * 10} seconds"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"about {counted(max(minutes, 1), 'minute')}"
    hours = round(seconds / 3600)
    return f"about {counted(hours, 'hour')}" if hours < 48 else f"about {counted(round(hours / 24), 'day')}"


def ago(at: float, now: float) -> str:
    """Return how long ago a time was. at, now: seconds since 1970."""
    seconds = max(now - at, 0.0)
    return "just now" if seconds < 10 else f"{duration(seconds).removeprefix('about ')} ago"


def date(at: float) -> str:
    """Return a time in seconds since 1970 as text; "" if it is not a valid time."""
    try:
        moment = datetime.fromtimestamp(at, UTC)
    except (ValueError, OverflowError, OSError):
        return ""
    return f"{moment.day} {moment:%b %Y, %H:%M} UTC"


def iso(at: float) -> str:
    """Return a time in seconds since 1970 in ISO 8601, for HTML's element ``time``."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def state_sentence(status: dict[str, Any]) -> str:
    """Return what is happening in a project, given its status; see jobs.status."""
    state = status["state"]
    if state == "running":
        phase = status["run"]["phase"]
        return f"Training: {PHASES.get(phase, phase)}"
    if state == "waiting":
        return _waiting_sentence(status.get("ahead"))
    if state == "parked":
        return "Trainings are stopped until the next annotation"
    if state == "damaged":
        return "The project's entry in Redis cannot be read"
    return "No training is running" if state == "idle" else "The state of its trainings is not known"


def _waiting_sentence(ahead: int | None) -> str:
    if ahead is None:
        return "A training starts in a few seconds"
    if ahead == 0:
        return "A training waits; it is next"
    return f"A training waits; {counted(ahead, 'other')} {'runs' if ahead == 1 else 'run'} first"


def progress_sentence(run: dict[str, Any]) -> str:
    """Return how far a run is, and how long it will still take."""
    told = []
    if run["phase"] == "training" and run.get("steps"):
        told.append(f"Step {run['step']} of {run['steps']}")
    in_all = run.get("seconds_left_in_all")
    if in_all is not None:
        told.append(f"{duration(in_all)} left")
    elif run["phase"] == "training" and run.get("seconds_left") is not None:
        told.append(f"{duration(run['seconds_left'])} left of the learning; then the model is scored and saved")
    text = "; ".join(told)
    return f"{text[0].upper()}{text[1:]}." if text else "How long it takes is not known yet."


def percent(run: dict[str, Any], now: float) -> float | None:
    """Return how much of a run is done, from 0 to 100; None if that is not known. now: seconds since 1970."""
    left = run.get("seconds_left_in_all")
    if run["phase"] == "trying engines":  # the new version, for which people wait, is published
        return None
    if left is not None:
        elapsed = max(now - run["began"], 0.0)
        return round(100 * elapsed / (elapsed + left), 1) if elapsed + left else None
    # before the first published training, the time of the other phases is not known
    return run["percent"] if run["phase"] == "training" and run.get("steps") else None


def next_sentence(status: dict[str, Any], each: int) -> str:
    """Return when the next training will start; "" if it waits. each: START_TRAINING_EACH_N_UPDATES."""
    if status["state"] == "waiting":  # the state says already that the next one is about to start
        return ""
    if status["state"] == "running" and status.get("waiting"):
        return "Another training starts right afterwards: there are new annotations."
    if not each:
        return "Trainings start when the labels change, or when somebody starts one here or in Label Studio."
    if status["state"] == "parked":
        return "The next annotation starts a new attempt."
    left = status.get("updates_until_training", each)
    return f"The next training starts after {counted(left, 'more annotation')}."


def outcome_sentence(last: dict[str, Any], now: float) -> str:
    """Return how the last training ended."""
    at = last.get("at")
    when = f", {ago(at, now)}" if isinstance(at, int | float) else ""
    reason = str(last.get("reason") or "").rstrip(".")
    return f"{OUTCOMES.get(last.get('status', ''), 'The last training has ended')}{when}: {reason}."


def percentage(share: float | None) -> str:
    """Return a share as a percentage; a dash if there is none."""
    return "–" if share is None else f"{100 * share:.0f}\N{NO-BREAK SPACE}%"


def accepted_sentence(suggestions: SuggestionCounts, version: str | None) -> str:
    """Return how many suggestions of a version annotators accepted.

    version: its name; None if it is the current one.
    """
    low, high = (f"{100 * end:.0f}" for end in suggestions.interval)
    return (
        f"Of {counted(suggestions.suggested, 'suggestion')} of {_named(version)}, {percentage(suggestions.share)} "
        f"were accepted unchanged ({low} to {high} % with 95 % confidence), in "
        f"{counted(suggestions.tasks, 'task')} annotated after it was published. Annotators changed "
        f"{suggestions.to_mend} and deleted {suggestions.to_delete} of them, and added "
        f"{counted(suggestions.missing, 'span')}."
    )


def _named(version: str | None) -> str:
    """Return how a sentence names a version; None is the current one."""
    if version is None:
        return "this version"
    at, number = published_at(version), number_of(version)
    if at is None:
        return version
    return f"{f'version v{number}' if number else 'the version'} of {date(at)}"


def tasks_sentence(counts: TaskCounts) -> str:
    """Return how many tasks of a project are annotated, and how many are left."""
    if not counts.in_all:
        return "The project has no tasks."
    told = [f"{_number(counts.annotated)} of {counted(counts.in_all, 'task')} {_are(counts.annotated)} annotated"]
    if counts.skipped:
        told.append(f"{_number(counts.skipped)} {'was' if counts.skipped == 1 else 'were'} skipped")
    left = f"{_number(counts.left)} {_are(counts.left)} left" if counts.left else "none is left"
    return f"{', '.join(told)}; {left}."


def forecast_sentence(found: Forecast, tasks: int, left: int | None = None) -> str:
    """Return what further annotating is expected to bring.

    tasks: the number of annotated tasks of the version with the most. left: how many tasks of the project are not
    annotated; None if that is not known.
    """
    ahead = found.ahead
    band = _band(ahead)
    none_left = "No task is left, so further ones have to be added. " if left == 0 else ""
    if found.target is not None and found.more is not None:
        return none_left + _target_sentence(found, left)
    if ahead.f1 - found.now >= MIN_RISE:
        is_all = ahead is found.all_tasks
        what = f"All {ahead.tasks} tasks of the project" if is_all else f"Twice as many tasks ({ahead.tasks})"
        return f"{none_left}{what} should bring F1 from about {found.now:.2f} to about {ahead.f1:.2f} ({band})."
    which = _tasks(found, ahead)
    return (
        f"{none_left}More tasks of the same kind will change little: with {which} instead of {tasks}, F1 is "
        f"expected to be about {ahead.f1:.2f} ({band})."
    )


def _target_sentence(found: Forecast, left: int | None) -> str:
    """Return how many tasks the target needs, and what to expect if the project has fewer."""
    # annotations may have been deleted since the version was trained, so that more tasks are left than it had
    too_few = left if found.tasks_suffice is False and left is not None and left < (found.more or 0) else None
    ahead = found.ahead if too_few is None else found.all_tasks or found.ahead
    needed = f"About {counted(found.more or 0, 'more task')} should bring F1 to {found.target:.2f}"
    expected = f"an F1 of about {ahead.f1:.2f} is expected ({_band(ahead)})"
    if too_few is not None:
        return f"{needed}, but only {counted(too_few, 'task')} {_are(too_few)} left. With all tasks, {expected}."
    most = "possibly many more"
    if found.more_high:
        most = f"at most {counted(found.more_high, 'task')}, with 80 % confidence"
    return f"{needed} ({most}). With {_tasks(found, ahead)}, {expected}."


def _tasks(found: Forecast, ahead: Expected) -> str:
    return f"all {ahead.tasks} tasks of the project" if ahead is found.all_tasks else f"{ahead.tasks} tasks"


def _band(ahead: Expected) -> str:
    return f"{ahead.low:.2f} to {ahead.high:.2f} with 80 % confidence"
