"""The worker runs only the jobs on its allowlist, so someone who can write to Redis cannot run code in it."""

import json
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis
from rq.exceptions import NoSuchJobError
from rq.serializers import JSONSerializer

from huggingface_ner.jobs.allowed_jobs import (
    COUNT,
    FILL,
    FUNCTIONS,
    MAX_LOGGED,
    MAX_PROJECT_ID,
    MAX_SECONDS,
    REVIEW,
    SUGGEST,
    TRAIN,
    AllowedJob,
)
from tests.jobs.trainings import Trainings, children

TRAIN_BEFORE = "huggingface_ner.training.job.train_project"
SUGGEST_BEFORE = "huggingface_ner.training.suggestions.suggest_project"
# A module that touches a file when it is imported, and when its function is called.
TRAP = """
from pathlib import Path

TOUCHED = Path(__file__).with_name("touched")
TOUCHED.touch()

def touch(*arguments, **keywords):
    TOUCHED.touch()
"""
HARMLESS: dict[str, Any] = {"function": TRAIN, "args": [7]}
REFUSED: dict[str, dict[str, Any]] = {
    "another-function": {"function": "trap.touch"},
    "a-command": {"function": "subprocess.call", "args": [["touch", "touched"]]},
    "one-of-our-functions": {"function": "huggingface_ner.jobs.worker.run_worker", "args": [7]},
    "no-function": {"function": None, "args": [7]},
    "a-function-that-is-not-a-name": {"function": [TRAIN], "args": [7]},
    "an-endless-name": {"function": "trap." + "touch\n\u2028\x1b[31m" * 500, "args": [7]},
    "an-instance": {**HARMLESS, "instance": {"py/object": "trap.touch"}},
    "no-project": {**HARMLESS, "args": []},
    "a-project-that-is-text": {**HARMLESS, "args": ["7"]},
    "a-project-that-is-true": {**HARMLESS, "args": [True]},
    "a-project-that-is-not-an-id": {**HARMLESS, "args": [0]},
    "a-huge-project": {**HARMLESS, "args": [MAX_PROJECT_ID + 1]},
    "arguments-that-are-an-object": {**HARMLESS, "args": {"0": 7}},
    "too-many-arguments": {**HARMLESS, "args": [7, "v"]},
    "keywords": {**HARMLESS, "kwargs": {"project_id": 7}},
    "no-version": {"function": SUGGEST, "args": [7]},
    "a-version-that-is-not-text": {"function": SUGGEST, "args": [7, 1]},
    "a-long-version": {"function": SUGGEST, "args": [7, "v" * 201]},
    "data-that-are-huge": {"data": zlib.compress(b"[" + b" " * 10_000_000)},
    "data-that-are-deep": {"data": b"[" * 9_000},
    "data-that-are-not-json": {"data": b"\x80\x05crash\n"},
    "data-that-are-not-a-list": {"data": b"7"},
    "no-data": {"data": b""},
    "a-success-callback": {**HARMLESS, "success_callback_name": "trap.touch"},
    "a-failure-callback": {**HARMLESS, "failure_callback_name": "trap.touch"},
    "a-stopped-callback": {**HARMLESS, "stopped_callback_name": "trap.touch"},
    "webhooks": {**HARMLESS, "webhooks": '[{"url": "http://127.0.0.1:1/", "job_status": "finished"}]'},
    "a-dependency": {**HARMLESS, "dependency_ids": '["train-7-1"]'},
    "an-old-dependency": {**HARMLESS, "dependency_id": "train-7-1"},
    "a-group": {**HARMLESS, "group_id": "group"},
    "retries": {**HARMLESS, "retries_left": 3},
    "repeats": {**HARMLESS, "repeats_left": 3},
    "a-rate-limit": {**HARMLESS, "rate_limit_key": "key"},
    "an-unknown-status": {**HARMLESS, "status": "running away"},
    "a-timeout-that-is-not-a-number": {**HARMLESS, "timeout": "soon"},
    "a-huge-timeout": {**HARMLESS, "timeout": MAX_SECONDS + 1},
    "an-endless-lifetime": {**HARMLESS, "result_ttl": -1},
}


def _fields(
    function: Any = None, args: Any = (), kwargs: Any = None, instance: Any = None, **fields: Any
) -> dict[Any, Any]:
    """Return the hash of a job as RQ writes it; ``fields`` replace or extend its fields."""
    data = json.dumps([function, instance, args, kwargs or {}]).encode()
    return {"data": zlib.compress(data), "status": "queued", "timeout": 600, **fields}


def _put(redis: Redis, job_id: str, queue: str, **job: Any) -> None:
    """Put a job in front of a queue."""
    redis.hset(f"rq:job:{job_id}", mapping={"origin": queue, **_fields(**job)})
    redis.lpush(f"rq:queue:{queue}", job_id)


