"""The status of all projects and the workers, in one round trip to Redis."""

import pytest
from redis import RedisError

from huggingface_ner.jobs import status_reader
from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.jobs.redis_connection import connect
from huggingface_ner.jobs.worker_numbers import WorkerNumbers
from huggingface_ner.settings import Settings
from tests.server.round_trips import RoundTrips


@pytest.fixture
def queue(redis_url: str) -> TrainingQueue:
    return TrainingQueue(connect(redis_url, timeout=5), Settings())


def _shown(queue: TrainingQueue) -> dict[int, int]:
    return {status["project"]: status["updates"] for status in queue.overview()[0]}


def test_an_overview_takes_one_round_trip_unless_there_are_new_projects(queue: TrainingQueue) -> None:
    for project in (3, 20, 100):
        queue.count_updates(project, project)
    trips = RoundTrips(queue._redis)
    counts = []
    for _ in range(2):
        assert _shown(queue) == {3: 3, 20: 20, 100: 100}
        counts.append(trips.count)
    queue.count_updates(7, 7)
    queue.count_updates(3, 1)
    before = trips.count
    assert _shown(queue) == {3: 4, 7: 7, 20: 20, 100: 100}, "the status is always the present one"
    counts.append(trips.count - before)
    assert counts == [2, 3, 2]


def test_a_project_that_is_gone_is_not_shown(queue: TrainingQueue) -> None:
    for project in (3, 20):
        queue.count_updates(project, project)
    assert [*_shown(queue)] == [3, 20]
    queue._redis.delete(queue._key(3))
    assert [*_shown(queue)] == [20]
    queue._redis.flushall()
    assert queue.overview() == ([], {})


def test_many_keys_are_read_in_several_answers(queue: TrainingQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_reader, "KEYS_AT_A_TIME", 5)
    for project in range(1, 41):
        queue.count_updates(project, 1)
    assert [*_shown(queue)] == queue.projects() == [*range(1, 41)]


def test_the_workers_are_read_at_the_same_time(queue: TrainingQueue) -> None:
    prefix = Settings().queue_prefix
    WorkerNumbers(prefix, "host:1", lambda: 0).write(queue._redis)
    assert [*queue.overview()[1]] == ["host:1"]
    queue._redis.delete(f"{prefix}:workers")
    queue._redis.set(f"{prefix}:workers", "not a hash")
    assert queue.overview() == ([], {})


def test_other_keys_are_no_projects(queue: TrainingQueue) -> None:
    queue.count_updates(3, 1)
    for name in (b"x", b"-1", b"03", b"1.5", b"", b"\xff"):
        queue._redis.hset(queue._key(3).removesuffix("3").encode() + name, "updates", 1)
    assert [*_shown(queue)] == queue.projects() == [3]


def test_a_redis_that_does_not_answer_is_an_error() -> None:
    queue = TrainingQueue(connect("redis://127.0.0.1:1/0"), Settings())
    for ask in (queue.overview, queue.projects, lambda: queue.statuses([7])):
        with pytest.raises(RedisError):
            ask()
