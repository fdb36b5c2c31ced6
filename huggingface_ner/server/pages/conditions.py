"""Checks whether everything that a project needs is working, as far as this is known."""

from dataclasses import dataclass
from typing import Any, Literal

from huggingface_ner.jobs.suggestion_marks import FURTHER_TASKS
from huggingface_ner.json_values import mapping, whole_number_or_zero
from huggingface_ner.learning.unknown_tokens import UnknownTokens
from huggingface_ner.server.pages.words import ago, counted
from huggingface_ner.server.webhook_credentials import ARRIVED, GIVEN
from huggingface_ner.settings import Settings


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that has to work. at: when this was learned, in seconds since 1970."""

    name: str
    state: Literal["good", "bad", "unknown"]
    text: str
    at: float | None = None

    def when(self, now: float) -> str:
        """Return how long ago it was learned; "" if that is not known."""
        return "" if self.at is None else ago(self.at, now)


def conditions(
    status: dict[str, Any], settings: Settings, unknown_tokens: UnknownTokens | None = None
) -> tuple[Condition, ...]:
    """Return the conditions of a project, given its status.

    unknown_tokens: the tokens of its texts that the baseline does not know, as far as a training has counted them.
    """
    found = [_label_studio(status), _key(status, settings), _webhook(status)]
    if "labels" in status:
        found.append(Condition("Labels", "bad", status["labels"]))
    warning = unknown_tokens.warning() if unknown_tokens else ""
    if warning:
        found.append(Condition("Baseline", "bad", warning))
    return (*found, _suggestions(status, settings))


def _label_studio(status: dict[str, Any]) -> Condition:
    known = status.get("label_studio")
    if known is None:
        return Condition("Label Studio", "unknown", "not contacted yet")
    text = "answered" if known["answers"] else known["reason"]
    return Condition("Label Studio", "good" if known["answers"] else "bad", text, known["at"])


def _key(status: dict[str, Any], settings: Settings) -> Condition:
    known = status.get("label_studio")
    is_set = settings.label_studio_api_key is not None
    key = "LABEL_STUDIO_API_KEY" if is_set else "the token that Label Studio sent"
    if known and known["answers"]:
        return Condition("API key", "good", f"{key} is accepted", known["at"])
    if known and known.get("refuses_key"):
        return Condition("API key", "bad", f"{key} is refused", known["at"])
    text = (
        "LABEL_STUDIO_API_KEY is set; not known yet if it is accepted"
        if is_set
        else "LABEL_STUDIO_API_KEY is not set"
    )
    return Condition("API key", "unknown", text)


def _webhook(status: dict[str, Any]) -> Condition:
    note, event_at = status.get("webhook"), status.get("event_at")
    if note is not None and note not in (ARRIVED, GIVEN):
        return Condition("Webhook", "bad", note)
    if event_at is not None:
        return Condition("Webhook", "good", "annotation events arrive", event_at)
    if note is not None:
        return Condition("Webhook", "good", note)
    return Condition("Webhook", "unknown", "no event has arrived yet; the first annotation sends one")


def _suggestions(status: dict[str, Any], settings: Settings) -> Condition:
    given = status.get("suggestions")
    if given is None and settings.predict_after_training:
        is_all = settings.predict_after_training is True
        text = (
            "stored after the next training"
            if is_all
            else ("made when a task is opened; those that are stored are renewed after the next training")
        )
        return Condition("Suggestions", "unknown", text)
    if given is None or (given["state"] == "complete" and not given["tasks"]):
        predictions = whole_number_or_zero(mapping(status.get("tasks")).get("predictions"))
        so_far = f"; Label Studio has stored {counted(predictions, 'prediction')}" if predictions else ""
        return Condition("Suggestions", "good", f"made when a task is opened{so_far}")
    stored = f"suggestions of {given['version']} are stored for {counted(given['tasks'], 'task')}"
    if given["state"] == "failed":
        reason = given.get("reason") or "the reason is not known"
        return Condition("Suggestions", "bad", f"{stored}; then storing failed: {reason}")
    if given["state"] == "running" and given.get("reason"):
        return Condition("Suggestions", "bad", f"{stored}; storing failed and is tried again: {given['reason']}")
    if given["state"] == "running":
        return Condition("Suggestions", "good", f"{stored}; more are being stored")
    return Condition("Suggestions", "good", f"{stored}; {FURTHER_TASKS}" if given["has_more"] else stored)
