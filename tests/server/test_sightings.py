"""Facts about projects, stored from Label Studio's requests over HTTP."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.label_studio.events import read_event
from huggingface_ner.server.sightings import Sightings
from tests import recorded


def test_a_project_is_known_from_the_moment_it_is_connected(client: FlaskClient, queue: TrainingQueue) -> None:
    setup: dict[str, Any] = recorded("setup")["request"]["body"]
    assert client.post("/setup", json=setup).status_code == 200
    status = queue.status(32)
    assert (status["address"], "title" in status) == ("http://localhost:8080", False)
    event = recorded("webhook_TASKS_CREATED")["request"]["body"]
    assert client.post("/webhook", json=event).status_code == 200
    status = queue.status(event["project"]["id"])
    assert status["title"] == event["project"]["title"]
    assert status["event_at"] > 0
    assert status["tasks"] == {"in_all": 31, "annotated": 4, "skipped": 0, "left": 27, "predictions": 33}


@pytest.mark.parametrize("hostname", ["javascript:alert(1)", 3, None, "http://u:p@labels.example", "http://a b"])
def test_an_invalid_address_is_not_stored(queue: TrainingQueue, hostname: object) -> None:
    Sightings(queue).connected(7, hostname)
    assert queue.status(7)["address"] == ""


def test_without_a_queue_or_a_project_nothing_happens(queue: TrainingQueue) -> None:
    Sightings(None).connected(7, "http://localhost:8080")
    Sightings(queue).event_arrived(read_event("ANNOTATION_CREATED", {}))
    Sightings(queue).connected(None, "http://localhost:8080")
    assert queue.projects() == []
