import json
import os
import time
from typing import Any

import pytest
from redis import Redis, ResponseError

from huggingface_ner.jobs import worker_numbers
from huggingface_ner.jobs.redis_connection import connect
from huggingface_ner.jobs.worker_health import HEALTH_TTL
from huggingface_ner.jobs.worker_numbers import WorkerNumbers, numbers_key, working

PREFIX = "huggingface-ner:x"


def up(redis: Redis) -> dict[str, dict[str, Any]]:
    return working(redis.hgetall(numbers_key(PREFIX)))


def test_a_worker_tells_of_its_process_and_of_its_job(redis_url: str) -> None:
    redis = connect(redis_url)
    pids = [0]
    numbers = WorkerNumbers(PREFIX, "host:1", lambda: pids[0])
    numbers.write(redis)
    (told,) = up(redis).values()
    assert told["job"] == {}
    assert told["worker"]["resident_memory_bytes"] > 1e6
    pids[0] = os.getpid()
    numbers.write(redis)
    (told,) = up(redis).values()
    assert told["job"]["start_time_seconds"] == told["worker"]["start_time_seconds"]


def test_a_worker_that_has_ended_is_removed(redis_url: str) -> None:
    redis = connect(redis_url)
    old = json.dumps({"at": time.time() - HEALTH_TTL - 5, "worker": {}, "job": {}})
    for name, entry in (("old", old), ("broken", "["), ("text", '"x"'), ("none", "{}")):
        redis.hset(numbers_key(PREFIX), name, entry)
    assert up(redis) == {}
    WorkerNumbers(PREFIX, "host:1", lambda: 0).write(redis)
    assert list(redis.hgetall(numbers_key(PREFIX))) == [b"host:1"]


@pytest.mark.parametrize("name", [b"\xff", b"host:\xe2\x82", b"x" * 101, b"x" * 1_000_000])
@pytest.mark.parametrize("entry", ["fresh", "[" * 100_000, b"\xff"])
def test_a_damaged_name_costs_its_entry_alone(redis_url: str, name: bytes, entry: str | bytes) -> None:
    redis = connect(redis_url)
    WorkerNumbers(PREFIX, "host:1", lambda: 0).write(redis)
    fresh = json.dumps({"at": time.time(), "worker": {}, "job": {}})
    redis.hset(numbers_key(PREFIX), name, fresh if entry == "fresh" else entry)
    assert [*up(redis)] == ["host:1"]
    WorkerNumbers(PREFIX, "host:2", lambda: 0).write(redis)
    assert {*redis.hgetall(numbers_key(PREFIX))} == {b"host:1", b"host:2"}, "it is removed"


def test_a_job_that_has_just_ended_has_no_numbers(redis_url: str) -> None:
    redis = connect(redis_url)
    WorkerNumbers(PREFIX, "host:1", lambda: 2**22 + 1).write(redis)
    assert up(redis)["host:1"]["job"] == {}


def test_the_number_of_workers_is_bounded(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_numbers, "MAX_WORKERS", 3)
    redis = connect(redis_url)
    for number in range(5):
        WorkerNumbers(PREFIX, f"host:{number}", lambda: 0).write(redis)
    assert list(up(redis)) == ["host:0", "host:1", "host:2"]


def test_an_entry_that_is_no_hash_names_no_workers() -> None:
    assert working(ResponseError("WRONGTYPE")) == {}
