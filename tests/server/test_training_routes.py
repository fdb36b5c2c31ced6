"""From webhooks to trainings and their status, over HTTP, with a real queue."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from pydantic import SecretStr

from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.jobs.redis_connection import connect
from huggingface_ner.label_studio.labeling_config import parse_labeling_config
from huggingface_ner.learning.progress import Outcome
from huggingface_ner.server.app import create_app
from huggingface_ner.serving.served_models import ServedModels
from huggingface_ner.settings import Settings
from huggingface_ner.store.versions import project_store
from tests import recorded, recorded_names
from tests.jobs.test_damaged_entries import HARMS, Harm


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(model_dir=tmp_path, start_training_each_n_updates=2)


@pytest.mark.parametrize("name", recorded_names("webhook_"))
def test_every_recorded_webhook_is_counted(client: FlaskClient, queue: TrainingQueue, name: str) -> None:
    body = recorded(name)["request"]["body"]
    project = body["project"]["id"]
    answers = [client.post("/webhook", json=body).get_json() for _ in range(2)]
    assert all(answer["status"] == "ok" for answer in answers)
    jobs = [answer["job"] for answer in answers if "job" in answer]
    if body["action"] == "START_TRAINING":
        assert jobs == [f"train-{project}-1"] * 2
    elif body["action"].startswith("ANNOTATION"):
        assert jobs[-1] == f"train-{project}-1"
    else:
        assert jobs == []
    assert queue.status(project)["state"] == ("waiting" if jobs else "idle")


def test_other_labels_ask_for_a_training_and_another_title_does_not(
    client: FlaskClient, queue: TrainingQueue, settings: Settings
) -> None:
    body = recorded("webhook_PROJECT_UPDATED_label_config")["request"]["body"]
    project = body["project"]["id"]
    store = project_store(settings.models_folder, project)
    store.publish(lambda folder: None, {"label_names": ["SOMETHING"]})
    assert client.post("/webhook", json=body).get_json()["job"] == f"train-{project}-1"
    assert "job" not in client.post("/webhook", json=body).get_json(), "it was requested already"
    labels = parse_labeling_config(body["project"]["label_config"]).label_names
    time.sleep(1.01)  # versions sort by the second
    store.publish(lambda folder: None, {"label_names": list(reversed(labels))})
    queue.request_training_for_labels(project, ["OTHER"])
    assert "job" not in client.post("/webhook", json=body).get_json(), "the model knows these labels"
    store.publish(lambda folder: None, {"label_names": ["SOMETHING"]})
    assert "job" in client.post("/webhook", json=body).get_json(), "the labels are new again"
    broken = {**body, "project": {**body["project"], "label_config": "<View/>"}}
    assert "job" not in client.post("/webhook", json=broken).get_json()


@pytest.mark.parametrize("project", [None, -1, "../x", {"id": "../x"}, [1], True, {"title": "x"}, 10**12])
def test_forged_projects_are_ignored(
    client: FlaskClient, queue: TrainingQueue, tmp_path: Path, project: Any
) -> None:
    for action in ("ANNOTATION_CREATED", "START_TRAINING", "PROJECT_UPDATED", "NEWS"):
        answer = client.post("/webhook", json={"action": action, "project": project})
        assert (answer.status_code, answer.get_json()["status"]) == (200, "ignored")
    assert queue.projects() == []
    assert list(tmp_path.iterdir()) == []


def test_an_event_with_an_action_alone_is_ignored(client: FlaskClient) -> None:
    answer = client.post("/webhook", json={"action": "ANNOTATION_CREATED"})
    assert answer.get_json()["reason"] == "project: the event names no project"


def test_the_token_of_setup_is_stored_if_no_key_is_set(
    client: FlaskClient, queue: TrainingQueue, settings: Settings
) -> None:
    body = recorded("setup")["request"]["body"]
    project = int(body["project"].partition(".")[0])
    client.post("/setup", json=body)
    assert queue.notes.token(project) == body["access_token"]
    for token in (None, 3, "", "x" * 100_000, "\ud800", "a\nb", "tökén"):
        assert client.post("/setup", json={**body, "access_token": token}).status_code == 200
    assert queue.notes.token(project) == body["access_token"]
    with_key = settings.model_copy(update={"label_studio_api_key": SecretStr("ours")})
    other = create_app(with_key, ServedModels(with_key), queue).test_client()
    other.post("/setup", json={**body, "project": "99.1"})
    assert queue.notes.token(99) is None


def test_training_shows_the_status_of_projects(client: FlaskClient, queue: TrainingQueue) -> None:
    assert client.get("/training").json == {"projects": []}
    queue.request_training(7)
    assert client.get("/training?project=7").get_json()["state"] == "waiting"
    assert client.get("/training?project=7.1795471223").get_json()["project"] == 7
    run = queue.begin(7)
    assert run is not None
    queue.end(run, Outcome(status="published", reason="", version="v", f1=0.8, f1_before=0.7))
    assert [project["project"] for project in client.get("/training").get_json()["projects"]] == [7]
    assert client.get("/training?project=7").get_json()["last"]["f1"] == 0.8
    answer = client.get("/training?project=../x")
    assert answer.status_code == 400
    assert answer.get_json()["error"].startswith("project:")


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """A port that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("away", [True, False])
def test_if_redis_is_away_or_slow_the_answer_says_so_quickly(
    settings: Settings, deaf_port: int, away: bool, caplog: pytest.LogCaptureFixture
) -> None:
    queue = TrainingQueue(connect(f"redis://127.0.0.1:{1 if away else deaf_port}/0"), settings)
    create_client = create_app(settings, ServedModels(settings), queue).test_client
    client = create_client()
    for name in ("webhook_ANNOTATION_CREATED", "webhook_START_TRAINING"):
        began = time.monotonic()
        answer = client.post("/webhook", json=recorded(name)["request"]["body"])
        assert time.monotonic() - began < 0.9
        assert answer.status_code == 200
        assert answer.get_json()["status"] == "error"
        assert answer.get_json()["error"] == "the training queue does not answer"
    assert "is not counted" in caplog.text
    with ThreadPoolExecutor(8) as threads:
        began = time.monotonic()
        body = recorded("webhook_ANNOTATION_CREATED")["request"]["body"]
        post = [threads.submit(lambda: create_client().post("/webhook", json=body)) for _ in range(60)]
        assert {answer.result().get_json()["status"] for answer in post} == {"error"}
        assert time.monotonic() - began < 2.0, "not every request waits for Redis"
    assert client.get("/training").status_code == 503
    assert client.get("/health").get_json()["status"] == "UP"


