"""If one project's entries in Redis are damaged, the other projects are still shown and trained."""

import json
import logging
from collections.abc import Callable
from typing import Any, NoReturn

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError

from huggingface_ner.jobs import status
from huggingface_ner.jobs.damaged_entries import affects_one_entry, explanation, is_damage
from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.jobs.redis_connection import connect
from huggingface_ner.jobs.status import project_status
from huggingface_ner.jobs.suggestion_marks import Suggestions
from huggingface_ner.json_values import read_json
from huggingface_ner.label_studio.events import START_TRAINING
from huggingface_ner.model import HuggingFaceNER
from huggingface_ner.settings import Settings
from tests.server.round_trips import RoundTrips

PROJECT = "huggingface-ner:finetuned_model:project:7"
SUGGESTIONS = "huggingface-ner:finetuned_model:suggestions:7"
Harm = Callable[[Redis], object]


def _field(name: str, value: str) -> Harm:
    return lambda redis: redis.hset(PROJECT, name, value)


def _other_type(key: str) -> Harm:
    def harm(redis: Redis) -> None:
        redis.delete(key)
        redis.set(key, "x")

    return harm


HARMS: dict[str, Harm] = {
    **{name: _field(name, "x") for name in ("updates", "asked", "run", "last", "recounts", "surplus")},
    "run of another form": _field("run", "[]"),
    "last of another form": _field("last", "[]"),
    "last with another value": _field("last", '{"status": "published", "reason": "x", "f1": "x"}'),
    "last with a number that is too large": _field(
        "last", f'{{"status": "failed", "reason": "x", "at": {10**400}}}'
    ),
    "phases with too large a number": lambda redis: redis.hset(
        PROJECT,
        mapping={"run": '{"id":"a","project_id":7,"answers":1,"began":1.0}', "phases": f'{{"saving": {10**400}}}'},
    ),
    "accepted of another form": _field(
        "last", '{"status": "published", "reason": "x", "accepted": {"share": []}}'
    ),
    "a count that is too large": _field("count_published", "9" * 400),
    "a time that is none": _field("label_studio_at", "nan"),
    "a time without end": _field("event_at", "1e999"),
    "last that is nested too deeply": _field("last", "[" * 100_000),
    "phases of another form": _field("seconds_training", "x"),
    "progress of another form": lambda redis: redis.hset(
        PROJECT, mapping={"run": '{"id":"a","project_id":7,"answers":1,"began":1.0}', "progress": "7"}
    ),
    "not UTF-8": lambda redis: redis.hset(PROJECT, "updates", b"\xff"),
    "project of another type": _other_type(PROJECT),
    "suggestions of another type": _other_type(SUGGESTIONS),
    "suggestions of another form": lambda redis: redis.hset(SUGGESTIONS, "state", "x"),
}


