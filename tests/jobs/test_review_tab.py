"""The job makes the tab with tasks to review in a stand-in of Label Studio."""

from pathlib import Path

import pytest

from huggingface_ner.jobs import requested_jobs, review_tab
from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.jobs.redis_connection import connect
from huggingface_ner.jobs.review_tab import REQUESTED, make_review_tab, request_review_tab
from huggingface_ner.label_studio.review_tab import MAX_TASKS
from huggingface_ner.settings import Settings
from huggingface_ner.store.review_file import write_review
from huggingface_ner.store.versions import project_store
from tests.label_studio.test_review_tab import shown
from tests.label_studio_api import LEGACY_TOKEN, LabelStudioApi


@pytest.fixture
def settings(label_studio_api: LabelStudioApi, tmp_path: Path) -> Settings:
    return Settings(label_studio_host=label_studio_api.url, label_studio_api_key=LEGACY_TOKEN, model_dir=tmp_path)


@pytest.fixture
def queue(redis_url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> TrainingQueue:
    made = TrainingQueue(connect(redis_url, timeout=5), settings)
    monkeypatch.setattr(requested_jobs, "DELAY", 0.0)
    monkeypatch.setattr(review_tab, "begin_job", lambda: (settings, made))
    return made


def publish(settings: Settings, *tasks: int) -> None:
    review = {"dubious": [{"task": str(task)} for task in tasks]}
    project_store(settings.models_folder, 7).publish(lambda folder: write_review(folder, review), {})


def test_a_request_is_answered_once(
    settings: Settings, queue: TrainingQueue, label_studio_api: LabelStudioApi
) -> None:
    publish(settings, 5, 3)
    request_review_tab(queue, 7)
    assert queue.status(7)["review_tab"] == REQUESTED
    assert queue.review_tabs.due() == [7]
    assert queue.review_tabs.begin(7)
    make_review_tab(7)
    assert queue.review_tabs.due() == []
    *_, tab = label_studio_api.views
    assert shown(tab) == {3, 5}
    assert queue.status(7)["review_tab"].endswith("in Label Studio shows 2 tasks.")


def test_a_second_request_says_so_until_it_is_answered(
    redis_url: str, settings: Settings, queue: TrainingQueue, label_studio_api: LabelStudioApi
) -> None:
    """The server and the job are different processes, and both store notes on the tab."""
    publish(settings, 5)
    server = TrainingQueue(connect(redis_url, timeout=5), settings)
    for number in (1, 2):
        request_review_tab(server, 7)
        assert server.status(7)["review_tab"] == REQUESTED, f"request {number}"
        assert queue.review_tabs.begin(7)
        request_review_tab(server, 7)
        assert server.status(7)["review_tab"] == REQUESTED, "the tab is being made"
        make_review_tab(7)
        assert server.status(7)["review_tab"].endswith("shows 1 task.")


def test_tasks_without_room_are_counted(
    settings: Settings, queue: TrainingQueue, label_studio_api: LabelStudioApi
) -> None:
    publish(settings, *range(1, MAX_TASKS + 4))
    make_review_tab(7)
    assert queue.status(7)["review_tab"].endswith("shows 100 tasks; there was no room for 3 more.")


def test_before_a_training_there_is_nothing_to_show(
    settings: Settings, queue: TrainingQueue, label_studio_api: LabelStudioApi
) -> None:
    request_review_tab(queue, 7)
    assert queue.review_tabs.begin(7)
    make_review_tab(7)
    assert "train the project first" in queue.status(7)["review_tab"]
    assert label_studio_api.views == []
    assert not queue.review_tabs.begin(7), "trying again would not help"


@pytest.mark.parametrize(("status", "is_tried_again"), [(403, False), (500, True)])
def test_a_failure_is_shown_and_retried_if_that_may_help(
    settings: Settings, queue: TrainingQueue, label_studio_api: LabelStudioApi, status: int, is_tried_again: bool
) -> None:
    publish(settings, 5)
    label_studio_api.status = status
    request_review_tab(queue, 7)
    assert queue.review_tabs.begin(7)
    make_review_tab(7)
    assert str(status) in queue.status(7)["review_tab"]
    assert bool(queue.rq.connection.zcard(f"{queue.rq.name}:reviewing")) == is_tried_again
