"""Puts the credentials into webhooks, through a stand-in for Label Studio's API."""

import base64
import time
from typing import Any

import pytest

from huggingface_ner.jobs import count
from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.label_studio.client import LabelStudioClient
from huggingface_ner.server import webhook_credentials
from huggingface_ner.server.webhook_credentials import ADVICE, ARRIVED, GIVEN, NO_WEBHOOK, WebhookCredentials
from huggingface_ner.settings import Settings
from tests.label_studio_api import LEGACY_TOKEN, LabelStudioApi
from tests.waiting import until

HEADER = "Basic " + base64.b64encode("ann:pässword".encode()).decode()
HOST = "backend:9090"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_credentials, "REGISTRATION_DELAY", 0.0)
    monkeypatch.setattr(webhook_credentials, "RETRY_DELAYS", (0.1, 0.1))


@pytest.fixture
def credentials(queue: TrainingQueue, label_studio_api: LabelStudioApi) -> WebhookCredentials:
    return WebhookCredentials(_settings(label_studio_api, label_studio_api_key=LEGACY_TOKEN), queue)


def _settings(api: LabelStudioApi, **chosen: Any) -> Settings:
    chosen = {"basic_auth_user": "ann", "basic_auth_pass": "pässword", **chosen}
    return Settings(label_studio_host=api.url, **chosen)


def _noted(queue: TrainingQueue, project_id: int = 7) -> str:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        note = queue.status(project_id).get("webhook")
        if note is not None:
            return str(note)
        time.sleep(0.02)
    raise AssertionError("no note was stored")


def test_a_webhook_of_ours_is_given_the_credentials(
    credentials: WebhookCredentials, queue: TrainingQueue, label_studio_api: LabelStudioApi
) -> None:
    label_studio_api.add_backend(7, f"http://{HOST}/a/", "ann")
    label_studio_api.add_backend(7, f"http://{HOST}/b", "bob")
    label_studio_api.add_backend(7, "http://elsewhere:9090", "ann")
    ours = label_studio_api.add_webhook(7, f"http://{HOST}/a/webhook", headers={"X-Kept": "1"})
    others = [
        label_studio_api.add_webhook(7, f"http://{HOST}/b/webhook"),
        label_studio_api.add_webhook(7, f"http://{HOST}/webhook"),
        label_studio_api.add_webhook(7, "http://elsewhere:9090/webhook"),
        label_studio_api.add_webhook(8, f"http://{HOST}/a/webhook"),
    ]
    credentials.look_after(7, HOST)
    assert _noted(queue) == GIVEN
    assert ours["headers"] == {"X-Kept": "1", "Authorization": HEADER}
    assert all(other["headers"] == {} for other in others)


def test_a_webhook_with_the_credentials_is_left_alone(
    credentials: WebhookCredentials, queue: TrainingQueue, label_studio_api: LabelStudioApi
) -> None:
    for credentials_in_url, headers in (("", {"Authorization": HEADER}), ("ann:p%C3%A4ssword@", {})):
        url = f"http://{credentials_in_url}{HOST}"
        label_studio_api.add_backend(7, url, "" if credentials_in_url else "ann")
        label_studio_api.add_webhook(7, f"{url}/webhook", headers=headers)
    credentials.look_after(7, HOST)
    assert _noted(queue) == GIVEN
    assert not [request for request in label_studio_api.requests if request.startswith("PATCH")]


def test_a_webhook_that_comes_after_setup_is_waited_for(
    credentials: WebhookCredentials, queue: TrainingQueue, label_studio_api: LabelStudioApi
) -> None:
    label_studio_api.add_backend(7, "http://seen-otherwise-behind-a-proxy", "ann")
    credentials.look_after(7, HOST)
    until = time.monotonic() + 20
    while "GET /api/webhooks/" not in label_studio_api.requests and time.monotonic() < until:
        time.sleep(0.01)
    ours = label_studio_api.add_webhook(7, "http://seen-otherwise-behind-a-proxy/webhook")
    assert _noted(queue) == GIVEN
    assert ours["headers"] == {"Authorization": HEADER}