@pytest.fixture
def queue(redis_url: str) -> TrainingQueue:
    return TrainingQueue(connect(redis_url, timeout=10.0), Settings(start_training_each_n_updates=1))


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
def test_a_damaged_entry_affects_only_its_project(
    queue: TrainingQueue, redis_url: str, harm: Harm, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    redis = connect(redis_url, timeout=10.0)
    for project_id in (7, 8):
        queue.request_training(project_id)
        queue.request_recount(project_id)
        redis.hset(f"huggingface-ner:finetuned_model:project:{project_id}", "asked_last", "0")
        redis.hset(f"huggingface-ner:finetuned_model:project:{project_id}", "asked_first", "0")
        redis.hset(f"huggingface-ner:finetuned_model:project:{project_id}", "recount_due", "0")
    harm(redis)
    for _ in range(3):
        queue.enqueue_due()
        queue.suggestions.enqueue_due({7: "v", 8: "v"})
    jobs = {*queue.rq.job_ids, *queue.suggestions.rq.job_ids}
    assert {"train-8-1", "count-8", "suggest-8"} <= jobs
    damaged, sound = queue.overview()[0]
    assert (damaged["project"], sound["project"], sound["state"]) == (7, 8, "waiting")
    if damaged["state"] == "damaged":
        assert "delete the key" in damaged["reason"]
    assert len(caplog.messages) == len(set(caplog.messages)), "each damaged entry is logged once"
    assert all("project 7" in message for message in caplog.messages)


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
def test_damage_is_shown_if_it_has_an_effect(queue: TrainingQueue, redis_url: str, harm: Harm) -> None:
    """Damage in a field that the status does not need is not shown in the status."""
    queue.request_training(7)
    harm(connect(redis_url, timeout=10.0))
    (status,) = queue.statuses([7])
    assert status["state"] in ("damaged", "waiting")
    assert queue.status(7) == status


def test_a_field_that_is_missing_is_named(
    queue: TrainingQueue, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    queue.request_training(7)
    redis = connect(redis_url, timeout=10.0)
    redis.hset(PROJECT, "run", '{"id":"a","project_id":7,"answers":1,"began":1.0}')
    redis.hdel(PROJECT, "asked")
    queue.enqueue_due()
    (message,) = caplog.messages
    assert message == f"project 7: {queue.status(7)['reason']}"
    assert f"{PROJECT} in Redis is passed over: KeyError: 'asked'" in message


SHARED = ["filling", "reviewing", "recounting", "holding", "wanting"]


@pytest.mark.parametrize("name", SHARED)
def test_garbage_among_the_projects_that_wait_stops_none(queue: TrainingQueue, redis_url: str, name: str) -> None:
    _all_due(queue, connect(redis_url, timeout=10.0))
    redis, key = connect(redis_url, timeout=10.0), f"huggingface-ner:finetuned_model:{name}"
    for garbage in (b"\xff", b"x", b"9" * 50, b"-1"):
        if name in ("filling", "reviewing"):
            redis.zadd(key, {garbage: 0})
        else:
            redis.sadd(key, garbage)
    queue.enqueue_due()
    assert {*queue.rq.job_ids} == {"train-8-1", "count-8", "mentions-8", "review-8"}


@pytest.mark.parametrize("name", SHARED)
def test_a_damaged_key_that_all_projects_share_stops_only_its_kind_and_is_logged(
    queue: TrainingQueue, redis_url: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    _all_due(queue, connect(redis_url, timeout=10.0))
    key = f"huggingface-ner:finetuned_model:{name}"
    _other_type(key)(connect(redis_url, timeout=10.0))
    for _ in range(3):
        queue.enqueue_due()
    needs = {"filling": "mentions-8", "reviewing": "review-8", "recounting": "count-8", "wanting": "train-8-1"}
    assert {*queue.rq.job_ids} == {*needs.values()} - {needs.get(name)}
    (message,) = caplog.messages
    assert f"delete the key {key}" in message


def test_a_damaged_queue_is_logged(queue: TrainingQueue, redis_url: str, caplog: pytest.LogCaptureFixture) -> None:
    _all_due(queue, connect(redis_url, timeout=10.0))
    _other_type(queue.rq.key)(connect(redis_url, timeout=10.0))
    for _ in range(3):
        queue.enqueue_due()
    (message,) = caplog.messages
    assert f"delete the key {queue.rq.key}" in message


def test_a_damaged_queue_of_suggestions_is_logged(
    queue: TrainingQueue, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    _other_type(queue.suggestions.rq.key)(connect(redis_url, timeout=10.0))
    queue.suggestions.enqueue_due({7: "v1", 8: "v1"})
    (message,) = caplog.messages
    assert f"delete the key {queue.suggestions.rq.key}" in message


@pytest.mark.parametrize(
    "error",
    [
        ValueError("Job ID must only contain letters, numbers, underscores and dashes"),
        TypeError("enqueue_call() got an unexpected keyword argument"),
        KeyError("serializer"),
    ],
)
def test_an_error_that_is_no_damage_is_shown_with_its_message(
    queue: TrainingQueue,
    redis_url: str,
    error: Exception,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As when RQ refused the ids of jobs of a second Label Studio whose address has a dot."""

    def refuse(*args: object, **kwargs: object) -> NoReturn:
        raise error

    _all_due(queue, connect(redis_url, timeout=10.0))
    monkeypatch.setattr(queue.rq, "enqueue_call", refuse)
    for _ in range(3):
        queue.enqueue_due()
    (message,) = caplog.messages
    assert f"{queue.rq.key} in Redis is passed over: {type(error).__name__}: {error}" in message
    assert "delete" not in message


def test_an_error_that_is_no_damage_affects_only_its_project_in_the_status(
    queue: TrainingQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(project_id: int, *args: object) -> dict[str, Any]:
        if project_id == 7:
            raise ValueError("x" * 1_000)
        return project_status(project_id, *args)  # type: ignore[arg-type]

    for project_id in (7, 8):
        queue.request_training(project_id)
    monkeypatch.setattr(status, "project_status", fail)
    failed, sound = queue.overview()[0]
    assert (failed["state"], sound["state"]) == ("damaged", "waiting")
    assert f"ValueError: {'x' * 300}" in failed["reason"]
    assert len(failed["reason"]) < 500
    assert "delete" not in failed["reason"]


def _all_due(queue: TrainingQueue, redis: Redis) -> None:
    """Make a training, a recount, a fill and a review tab of project 8 due."""
    queue.request_training(8)
    queue.request_recount(8)
    queue.fills.request(8)
    queue.review_tabs.request(8)
    for field in ("asked_first", "asked_last", "recount_due"):
        redis.hset("huggingface-ner:finetuned_model:project:8", field, "0")
    for name in ("filling", "reviewing"):
        redis.zadd(f"huggingface-ner:finetuned_model:{name}", {"8": 0})


def test_webhooks_of_other_projects_are_counted(queue: TrainingQueue, redis_url: str) -> None:
    _other_type(PROJECT)(connect(redis_url, timeout=10.0))
    model = HuggingFaceNER(settings=Settings(), models=NoModels(), queue=queue)
    refused = model.fit(START_TRAINING, {"project": {"id": 7}})
    assert refused["error"] == "the project's entry in the queue is damaged"
    assert "error" not in model.fit(START_TRAINING, {"project": {"id": 8}}), "the circuit breaker is closed"


class NoModels:
    def model_for(self, project_id: int | None) -> NoReturn:
        raise AssertionError

    def model_version(self, project_id: int | None, timeout: float) -> str:
        return "baseline"


def test_keys_of_others_are_not_projects(queue: TrainingQueue, redis_url: str) -> None:
    redis = connect(redis_url, timeout=10.0)
    for name in ("x", "7x", "-1", "\u0667", "1" * 5_000):
        redis.hset(f"huggingface-ner:finetuned_model:project:{name}", "updates", 1)
        redis.sadd("huggingface-ner:finetuned_model:wanting", name)
    queue.request_training(8)
    assert queue.projects() == [8]
    queue.enqueue_due()


def test_one_round_trip_shows_all_known_projects(queue: TrainingQueue, redis_url: str) -> None:
    redis = connect(redis_url, timeout=10.0)
    for project_id in range(1, 201):
        queue.request_training(project_id)
    scans, trips = scanned(redis), RoundTrips(queue._redis)
    assert len(queue.overview()[0]) == 200
    assert trips.count == 2, "one to find them, one to read them"
    assert scanned(redis) == scans + 1
    assert len(queue.overview()[0]) == 200
    assert trips.count == 3
    assert scanned(redis) == scans + 2


def scanned(redis: Redis) -> int:
    return int(redis.info("commandstats").get("cmdstat_scan", {"calls": 0})["calls"])


def test_errors_of_redis_itself_are_not_damage() -> None:
    assert not is_damage(ReadOnlyError("You can't write against a read only replica."))
    assert not is_damage(RedisConnectionError("x"))
    assert not affects_one_entry(RedisConnectionError("x"))


@pytest.mark.parametrize(
    "read",
    [
        lambda: int("x"),
        lambda: int("9" * 5_000),
        lambda: int(float("nan")),
        lambda: int(float("inf")),
        lambda: float("x"),
        b"\xff".decode,
        lambda: json.loads("{"),
        lambda: json.loads("[" * 100_000),
        lambda: read_json("9" * 50),
        lambda: Suggestions.model_validate_json("{}"),
    ],
)
def test_what_cannot_be_read_is_damage(read: Callable[[], object]) -> None:
    with pytest.raises((ValueError, OverflowError, RecursionError)) as raised:
        read()
    assert is_damage(raised.value)
    shown = explanation("the-key", raised.value)
    assert "delete the key the-key" in shown
    assert "9" not in shown, "the entry is not quoted"


@pytest.mark.parametrize("error", [ValueError("x"), KeyError("x"), IndexError("x"), TypeError("x")])
def test_a_fault_is_not_damage(error: Exception) -> None:
    assert not is_damage(error)
    assert affects_one_entry(error)


def test_a_webhook_does_not_take_a_fault_for_damage(queue: TrainingQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> NoReturn:
        raise ValueError("not a number of updates")

    monkeypatch.setattr(queue, "request_training", fail)
    monkeypatch.setattr(queue, "hold_request", fail)
    with pytest.raises(ValueError, match="not a number of updates"):
        HuggingFaceNER(settings=Settings(), models=NoModels(), queue=queue).fit(
            START_TRAINING, {"project": {"id": 7}}
        )
