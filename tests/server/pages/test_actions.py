"""What the page's buttons do, and who may press them."""

from typing import Any

import lxml.html
import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Browser, expect
from pydantic import SecretStr
from werkzeug.test import TestResponse

from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.jobs.redis_connection import connect
from huggingface_ner.jobs.review_tab import REQUESTED
from huggingface_ner.server.app import create_app
from huggingface_ner.server.pages.guard import COOKIE, MAX_FORM
from huggingface_ner.serving.served_models import ServedModels
from huggingface_ner.settings import Settings
from huggingface_ner.store.versions import project_store
from tests.server.pages.projects import publish_curve, served

HTML = {"Accept": "text/html", "Host": "localhost"}
OURS = {"Sec-Fetch-Site": "same-origin", **HTML}
PASSWORD = {"Authorization": "Basic YW5uOnNlY3JldA=="}


@pytest.fixture
def names(settings: Settings) -> list[str]:
    return publish_curve(settings)


def _forms(client: FlaskClient, **headers: str) -> dict[str, str]:
    """Return the token of each form of the page, by its action."""
    page = lxml.html.document_fromstring(client.get("/projects/7", headers={**HTML, **headers}).data)
    return {form.get("action"): form.xpath(".//input[@name='token']/@value")[0] for form in page.xpath("//form")}


def _post(client: FlaskClient, path: str, token: str | None, **more: Any) -> TestResponse:
    headers = {**OURS, **more.pop("headers", {})}
    return client.post(path, data={} if token is None else {"token": token}, headers=headers, **more)


def test_a_training_is_started(client: FlaskClient, queue: TrainingQueue, names: list[str]) -> None:
    token = _forms(client)["7/train"]
    answer = _post(client, "/projects/7/train", token)
    assert (answer.status_code, answer.headers["Location"]) == (303, "../7")
    assert queue.status(7)["state"] == "waiting"
    assert "7/train" not in _forms(client), "it is waiting already"


@pytest.mark.parametrize("action", ["train", "review-tab"])
def test_nothing_is_requested_for_a_project_of_which_nothing_is_known(
    action: str, client: FlaskClient, queue: TrainingQueue, names: list[str], redis_url: str
) -> None:
    token = _forms(client)["7/train"]
    answer = _post(client, f"/projects/999/{action}", token)
    assert answer.status_code == 404
    assert "project 999: nothing is known about it yet" in answer.get_data(as_text=True)
    assert connect(redis_url).keys() == []
    queue.notes.note_setup(999, "")
    assert _post(client, f"/projects/999/{action}", token).status_code == 303


def test_the_tab_with_tasks_to_review_is_requested(
    client: FlaskClient, queue: TrainingQueue, names: list[str]
) -> None:
    answer = _post(client, "/projects/7/review-tab", _forms(client)["7/review-tab"])
    assert (answer.status_code, answer.headers["Location"]) == (303, "../7")
    assert queue.status(7)["review_tab"] == REQUESTED
    assert REQUESTED in client.get("/projects/7", headers=HTML).get_data(as_text=True)
    assert _post(client, "/projects/7/review-tab", "x" * 43).status_code == 403


def test_a_form_that_is_too_long_is_refused(client: FlaskClient, queue: TrainingQueue, names: list[str]) -> None:
    token = _forms(client)["7/train"]
    body = f"token={token}&more={'x' * 20_000}"
    answer = client.post(
        "/projects/7/train", data=body, headers=OURS, content_type="application/x-www-form-urlencoded"
    )
    assert answer.status_code == 413
    assert f"longer than {MAX_FORM} bytes" in answer.get_data(as_text=True)
    assert queue.status(7)["state"] == "idle"


def test_a_version_is_used_and_removed(client: FlaskClient, settings: Settings, names: list[str]) -> None:
    store, old, newest = project_store(settings.models_folder, 7), names[-2], names[-1]
    forms = _forms(client)
    assert f"7/versions/{newest}/use" not in forms, "it is in use"
    path = f"/projects/7/versions/{old}/"
    answer = _post(client, f"{path}use", forms[f"7/versions/{old}/use"])
    assert (answer.status_code, answer.headers["Location"]) == (303, "../../../7")
    assert store.current() == old
    refused = _post(client, f"{path}remove", forms[f"7/versions/{old}/use"])
    assert refused.status_code == 409
    assert "this version is in use" in refused.get_data(as_text=True)
    assert _post(client, f"/projects/7/versions/{names[-3]}/remove", forms["7/train"]).status_code == 303
    assert not store.folder(names[-3]).exists()
    assert len(store.history()) == len(names), "the curve still has the removed version"


@pytest.mark.parametrize("version", ["..", "x", "20260101-000000-0000", "%2e%2e", "current"])
def test_an_unknown_version_is_refused(
    version: str, client: FlaskClient, settings: Settings, names: list[str]
) -> None:
    token = _forms(client)["7/train"]
    for action in ("use", "remove"):
        assert _post(client, f"/projects/7/versions/{version}/{action}", token).status_code in (404, 405, 409)
    assert len(project_store(settings.models_folder, 7).versions()) == settings.keep_versions


