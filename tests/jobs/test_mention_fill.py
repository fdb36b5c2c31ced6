"""A job and a training read known mentions from a stand-in of Label Studio."""

from pathlib import Path
from typing import Any

import pytest

from huggingface_ner.jobs import mention_fill, requested_jobs
from huggingface_ner.jobs.mention_changes import Position
from huggingface_ner.jobs.mention_fill import MentionFill, fill_mentions
from huggingface_ner.jobs.mention_store import MentionStore
from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.jobs.redis_connection import connect
from huggingface_ner.jobs.runs import MAX_ATTEMPTS
from huggingface_ner.label_studio.fetching import FetchError
from huggingface_ner.label_studio.gold import read_gold
from huggingface_ner.label_studio.labeling_config import parse_labeling_config
from huggingface_ner.label_studio.tasks import TaskReader
from huggingface_ner.left_out import LeftOut
from huggingface_ner.settings import Settings
from tests.jobs.test_train import config
from tests.jobs.trainings import Trainings
from tests.label_studio_api import LEGACY_TOKEN, LabelStudioApi

CONFIG = config("PER")


def task(number: int, text: str = "Ada", *annotation_ids: int) -> dict[str, Any]:
    value = {"start": 0, "end": 3, "labels": ["PER"]}
    region = {"from_name": "l", "to_name": "t", "type": "labels", "value": value}
    annotations = [{"id": one, "result": [region]} for one in annotation_ids or (number,)]
    return {"id": number, "data": {"t": text}, "annotations": annotations}


def stored(store: MentionStore, project: int = 7) -> dict[int, str]:
    changes = store.changes(project, Position())
    return {entry.annotation_id: entry.texts[0].text if entry.texts else "" for entry in changes.put}


@pytest.fixture
def queue(redis_url: str, label_studio_api: LabelStudioApi, monkeypatch: pytest.MonkeyPatch) -> TrainingQueue:
    settings = Settings(label_studio_host=label_studio_api.url, label_studio_api_key=LEGACY_TOKEN)
    made = TrainingQueue(connect(redis_url, timeout=5), settings)
    monkeypatch.setattr(requested_jobs, "DELAY", 0.0)
    monkeypatch.setattr(mention_fill, "begin_job", lambda: (settings, made))
    return made


@pytest.fixture
def store(queue: TrainingQueue) -> MentionStore:
    assert queue.mentions.store is not None
    return queue.mentions.store


def test_a_job_reads_all_annotations(
    queue: TrainingQueue, store: MentionStore, label_studio_api: LabelStudioApi
) -> None:
    label_studio_api.add(7, CONFIG, [task(1), task(2, "Ada II", 2, 3)])
    queue.fills.request(7)
    assert queue.fills.begin(7)
    fill_mentions(7)
    assert stored(store) == {1: "Ada", 2: "Ada II", 3: "Ada II"}
    assert store.changes(7, Position()).is_filled
    assert queue.fills.due() == []
    assert not queue.fills.begin(7)
    label_studio_api.tasks[7] = [task(2, "Ada II", 3)]
    fill_mentions(7)
    assert stored(store) == {3: "Ada II"}


@pytest.mark.parametrize("status", [403, 500])
def test_a_job_that_fails_is_tried_again_if_that_may_help(
    queue: TrainingQueue, label_studio_api: LabelStudioApi, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    label_studio_api.add(7, CONFIG, [task(1)])
    label_studio_api.status = status
    queue.fills.request(7)
    attempts = 0
    while queue.fills.begin(7):
        attempts += 1
        fill_mentions(7)
        assert "could not read annotations for known mentions" in caplog.text
        if queue._redis.zscore(queue.fills.key, "7") is not None:
            queue._redis.zadd(queue.fills.key, {"7": 0})
    assert attempts == (1 if status == 403 else MAX_ATTEMPTS)
    assert queue.fills.due() == []
    queue.fills.request(7)
    assert queue.fills.begin(7), "a new request starts new attempts"


def test_a_switched_off_job_reads_nothing(
    queue: TrainingQueue, label_studio_api: LabelStudioApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    off = TrainingQueue(queue._redis, Settings(known_mentions=False))
    monkeypatch.setattr(mention_fill, "begin_job", lambda: (Settings(), off))
    off.fills.request(7)
    fill_mentions(7)
    assert (off.fills.due(), label_studio_api.requests) == ([], [])


def test_a_worker_fills_a_project_and_so_does_a_training(
    trainings: Trainings, label_studio_api: LabelStudioApi
) -> None:
    store = trainings.queue.mentions.store
    assert store is not None
    label_studio_api.add(8, CONFIG, [task(1)])
    label_studio_api.tasks[7] = [task(number, f"Ada {number}") for number in range(1, 5)]
    trainings.queue.fills.request(8)
    with trainings.worker():
        trainings.until(lambda: store.changes(8, Position()).is_filled)
        assert stored(store, 8) == {1: "Ada"}
        trainings.queue.request_training(7)
        trainings.ended()
    assert stored(store) == {number: f"Ada {number}" for number in range(1, 5)}
    assert trainings.queue.status(7)["known_mentions"] == {"annotations": 4, "left_out": 0}


def test_no_text_is_fetched_twice_and_what_is_left_out_is_counted_once(store: MentionStore) -> None:
    fetched: list[str] = []

    def fetch(url: str) -> str:
        fetched.append(url)
        if url.endswith("no"):
            raise FetchError("no")
        return "Ada of the page"

    read = parse_labeling_config(CONFIG.replace("<Text", '<Text valueType="url"'))
    fill = MentionFill(store, 7, read, TaskReader(fetch, "http://ls"))
    left_out = LeftOut()
    tasks = [task(1, "http://ls/1"), task(2, "http://ls/no"), {"id": 3, "data": None, "annotations": None}]
    texts = list(read_gold(fill.watch(tasks), read, fill.reader, left_out))
    assert [text.text for text in texts] == ["Ada of the page"]
    assert fetched == ["http://ls/1", "http://ls/no"]
    assert dict(left_out.tasks) == {"not_fetched": 1}
    assert stored(store) == {1: "Ada of the page", 2: ""}


def test_tasks_are_read_if_redis_does_not_answer(caplog: pytest.LogCaptureFixture) -> None:
    store = MentionStore(connect("redis://127.0.0.1:1/0", timeout=0.1), "x")
    fill = MentionFill(store, 7, parse_labeling_config(CONFIG), TaskReader(str, "http://ls"))
    tasks = [task(number) for number in range(1, 5)]
    assert list(fill.watch(tasks)) == tasks
    assert caplog.text.count("its known mentions could not be stored") == 1


def test_reading_that_breaks_off_removes_nothing(store: MentionStore) -> None:
    read = parse_labeling_config(CONFIG)
    fill = MentionFill(store, 7, read, TaskReader(str, "http://ls"))
    list(fill.watch([task(1), task(2)]))
    broken = MentionFill(store, 7, read, TaskReader(str, "http://ls"))
    assert next(broken.watch([task(1)]))["id"] == 1
    assert stored(store) == {1: "Ada", 2: "Ada"}


def test_the_log_names_no_text(store: MentionStore, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "huggingface_ner")
    read = parse_labeling_config(CONFIG)
    list(MentionFill(store, 7, read, TaskReader(str, "http://ls")).watch([task(1, "Ada S3cret")]))
    assert "S3cret" not in caplog.text