def test_a_body_that_is_nested_too_deeply_is_named(client: FlaskClient) -> None:
    answer = client.post("/webhook", data="[" * 200_000)
    assert answer.status_code == 400
    long = client.post("/webhook", json={"action": "x" * 1_000_000, "project": 7})
    assert len(long.data) < 1000


def test_without_a_queue_the_answers_say_so(settings: Settings) -> None:
    client = create_app(settings, ServedModels(settings)).test_client()
    answer = client.post("/webhook", json={"action": "START_TRAINING", "project": 7})
    assert answer.get_json()["error"] == "there is no training queue: set REDIS_URL"
    assert client.get("/training").status_code == 503


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
def test_a_damaged_entry_leaves_every_page_and_the_metrics_up(
    client: FlaskClient, queue: TrainingQueue, redis_url: str, harm: Harm
) -> None:
    for project_id in (7, 8):
        queue.request_training(project_id)
    harm(connect(redis_url, timeout=10.0))
    for path in ("/", "/projects/7", "/projects/8"):
        for kind in ("text/html", "application/json"):
            assert client.get(path, headers={"Accept": kind}).status_code == 200, path
    assert client.get("/training").status_code == 200
    assert "huggingface_ner_projects 2.0" in client.get("/metrics").get_data(as_text=True)
