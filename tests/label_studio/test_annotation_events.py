"""Reading the changes of annotations from recorded webhook events."""

import copy
from typing import Any

import pytest

from huggingface_ner.label_studio import annotation_events
from huggingface_ner.label_studio.annotation_events import AnnotationChanges, read_changes
from huggingface_ner.label_studio.tasks import TaskReader
from tests import recorded, recorded_names

READER = TaskReader(str, "http://ls")


def _read(name: str) -> AnnotationChanges:
    body = recorded(f"webhook_{name}")["request"]["body"]
    return read_changes(body["action"], body, READER)


@pytest.mark.parametrize(
    ("name", "mentions"),
    [
        ("ANNOTATION_CREATED", ["Barack Obama"]),
        ("ANNOTATION_CREATED_basic_auth_backend", ["Barack Obama"]),
        ("ANNOTATIONS_CREATED_bulk", ["Task", "Task"]),
    ],
)
def test_what_is_annotated_is_in_the_event(name: str, mentions: list[str]) -> None:
    changes = _read(name)
    found = [
        text.text[mention.start : mention.end]
        for entry in changes.put
        for text in entry.texts
        for mention in text.mentions
    ]
    assert found == mentions
    assert changes.is_complete


@pytest.mark.parametrize("name", recorded_names("webhook_ANNOTATION_"))
def test_each_event_of_an_annotation_has_its_entry(name: str) -> None:
    body = recorded(name)["request"]["body"]
    (entry,) = read_changes(body["action"], body, READER).put
    assert (entry.annotation_id, entry.task_id) == (body["annotation"]["id"], body["task"]["id"])
    assert entry.is_cancelled == body["annotation"]["was_cancelled"]


def test_deletions_have_ids_only() -> None:
    assert _read("ANNOTATIONS_DELETED") == AnnotationChanges(removed=(71,))
    assert _read("TASKS_DELETED") == AnnotationChanges(removed_tasks=(3168,))
    assert read_changes("PROJECT_DELETED", {}, READER) == AnnotationChanges(is_project_deleted=True)


def test_imported_annotations_are_elsewhere() -> None:
    assert not _read("TASKS_CREATED").is_complete


@pytest.mark.parametrize("name", ["START_TRAINING", "PROJECT_UPDATED_title"])
def test_other_events_change_nothing(name: str) -> None:
    assert _read(name) == AnnotationChanges()


def test_of_very_many_annotations_the_first_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(annotation_events, "MAX_ENTRIES", 1)
    changes = _read("ANNOTATIONS_CREATED_bulk")
    assert (len(changes.put), changes.is_complete) == (1, False)


@pytest.mark.parametrize("path", ["annotation", "task", "project", "annotation.id", "annotation.task", "task.id"])
@pytest.mark.parametrize("value", [None, "x", [], {}, [None], -1, 1.5])
def test_a_malformed_event_changes_nothing(path: str, value: object) -> None:
    body: dict[str, Any] = copy.deepcopy(recorded("webhook_ANNOTATION_CREATED")["request"]["body"])
    part, _, key = path.rpartition(".")
    (body[part] if part else body)[key] = value
    assert read_changes(body["action"], body, READER).put == ()
    deleted = {"annotations": value, "tasks": value}
    for action in ("ANNOTATIONS_DELETED", "TASKS_DELETED"):
        changes = read_changes(action, deleted, READER)
        assert (changes.removed, changes.removed_tasks) == ((), ())