@pytest.mark.parametrize(
    "change",
    [
        {"headers": {"Sec-Fetch-Site": "cross-site"}},
        {"headers": {"Sec-Fetch-Site": "same-site"}},  # Label Studio on another port
        {"headers": {"Sec-Fetch-Site": "none"}},
        {"token": None},
        {"token": ""},
        {"token": "é😀"},
        {"token": "x" * 43},
    ],
)
def test_a_form_of_another_site_is_refused(
    change: dict[str, Any], client: FlaskClient, queue: TrainingQueue, names: list[str]
) -> None:
    token = _forms(client)["7/train"]
    answer = _post(client, "/projects/7/train", **{"token": token, **change})
    assert answer.status_code == 403
    assert "load the page again" in answer.get_data(as_text=True)
    assert queue.projects() == []


def test_a_browser_without_sec_fetch_site_is_known_by_origin(
    client: FlaskClient, queue: TrainingQueue, names: list[str]
) -> None:
    token = _forms(client)["7/train"]
    for origin in ("http://evil.example", "null", "", "http://localhost:8080", "http://["):
        headers = {**HTML, **({"Origin": origin} if origin else {})}
        assert client.post("/projects/7/train", data={"token": token}, headers=headers).status_code == 403
    headers = {**HTML, "Origin": "http://localhost"}
    assert client.post("/projects/7/train", data={"token": token}, headers=headers).status_code == 303


@pytest.mark.parametrize(
    "change",
    [
        {"environ_overrides": {"REMOTE_ADDR": "192.168.1.5"}},
        {"headers": {"Host": "rebound.example"}},
        {"headers": {"X-Forwarded-For": "192.168.1.5"}},
        {"headers": {"Forwarded": "for=192.168.1.5"}},
    ],
)
def test_without_credentials_only_this_machine_may_act(
    change: dict[str, Any], client: FlaskClient, queue: TrainingQueue, names: list[str]
) -> None:
    token = _forms(client)["7/train"]
    answer = _post(client, "/projects/7/train", token, **change)
    assert answer.status_code == 403
    assert "BASIC_AUTH_USER" in answer.get_data(as_text=True)
    shown = client.get("/projects/7", **{**change, "headers": {**HTML, **change.get("headers", {})}})
    assert b"<form" not in shown.data
    assert "Set-Cookie" not in shown.headers
    assert queue.projects() == []


def test_with_credentials_everybody_who_has_them_may_act(
    settings: Settings, queue: TrainingQueue, names: list[str]
) -> None:
    given = {"basic_auth_user": "ann", "basic_auth_pass": SecretStr("secret")}
    with_auth = settings.model_copy(update=given)
    client = create_app(with_auth, ServedModels(with_auth), queue).test_client()
    far = {"Host": "ner.example", "X-Forwarded-For": "192.168.1.5", **PASSWORD}
    token = _forms(client, **far)["7/train"]
    assert _post(client, "/projects/7/train", token).status_code == 401
    assert _post(client, "/projects/7/train", token, headers=far).status_code == 303
    assert queue.status(7)["state"] == "waiting"


def test_the_cookie_is_ours_alone(client: FlaskClient, names: list[str]) -> None:
    cookie = client.get("/projects/7", headers=HTML).headers["Set-Cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie


def test_a_missing_queue_is_reported(settings: Settings, names: list[str]) -> None:
    client = create_app(settings, ServedModels(settings), None).test_client()
    answer = client.post("/projects/7/train", headers=OURS)
    assert answer.status_code == 503
    assert "REDIS_URL" in answer.get_data(as_text=True)
    for path in ("/projects/x/train", "/projects/7/review-tab"):
        assert client.post(path, headers={"Accept": "*/*"}).status_code == 503


def test_the_buttons_work_in_a_browser(browser: Browser, app: Flask, settings: Settings, names: list[str]) -> None:
    store = project_store(settings.models_folder, 7)
    context = browser.new_context()
    page = context.new_page()
    with served(app) as url:
        page.goto(f"{url}/projects/7")
        page.get_by_role("button", name="Train now").click()
        expect(page.get_by_role("status").first).to_have_text("A training starts in a few seconds")
        assert page.url == f"{url}/projects/7"
        page.get_by_text(f"Remove version {names[-2]}").click()
        page.get_by_role("button", name="Delete it for good").locator("visible=true").click()
        expect(page.locator(f'[id="version-{names[-2]}"]')).to_have_count(0)
        page.get_by_role("button", name=f"Use version {names[-3]}").click()
        expect(page.locator("h1")).to_be_visible()
        assert store.current() == names[-3]
        # a form of another site, sent by a person who has the page's cookie
        form = f"<form method=post action='{url}/projects/7/train'><button>x</button></form>"
        page.goto(f"data:text/html,{form}")
        page.get_by_role("button").click()
        expect(page.locator("body")).to_contain_text("load the page again")
    context.close()
