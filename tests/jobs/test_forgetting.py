"""After a project is removed, Redis has nothing about it and still has everything about the others."""

import json
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from huggingface_ner.jobs import requested_jobs
from huggingface_ner.jobs.forgetting import forget_project
from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.jobs.queue_owner import claim_queue
from huggingface_ner.jobs.redis_connection import as_text, connect
from huggingface_ner.jobs.suggestion_marks import Suggestions
from huggingface_ner.label_studio.annotation_entries import AnnotationEntry, EntryText
from huggingface_ner.label_studio.annotation_events import AnnotationChanges
from huggingface_ner.learning.progress import RunProgress
from huggingface_ner.settings import Settings

PROJECTS = (7, 77, 70)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(model_dir=tmp_path, start_training_each_n_updates=2)


def _fill(queue: TrainingQueue, project: int) -> None:
    """Store everything that Redis can have about a project."""
    queue.count_updates(project, 1, added=1)
    queue.hold_request(project)
    queue.request_recount(project)
    queue.notes.put_token(project, f"token-{project}")
    queue.notes.note_setup(project, "http://localhost:8080")
    queue.notes.note_webhook(project, "note")
    entry = AnnotationEntry(1, project * 1_000, 1, texts=(EntryText("Anna flew.", ("l",), ()),))
    queue.mentions.note(project, AnnotationChanges(put=(entry,), removed=(2,), is_complete=False))
    for jobs in (queue.fills, queue.review_tabs):
        jobs.request(project)
        assert jobs.begin(project)
    queue.request_training(project)
    queue.suggestions.put(project, Suggestions(version="v"))
    queue.suggestions.acquire(project, f"holder-{project}")


def _contents(redis: Redis) -> dict[str, Any]:
    """Return the content of all our keys in Redis."""
    read: dict[str, Any] = {
        "string": redis.get,
        "hash": redis.hgetall,
        "set": redis.smembers,
        "zset": lambda key: redis.zrange(key, 0, -1, withscores=True),
        "list": lambda key: redis.lrange(key, 0, -1),
    }
    return {as_text(key): read[as_text(redis.type(key))](key) for key in redis.scan_iter("huggingface-ner:*")}


def test_a_project_is_forgotten_and_the_others_are_not(
    redis_url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requested_jobs, "DELAY", 0.0)
    redis = connect(redis_url, timeout=5)
    queue = TrainingQueue(redis, settings)
    claim_queue(redis, settings)
    for project in PROJECTS[1:]:
        _fill(queue, project)
    before = _contents(redis)
    _fill(queue, 7)
    run = queue.begin(7)
    assert run is not None
    assert len(_contents(redis)) > len(before) + 8
    forget_project(redis, settings, 7)
    assert _contents(redis) == before
    assert queue.projects() == [70, 77]
    assert not queue.report(run, RunProgress("training")), "its training stops"
    assert not queue.suggestions.renew(7, "holder-7")
    json.dumps(queue.overview()[0])


def test_a_project_without_data_can_be_forgotten(redis_url: str, settings: Settings) -> None:
    redis = connect(redis_url)
    forget_project(redis, settings, 7)
    assert not list(redis.scan_iter("*"))