def test_without_a_key_the_note_says_what_to_do(
    queue: TrainingQueue, label_studio_api: LabelStudioApi, caplog: pytest.LogCaptureFixture
) -> None:
    WebhookCredentials(_settings(label_studio_api), queue).look_after(7, HOST)
    note = _noted(queue)
    assert note.startswith(ADVICE)
    assert "LABEL_STUDIO_API_KEY is not set" in note
    assert "project 7: Label Studio's webhook carries no credentials" in caplog.text
    assert "pässword" not in caplog.text


def test_a_missing_webhook_is_noted(
    credentials: WebhookCredentials, queue: TrainingQueue, label_studio_api: LabelStudioApi
) -> None:
    label_studio_api.add_backend(7, f"http://{HOST}", "ann")
    label_studio_api.add_webhook(7, "http://other-name:9090/webhook")
    credentials.look_after(7, HOST)
    assert _noted(queue) == NO_WEBHOOK


def test_a_backend_that_is_connected_again_is_checked_soon(
    credentials: WebhookCredentials,
    queue: TrainingQueue,
    label_studio_api: LabelStudioApi,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If Label Studio was started without its variables for webhooks, it requests /setup only once."""
    monkeypatch.setattr(webhook_credentials, "COOLDOWN_SECONDS", 0.5)
    label_studio_api.add_backend(7, f"http://{HOST}", "ann")
    credentials.look_after(7, HOST)
    assert _noted(queue) == NO_WEBHOOK
    ours = label_studio_api.add_webhook(7, f"http://{HOST}/webhook")
    credentials.look_after(7, HOST)
    until = time.monotonic() + 20
    while not ours["headers"] and time.monotonic() < until:
        time.sleep(0.02)
    assert ours["headers"] == {"Authorization": HEADER}


def test_events_that_were_refused_before_are_counted_later(
    credentials: WebhookCredentials,
    queue: TrainingQueue,
    label_studio_api: LabelStudioApi,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(count, "EVENT_SECONDS", 0.0)
    monkeypatch.setattr(webhook_credentials, "TRUST_SECONDS", 0.0)
    client = LabelStudioClient(_settings(label_studio_api, label_studio_api_key=LEGACY_TOKEN))
    label_studio_api.add(7, "<View/>", [{"id": 1, "data": {}, "annotations": [{}, {}]}])
    label_studio_api.add_backend(7, f"http://{HOST}", "ann")
    ours = label_studio_api.add_webhook(7, f"http://{HOST}/webhook")
    credentials.look_after(7, HOST)
    assert _noted(queue) == GIVEN
    count.recount_annotations(queue, client, 7)
    assert queue.status(7)["updates"] == 2
    assert queue.requested_recount(7) is None

    ours["headers"] = {}  # as if the backend had been connected again
    label_studio_api.tasks[7][0]["annotations"] = [{}] * 5
    credentials.look_after(7, HOST)
    until(lambda: queue.requested_recount(7) is not None)
    count.recount_annotations(queue, client, 7)
    assert queue.status(7)["updates"] == 5

    credentials.arrived(7)
    assert queue.requested_recount(7) is not None
    count.recount_annotations(queue, client, 7)
    credentials.arrived(7)
    assert queue.requested_recount(7) is None, (
        "there is only one recount, for the events that were sent while the service was down"
    )


def test_a_note_that_events_arrive_is_kept_until_a_restart(
    queue: TrainingQueue, label_studio_api: LabelStudioApi
) -> None:
    credentials = WebhookCredentials(_settings(label_studio_api), queue)
    credentials.arrived(7)
    assert _noted(queue) == ARRIVED
    credentials.look_after(7, HOST)
    time.sleep(1)
    assert _noted(queue) == ARRIVED, "if events arrive, a missing key does not matter"
    started_again = WebhookCredentials(_settings(label_studio_api), queue)
    started_again.look_after(7, HOST)
    time.sleep(1)
    assert _noted(queue).startswith(ADVICE), "the credentials may have changed"
    started_again.arrived(7)
    assert _noted(queue) == ARRIVED


def test_nothing_is_done_if_no_credentials_are_set(queue: TrainingQueue, label_studio_api: LabelStudioApi) -> None:
    credentials = WebhookCredentials(Settings(label_studio_host=label_studio_api.url), queue)
    credentials.look_after(7, HOST)
    credentials.arrived(7)
    time.sleep(0.3)
    assert "webhook" not in queue.status(7)
    assert label_studio_api.requests == []
