"""The metrics of the whole service, and the dashboard that shows them."""

import json
import os
import re
from typing import Any

import pytest
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families
from redis import RedisError

from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.jobs.redis_connection import connect
from huggingface_ner.jobs.worker_numbers import WorkerNumbers
from huggingface_ner.learning.progress import Outcome
from huggingface_ner.server import operator_metrics
from huggingface_ner.server.app import create_app
from huggingface_ner.serving.served_models import ServedModels
from huggingface_ner.settings import Settings
from huggingface_ner.store.versions import project_store
from tests import ROOT
from tests.server.round_trips import RoundTrips

Metrics = dict[tuple[str, tuple[str, ...]], float]


def _end(queue: TrainingQueue, project: int, **outcome: Any) -> None:
    queue.request_training(project)
    run = queue.begin(project)
    assert run is not None
    assert queue.end(run, Outcome.model_validate({"status": "published", "reason": "", **outcome}))


def _fill(settings: Settings, queue: TrainingQueue, redis_url: str) -> None:
    """Make all events happen that have a metric."""
    metrics = {"f1": 0.5, "correct": 5, "predicted": 10, "gold": 10, "tasks": 40}
    project_store(settings.models_folder, 7).publish(lambda folder: None, metrics)
    left_out = {"regions_seen": 99, "regions": {"inside": {"PER": 3}, "part_of_word": {"PER": 2}}}
    for seconds in (2.0, 3.0):
        _end(queue, 7, phases={"training": seconds, "saving": 1.5}, left_out=left_out)
    _end(queue, 7, status="refused", left_out=left_out)
    _end(queue, 8, status="failed", retryable=False)
    queue.count_updates(7, 3, added=3)
    queue.notes.count_pushed(7, 25)
    queue.request_training(9)
    WorkerNumbers(settings.queue_prefix, "host:1", os.getpid).write(connect(redis_url))


def _metrics(app: Flask) -> Metrics:
    text = app.test_client().get("/metrics").get_data(as_text=True)
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {
        (sample.name.removeprefix("huggingface_ner_"), (*sample.labels.values(),)): sample.value
        for sample in samples
    }


def test_all_metrics_of_the_whole_service_are_there(
    app: Flask, settings: Settings, queue: TrainingQueue, redis_url: str
) -> None:
    _fill(settings, queue, redis_url)
    metrics = _metrics(app)
    expected = {
        ("queue_up", ()): 1,
        ("projects", ()): 3,
        ("trainings_total", ("published", "7")): 2,
        ("trainings_total", ("refused", "7")): 1,
        ("trainings_total", ("failed", "8")): 1,
        ("training_phase_seconds_total", ("training",)): 5,
        ("training_phase_seconds_total", ("saving",)): 3,
        ("trainings_waiting", ()): 1,
        ("trainings_parked", ()): 1,
        ("trainings_running", ()): 0,
        ("model_f1", ("7",)): 0.5,
        ("model_version", ("7",)): 1,
        ("model_tasks", ("7",)): 40,
        ("updates_until_training", ("7",)): 7,
        ("left_out_regions", ("7",)): 3,
        ("suggestions_pushed_total", ("7",)): 25,
        ("workers", ()): 1,
    }
    assert {name: metrics.get(name) for name in expected} == expected
    assert 0 <= metrics["queue_age_seconds", ()] < 60
    for kind in ("worker", "job"):
        assert metrics[f"{kind}_process_resident_memory_bytes", ("host:1",)] > 1e6
        assert metrics[f"{kind}_process_cpu_seconds_total", ("host:1",)] > 0


