from typing import Any

import pytest
from pydantic import SecretStr

from huggingface_ner.learning.unknown_tokens import UnknownTokens
from huggingface_ner.server.pages.conditions import conditions
from huggingface_ner.server.webhook_credentials import ADVICE, ARRIVED
from huggingface_ner.settings import Settings

ANSWERS = {"label_studio": {"answers": True, "at": 1.0}}
REFUSED = (
    "Label Studio at LABEL_STUDIO_HOST=http://x does not accept LABEL_STUDIO_API_KEY (HTTP 401): make a token"
)
REFUSES = {"label_studio": {"answers": False, "reason": REFUSED, "refuses_key": True, "at": 1.0}}
AWAY = {"label_studio": {"answers": False, "reason": REFUSED, "refuses_key": False, "at": 1.0}}
OFF = Settings(predict_after_training=False)
ALL = Settings(predict_after_training=True)
WITH_KEY = Settings(label_studio_api_key=SecretStr("k"))


@pytest.mark.parametrize(
    ("status", "settings", "name", "state", "told"),
    [
        ({}, Settings(), "Label Studio", "unknown", "not contacted yet"),
        (ANSWERS, Settings(), "Label Studio", "good", "answered"),
        (
            REFUSES,
            WITH_KEY,
            "Label Studio",
            "bad",
            "401",
        ),
        ({}, Settings(), "API key", "unknown", "is not set"),
        ({}, WITH_KEY, "API key", "unknown", "not known yet if it is accepted"),
        (ANSWERS, WITH_KEY, "API key", "good", "is accepted"),
        (
            REFUSES,
            WITH_KEY,
            "API key",
            "bad",
            "is refused",
        ),
        (AWAY, WITH_KEY, "API key", "unknown", "not known yet if it is accepted"),
        ({}, Settings(), "Webhook", "unknown", "no event has arrived yet"),
        ({"webhook": ADVICE}, Settings(), "Webhook", "bad", "carries no credentials"),
        ({"webhook": ADVICE, "event_at": 1.0}, Settings(), "Webhook", "bad", "carries no credentials"),
        ({"webhook": ARRIVED}, Settings(), "Webhook", "good", "arrive with the credentials"),
        ({"webhook": ARRIVED, "event_at": 1.0}, Settings(), "Webhook", "good", "annotation events arrive"),
        ({"labels": "never suggested: X"}, Settings(), "Labels", "bad", "never suggested: X"),
        ({}, OFF, "Suggestions", "good", "when a task is opened"),
        ({"tasks": {"predictions": 1}}, OFF, "Suggestions", "good", "has stored 1 prediction"),
        ({}, Settings(), "Suggestions", "unknown", "renewed after the next training"),
        ({}, ALL, "Suggestions", "unknown", "stored after the next training"),
        (
            {"suggestions": {"version": "v", "state": "running", "tasks": 3, "reason": "no answer"}},
            *(Settings(), "Suggestions", "bad", "storing failed and is tried again: no answer"),
        ),
        (
            {"suggestions": {"version": "v", "state": "running", "tasks": 300, "reason": None}},
            *(Settings(), "Suggestions", "good", "suggestions of v are stored for 300 tasks; more are"),
        ),
        (
            {"suggestions": {"version": "v", "state": "complete", "tasks": 0, "has_more": False}},
            *(Settings(), "Suggestions", "good", "made when a task is opened"),
        ),
        (
            {"suggestions": {"version": "v", "state": "complete", "tasks": 10, "has_more": False}},
            *(Settings(), "Suggestions", "good", "suggestions of v are stored for 10 tasks"),
        ),
        (
            {"suggestions": {"version": "v", "state": "complete", "tasks": 10, "has_more": True}},
            *(Settings(), "Suggestions", "good", "PREDICT_AFTER_TRAINING=true stores them for all"),
        ),
        (
            {"suggestions": {"version": "v", "state": "failed", "tasks": 3, "reason": "no answer"}},
            *(Settings(), "Suggestions", "bad", "no answer"),
        ),
    ],
)
def test_each_condition_is_described(
    status: dict[str, Any], settings: Settings, name: str, state: str, told: str
) -> None:
    (found,) = [one for one in conditions(status, settings) if one.name == name]
    assert found.state == state
    assert told in found.text


def test_the_baseline_is_a_condition_only_if_it_does_not_know_the_language() -> None:
    unknown = UnknownTokens("an encoder", 100, 31)
    (found,) = [one for one in conditions({}, Settings(), unknown) if one.name == "Baseline"]
    assert (found.state, found.text) == ("bad", unknown.warning())
    for known in (None, UnknownTokens("an encoder", 100, 1)):
        assert "Baseline" not in [one.name for one in conditions({}, Settings(), known)]


def test_a_condition_says_when_it_was_learned() -> None:
    found = {one.name: one for one in conditions({"label_studio": {"answers": True, "at": 1000.0}}, Settings())}
    assert found["Label Studio"].when(1300.0) == "5 minutes ago"
    assert found["Webhook"].when(1300.0) == ""