@pytest.mark.parametrize("name", REFUSED)
def test_a_job_that_is_not_on_the_allowlist_is_refused(
    name: str, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    redis = Redis.from_url(redis_url)
    _put(redis, name, "q", **REFUSED[name])
    with pytest.raises(NoSuchJobError):
        AllowedJob.fetch(name, connection=redis, serializer=JSONSerializer)
    assert not redis.exists(f"rq:job:{name}"), "the refused job is removed"
    (record,) = caplog.records
    assert name in record.message
    assert record.levelname == "WARNING"
    assert record.message.isprintable()
    assert record.message.isascii()
    assert len(record.message) < 2 * MAX_LOGGED + 150
    _put(redis, name, "q", **REFUSED[name])
    assert AllowedJob.fetch_many([name, "missing"], redis, JSONSerializer) == [None, None]


@pytest.mark.parametrize(
    ("name", "args", "known"),
    [
        (TRAIN, [7], TRAIN),
        (COUNT, [7], COUNT),
        (FILL, [7], FILL),
        (REVIEW, [7], REVIEW),
        (TRAIN_BEFORE, [7], TRAIN),
        (SUGGEST, [7, "v"], SUGGEST),
        (SUGGEST_BEFORE, [7, "v"], SUGGEST),
    ],
)
def test_our_jobs_and_those_of_the_previous_release_are_known(
    name: str, args: list[Any], known: str, redis_url: str
) -> None:
    redis = Redis.from_url(redis_url)
    _put(redis, "known", "q", function=name, args=args, meta="not JSON", description="x\ny" * 1000)
    job = AllowedJob.fetch("known", connection=redis, serializer=JSONSerializer)
    assert (job.func_name, job.instance, job.args, job.kwargs) == (known, None, args, {})
    assert json.loads(job.data) == [known, None, args, {}]
    assert callable(job.func)
    assert f"{job.func.__module__}.{job.func.__qualname__}" == known
    assert (job.meta, job.timeout) == ({}, 600)
    assert job.description is not None
    assert job.description.isprintable()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.sampled_from(list(FUNCTIONS)),
    lambda values: st.lists(values, max_size=4) | st.dictionaries(st.text(max_size=3), values, max_size=3),
    max_leaves=9,
)


@given(
    st.one_of(
        st.tuples(
            st.sampled_from(list(FUNCTIONS)) | json_values, st.none() | json_values, json_values, json_values
        ),
        json_values,
    ),
    st.dictionaries(
        st.sampled_from(["timeout", "status", "created_at", "origin", "result_ttl"]), st.binary(max_size=9)
    ),
)
def test_whatever_is_in_redis_nothing_else_can_be_called(data: Any, fields: dict[str, bytes]) -> None:
    job = AllowedJob("any", connection=Redis(), serializer=JSONSerializer)  # it connects to nothing
    raw = {"data": json.dumps(data).encode(), **fields}
    try:
        job.restore({name.encode(): value for name, value in raw.items()})
    except Exception:  # refused
        return
    assert job.func_name in (TRAIN, SUGGEST, COUNT, FILL, REVIEW)
    assert job.instance is None
    assert job.kwargs == {}
    assert isinstance(job.args[0], int)


def test_a_worker_refuses_crafted_jobs_and_goes_on_with_the_training_behind_them(trainings: Trainings) -> None:
    touched = _set_trap(trainings)
    queue, redis = trainings.queue.rq, trainings.queue.rq.connection
    trainings.queue.request_training(7)
    _put(redis, "train-7-1", queue.name, function=TRAIN_BEFORE, args=[7])
    for name, job in REFUSED.items():
        _put(redis, name, queue.name, **job)
        _put(redis, f"s-{name}", trainings.queue.suggestions.rq.name, **job)
    # jobs that RQ's maintenance reads: the worker of one was killed, and the other was on its way to a worker
    abandoned = {**REFUSED["a-failure-callback"], "status": "started"}
    redis.hset("rq:job:abandoned", mapping={"origin": queue.name, **_fields(**abandoned)})
    redis.zadd(f"rq:wip:{queue.name}", {"abandoned:execution": time.time() - 60})
    redis.hset("rq:job:between", mapping={"origin": queue.name, **_fields(**REFUSED["another-function"])})
    redis.rpush(f"rq:queue:{queue.name}:intermediate", "between")
    with trainings.worker() as worker:
        assert trainings.ended()["status"] == "published"
        trainings.until(lambda: not redis.exists(trainings.queue.suggestions.rq.key, queue.key))
        assert worker.is_running()
    assert not touched.exists()
    assert not redis.exists(f"rq:queue:{queue.name}:intermediate")
    left = {key.decode() for key in redis.scan_iter("rq:job:*")}
    assert not {key for key in left if not key.startswith("rq:job:train-")}, "the refused jobs are removed"
    log = trainings.log.read_text()
    for name in [*REFUSED, "abandoned", "between"]:
        assert f"refused and removed the job '{name}'" in log
    assert "refused and removed the job 'train-7-1'" not in log, "jobs of the previous release are allowed"
    assert "unhandled exception" not in log


def test_a_job_that_is_replaced_after_the_worker_took_it_is_refused_by_its_process(trainings: Trainings) -> None:
    touched = _set_trap(trainings)
    redis = trainings.queue.rq.connection
    trainings.queue.request_training(7)
    with trainings.worker(stands_still_at="starting") as worker:  # the process waits before it reads its job
        trainings.until(lambda: trainings.queue.running(7) is not None and bool(children(worker)))
        redis.hset("rq:job:train-7-1", mapping=_fields(function="trap.touch"))
        trainings.until(lambda: "refused and removed the job 'train-7-1'" in trainings.log.read_text())
        trainings.until(lambda: trainings.queue.running(7) is None)
        assert worker.is_running()
    assert not touched.exists()


def _set_trap(trainings: Trainings) -> Path:
    """Write a module that workers can import; returns the file that it touches."""
    folder = trainings.log.parent
    (folder / "trap.py").write_text(TRAP)
    return folder / "touched"