def test_every_metric_of_the_dashboard_is_there(
    app: Flask, settings: Settings, queue: TrainingQueue, redis_url: str
) -> None:
    """Each expression names metrics that /metrics prints, and labels that they have."""
    _fill(settings, queue, redis_url)
    app.test_client().post("/predict", json={})
    dashboard = json.loads((ROOT / "docs" / "grafana.json").read_text(encoding="utf-8"))
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    expressions += [one["query"] for one in dashboard["templating"]["list"] if one["type"] == "query"]
    text = app.test_client().get("/metrics").get_data(as_text=True)
    labels: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    assert len(expressions) > 20
    for expression in expressions:
        named = re.findall(r"huggingface_ner_\w+", expression)
        assert named, expression
        for name in named:
            assert name in labels, f"{name} is not printed"
        asked = {*re.findall(r"(\w+)=~", expression)}
        asked |= {one.strip() for by in re.findall(r"by \(([^)]*)\)", expression) for one in by.split(",")}
        assert asked <= set.union(*(labels[name] for name in named)), expression
        assert expression.count("(") == expression.count(")")
    shown = {name for expression in expressions for name in re.findall(r"huggingface_ner_\w+", expression)}
    fresh = {name for name in labels if not name.endswith(("_created", "_count", "_sum", "_open_fds"))}
    assert fresh - shown == {
        f"huggingface_ner_{name}"
        for name in (
            *("projects", "ready", "regions_total"),
            *("worker_process_start_time_seconds", "job_process_start_time_seconds"),
        )
    }


def test_the_number_of_projects_is_bounded(
    app: Flask, queue: TrainingQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operator_metrics, "MAX_PROJECTS", 3)
    for project in range(1, 11):
        queue.count_updates(project, 1)
    for project in (4, 9):
        queue.notes.note_event(project, "")
    queue.request_training(6)
    metrics = _metrics(app)
    assert metrics["projects", ()] == 10
    assert sorted(labels for name, labels in metrics if name == "updates_until_training") == [
        ("4",),
        ("6",),
        ("9",),
    ]


def test_the_number_of_projects_makes_no_more_round_trips(app: Flask, queue: TrainingQueue) -> None:
    for project in range(1, 31):
        queue.count_updates(project, 1)
    round_trips = RoundTrips(queue._redis)
    assert _metrics(app)["projects", ()] == 30
    assert round_trips.count == 2, "one to find the new projects, one to read them"
    assert _metrics(app)["projects", ()] == 30
    assert round_trips.count == 3, "one for everything"


def test_without_a_queue_the_models_are_known(settings: Settings, redis_url: str) -> None:
    project_store(settings.models_folder, 7).publish(lambda folder: None, {"tasks": 12})
    metrics = _metrics(create_app(settings, ServedModels(settings)))
    assert (metrics["queue_up", ()], metrics["model_tasks", ("7",)]) == (0, 12)


def test_a_redis_that_does_not_answer_is_shown_and_breaks_nothing(
    app: Flask, queue: TrainingQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RedisError("away")

    monkeypatch.setattr(queue, "overview", fail)
    metrics = _metrics(app)
    assert (metrics["queue_up", ()], metrics["workers", ()]) == (0, 0)


def test_hostile_names_of_workers_stay_labels(app: Flask, settings: Settings, redis_url: str) -> None:
    redis = connect(redis_url)
    WorkerNumbers(settings.queue_prefix, 'a"} 1\nhuggingface_ner_queue_up 5\n', lambda: 0).write(redis)
    redis.hset(f"{settings.queue_prefix}:workers", "broken", "{")
    redis.hset(
        f"{settings.queue_prefix}:workers", "strange", '{"at": 99999999999, "worker": 5, "job": {"open_fds": "x"}}'
    )
    metrics = _metrics(app)
    assert metrics["queue_up", ()] == 1
    assert metrics["workers", ()] == 2


def test_texts_from_the_cache_and_refused_ones_are_counted(
    news_models: ServedModels, news_config: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = create_app(Settings(), news_models)
    body = {
        "tasks": [{"id": 1, "data": {"text": "Amina Diallo counts what is cached."}}],
        "label_config": news_config,
    }
    before = _metrics(app)["cached_texts_total", ()]
    for _ in range(3):
        assert app.test_client().post("/predict", json=body).status_code == 200
    after = _metrics(app)
    assert after["cached_texts_total", ()] - before >= 2
    monkeypatch.setattr(news_models._batcher, "refused", news_models.refused_texts + 5)
    app.test_client().get("/health")
    assert _metrics(app)["refused_texts_total", ()] == after["refused_texts_total", ()] + 5
