"""From webhooks to suggestions, over HTTP, with a real queue and a model that finds nothing."""

import copy
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.jobs.redis_connection import connect
from huggingface_ner.server.app import create_app
from huggingface_ner.serving.served_models import ServedModels
from huggingface_ner.settings import Settings
from tests import recorded

BODY = recorded("webhook_ANNOTATION_CREATED")["request"]["body"]
CONFIG = BODY["project"]["label_config"]
PROJECT = BODY["project"]["id"]


@pytest.fixture(scope="module")
def models() -> Any:
    """The packaged encoder, which has no head: it stands in for a default baseline that cannot be loaded."""
    served = ServedModels(Settings())
    served.start()
    assert served.wait(60).state == "ready"
    yield served
    served.close()


@pytest.fixture
def clients(redis_url: str, models: ServedModels, tmp_path: Path) -> list[FlaskClient]:
    """Two apps that stand in for two server processes: they share only Redis."""
    settings = Settings(model_dir=tmp_path)
    queues = [TrainingQueue(connect(redis_url, timeout=5), settings) for _ in range(2)]
    return [create_app(settings, models, queue).test_client() for queue in queues]


def event(text: str, *mentions: tuple[str, str], number: int = 1, action: str = "ANNOTATION_CREATED") -> Any:
    body: dict[str, Any] = copy.deepcopy(BODY)
    (region,) = body["annotation"]["result"]
    body["action"] = action
    body["task"].update(id=number, data={"text": text})
    body["annotation"].update(id=number, task=number, result=[])
    body["annotation"]["updated_at"] = f"2026-11-23T22:40:{len(text) % 60:02}Z"
    for string, label in mentions:
        value = {"start": text.index(string), "end": text.index(string) + len(string), "labels": [label]}
        body["annotation"]["result"].append({**region, "value": value})
    return body


def suggested(client: FlaskClient, text: str, config: str = CONFIG) -> list[tuple[str, str, float]]:
    tasks = [{"id": 99, "data": {"text": text}}]
    body = {"tasks": tasks, "project": f"{PROJECT}.1", "label_config": config}
    (result,) = client.post("/predict", json=body).get_json()["results"]
    assert result["model_version"]
    return [
        (region["value"]["text"], region["value"]["labels"][0], region["score"]) for region in result["result"]
    ]


def test_what_was_annotated_is_suggested_at_once_by_every_process(clients: list[FlaskClient]) -> None:
    one, other = clients
    assert suggested(other, "Ada Lovelace met Ada") == []
    answer = one.post("/webhook", json=event("Ada Lovelace", ("Ada Lovelace", "PER"))).get_json()
    assert answer["status"] == "ok"
    for client in clients:
        assert suggested(client, "Ada Lovelace met Ada") == [("Ada Lovelace", "PER", 1.0)]
    other.post("/webhook", json=event("Ada writes", ("Ada", "PER"), number=2))
    other.post("/webhook", json=event("Ada, a language", number=3))
    assert suggested(one, "Ada Lovelace met Ada") == [("Ada Lovelace", "PER", 1.0), ("Ada", "PER", 0.5)]
    other.post("/webhook", json=event("Ada, the language", number=4))
    assert suggested(one, "Ada Lovelace met Ada") == [("Ada Lovelace", "PER", 1.0)]


def test_suggestions_change_with_their_annotation(clients: list[FlaskClient]) -> None:
    one, other = clients
    one.post("/webhook", json=event("Ada", ("Ada", "PER")))
    assert suggested(other, "Ada") == [("Ada", "PER", 1.0)]
    one.post("/webhook", json=event("Ada!", ("Ada", "ORG"), action="ANNOTATION_UPDATED"))
    assert suggested(other, "Ada") == [("Ada", "ORG", 1.0)]
    skipped = event("Ada!!", action="ANNOTATION_UPDATED")
    skipped["annotation"]["was_cancelled"] = True
    one.post("/webhook", json=skipped)
    assert suggested(other, "Ada") == []
    one.post("/webhook", json=event("Ada!!!", ("Ada", "PER"), action="ANNOTATION_UPDATED"))
    assert suggested(other, "Ada") == [("Ada", "PER", 1.0)]
    deleted = {"action": "ANNOTATIONS_DELETED", "annotations": [{"id": 1}], "project": BODY["project"]}
    one.post("/webhook", json=deleted)
    assert suggested(other, "Ada") == []
    one.post("/webhook", json=event("Ada", ("Ada", "PER"), number=2))
    one.post("/webhook", json={"action": "TASKS_DELETED", "tasks": [{"id": 2}], "project": BODY["project"]})
    assert suggested(other, "Ada") == []


def test_labels_are_those_of_the_config_now(clients: list[FlaskClient]) -> None:
    one, other = clients
    one.post("/webhook", json=event("Ada", ("Ada", "PER")))
    renamed = CONFIG.replace('value="PER"', 'value="Person" predicted_values="PER"')
    assert suggested(other, "Ada", renamed) == [("Ada", "Person", 1.0)]
    removed = CONFIG.replace('<Label value="PER"/>', "")
    assert suggested(other, "Ada", removed) == []
    assert suggested(other, "Ada") == [("Ada", "PER", 1.0)]


def test_a_model_is_combined_with_the_strings(
    news_models: ServedModels, settings: Settings, queue: TrainingQueue, news_config: str
) -> None:
    client = create_app(settings, news_models, queue).test_client()
    text = "Amina Diallo flew from Dakar to Lyon with Qxz Wvk."
    before = suggested(client, text, news_config)
    assert ("Dakar", "LOC") in [one[:2] for one in before]
    body = event("Qxz Wvk", ("Qxz Wvk", "PER"))
    client.post("/webhook", json=body)
    after = suggested(client, text, news_config)
    assert ("Qxz Wvk", "PER", 1.0) in after
    assert [one for one in after if "Qxz" not in one[0] and "Wvk" not in one[0]] == [
        one for one in before if "Qxz" not in one[0] and "Wvk" not in one[0]
    ], "all other suggestions are the model's"


def test_a_gazetteer_needs_neither_annotations_nor_a_queue(models: ServedModels, tmp_path: Path) -> None:
    path = tmp_path / "names.tsv"
    path.write_text("Ada\tperson\n")
    client = create_app(Settings(model_dir=tmp_path, gazetteer=path), models).test_client()
    assert suggested(client, "Ada") == [("Ada", "PER", 1.0)]


def test_without_redis_predictions_are_still_answered(models: ServedModels, tmp_path: Path) -> None:
    settings = Settings(model_dir=tmp_path)
    queue = TrainingQueue(connect("redis://127.0.0.1:1/0", timeout=0.1), settings)
    client = create_app(settings, models, queue).test_client()
    assert client.post("/webhook", json=event("Ada", ("Ada", "PER"))).get_json()["status"] == "error"
    assert suggested(client, "Ada") == []
