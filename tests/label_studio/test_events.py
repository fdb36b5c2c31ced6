from typing import Any

import pytest

from huggingface_ner.label_studio.events import read_event
from tests import recorded, recorded_names


@pytest.mark.parametrize("name", recorded_names("webhook_"))
def test_every_recorded_event_names_its_project(name: str) -> None:
    body = recorded(name)["request"]["body"]
    event = read_event(body["action"], body)
    assert event.project_id == body["project"]["id"]
    assert event.counts is not None
    assert event.counts.in_all == body["project"]["task_number"]
    annotations = body.get("annotation", body.get("annotations", []))
    assert event.updates == (len(annotations) if isinstance(annotations, list) else 1)
    assert (event.updates > 0) == body["action"].startswith("ANNOTATION")
    assert (event.label_config is not None) == (body["action"] == "PROJECT_UPDATED")


@pytest.mark.parametrize(
    ("project", "number"),
    [
        (7, 7),
        ("7", 7),
        ("7.1795471223", 7),
        ({"id": 7}, 7),
        ({"id": "7"}, 7),
        (None, None),
        (-7, None),
        ("../x", None),
        ({"id": "../x"}, None),
        ({"id": None}, None),
        ({"title": "x"}, None),
        ([7], None),
        (True, None),
        (2**31, None),
    ],
)
def test_projects_in_any_form(project: Any, number: int | None) -> None:
    assert read_event("ANNOTATION_CREATED", {"project": project}).project_id == number


def test_an_event_without_anything_else() -> None:
    event = read_event("ANNOTATION_CREATED", {"action": "ANNOTATION_CREATED"})
    assert (event.project_id, event.updates) == (None, 1)
    assert read_event("SOMETHING_NEW", {"project": 7}).updates == 0
    assert read_event("PROJECT_UPDATED", {"project": {"id": 7, "label_config": 3}}).label_config is None


@pytest.mark.parametrize(
    ("project", "may_be"),
    [
        ({"id": 7, "min_annotations_to_start_training": 0}, False),
        ({"id": 7, "min_annotations_to_start_training": 1}, True),
        ({"id": 7, "min_annotations_to_start_training": 25}, True),
        ({"id": 7, "min_annotations_to_start_training": "0"}, True),
        ({"id": 7}, True),
        (7, True),
    ],
)
def test_the_event_says_whether_the_button_alone_can_have_sent_it(project: Any, may_be: bool) -> None:
    assert read_event("START_TRAINING", {"project": project}).may_be_automatic is may_be
    assert not read_event("ANNOTATION_CREATED", {"project": project}).may_be_automatic
