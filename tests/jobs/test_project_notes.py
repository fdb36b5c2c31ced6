"""Notes on a project are stored in Redis, and the project's status shows them."""

from typing import Any

import pytest

from huggingface_ner.jobs.project_notes import MAX_NOTE_LENGTH
from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.jobs.redis_connection import connect
from huggingface_ner.label_studio.contacts import Contact
from huggingface_ner.label_studio.task_counts import TaskCounts
from huggingface_ner.learning.progress import Outcome, RunProgress
from huggingface_ner.settings import Settings


@pytest.fixture
def queue(redis_url: str) -> TrainingQueue:
    return TrainingQueue(connect(redis_url, timeout=5), Settings())


def test_a_project_that_is_connected_has_a_status(queue: TrainingQueue) -> None:
    queue.notes.note_setup(7, "http://labels.example")
    assert queue.projects() == [7]
    status = queue.status(7)
    assert (status["state"], status["address"]) == ("idle", "http://labels.example")
    assert status["setup_at"] > 0
    assert "title" not in status
    queue.notes.note_event(7, "News")
    queue.notes.note_event(7, "")
    assert queue.status(7)["title"] == "News", "an event without a title keeps the known title"


def test_it_is_known_whether_label_studio_answers(queue: TrainingQueue) -> None:
    queue.notes.note_contact(Contact(7, trouble="it does not answer"))
    known = queue.status(7)["label_studio"]
    assert (known["answers"], known["reason"], known["refuses_key"]) == (False, "it does not answer", False)
    queue.notes.note_contact(Contact(7, "it refuses the key", refuses_key=True))
    assert queue.status(7)["label_studio"]["refuses_key"]
    queue.notes.note_contact(Contact(7, title="News"))
    known = queue.status(7)["label_studio"]
    assert known["answers"]
    assert "reason" not in known
    assert queue.status(7)["title"] == "News"


def test_a_contact_that_an_older_release_stored_is_read(queue: TrainingQueue) -> None:
    old = {"label_studio": "it does not accept LABEL_STUDIO_API_KEY (HTTP 401)", "label_studio_at": "5.5"}
    queue._redis.hset(queue._key(7), mapping=dict[Any, Any](old))
    known = queue.status(7)["label_studio"]
    assert known == {"answers": False, "at": 5.5, "reason": old["label_studio"], "refuses_key": False}


def test_the_tasks_are_those_of_the_last_event_or_contact(queue: TrainingQueue, redis_url: str) -> None:
    other = TrainingQueue(connect(redis_url, timeout=5), Settings())
    assert "tasks" not in queue.status(7)
    for annotated in (1, 2, 1):
        queue.notes.note_event(7, "News", TaskCounts(9, annotated))
        assert queue.status(7)["tasks"]["annotated"] == annotated
        other.notes.note_contact(Contact(7, title="News", counts=TaskCounts(9, 5)))
        assert queue.status(7)["tasks"]["annotated"] == 5
        other.notes.note_contact(Contact(7))
        queue.notes.note_event(7, "News")
        assert queue.status(7)["tasks"]["annotated"] == 5, "an event without counts changes nothing"


@pytest.mark.parametrize("title", ["\ud83d", "x" * 10_000, "\x00", "a\nb"])
def test_odd_titles_are_stored(queue: TrainingQueue, title: str) -> None:
    queue.notes.note_event(7, title)
    shown = queue.status(7)["title"]
    assert 0 < len(shown) <= MAX_NOTE_LENGTH
    assert shown.endswith("…") == (len(title) > MAX_NOTE_LENGTH)


def test_a_note_that_cannot_be_stored_is_only_logged(caplog: pytest.LogCaptureFixture) -> None:
    queue = TrainingQueue(connect("redis://127.0.0.1:1/0"), Settings())
    queue.notes.note_event(7, "News")
    assert "could not be stored" in caplog.text


def test_the_same_note_is_not_written_again(queue: TrainingQueue) -> None:
    queue.notes.note_event(7, "News")
    queue._redis.delete(queue._key(7))
    queue.notes.note_event(7, "News")
    assert queue.projects() == []
    queue.notes.note_event(7, "Old news")
    assert queue.status(7)["title"] == "Old news"


def test_the_status_tells_how_many_trainings_come_first(queue: TrainingQueue) -> None:
    for project in (3, 4, 5, 6):
        queue.request_training(project)
    assert queue.begin(3) is not None
    for project in (5, 4):
        queue._enqueue("huggingface_ner.jobs.train.train_project", project, f"train-{project}-1")
    queue._enqueue("huggingface_ner.jobs.count.count_annotations", 6, "count-6")
    statuses = {status["project"]: status for status in queue.statuses(queue.projects())}
    assert {number: status.get("ahead") for number, status in statuses.items()} == {3: None, 4: 2, 5: 1, 6: None}


def test_the_phases_of_the_last_published_training_tell_the_time_left(queue: TrainingQueue) -> None:
    def begin() -> None:
        queue.request_training(7)
        run = queue.begin(7)
        assert run is not None
        queue.report(run, RunProgress("training", 10, 100, 1.0, 50.0))

    begin()
    assert queue.status(7)["run"]["seconds_left_in_all"] is None
    for status, phases in (("published", {"saving": 30.0}), ("unchanged", {"downloading": 2.0})):
        run = queue.running(7)
        assert run is not None
        queue.end(run, Outcome.model_validate({"status": status, "reason": "", "phases": phases}))
        assert "phases" not in queue.status(7)["last"]
        begin()
        assert queue.status(7)["run"]["seconds_left_in_all"] == 80.0
