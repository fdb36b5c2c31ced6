"""Annotations are stored in a real Redis and read from it, with events in any order, damage and upper bounds."""

import random
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis, RedisError

from huggingface_ner.jobs import mention_store
from huggingface_ner.jobs.mention_changes import Changes, Position, read_counts
from huggingface_ner.jobs.mention_store import MentionStore
from huggingface_ner.jobs.redis_connection import connect
from huggingface_ner.label_studio.annotation_entries import AnnotationEntry, EntryText, Mention

PROJECTS = count(1)
KEYS = ("entries", "facts", "order", "gone", "state")


@pytest.fixture
def store(redis_url: str) -> MentionStore:
    return MentionStore(connect(redis_url, timeout=5), "x")


@pytest.fixture
def redis(redis_url: str) -> Redis:
    return connect(redis_url, timeout=5)


def entry(number: int, task: int = 1, updated_at: int = 1, text: str = "Ada") -> AnnotationEntry:
    return AnnotationEntry(
        number, task, updated_at, texts=(EntryText(text, ("l",), (Mention(0, 3, "l", "PER"),)),)
    )


def counts(store: MentionStore, project: int) -> dict[str, int] | None:
    with store._redis.pipeline(transaction=False) as pipeline:
        store.ask_counts(pipeline, project)
        return read_counts(pipeline.execute(raise_on_error=False))


class Reader:
    """A process that reads the changes."""

    def __init__(self, store: MentionStore, project: int = 1) -> None:
        self._store, self._project = store, project
        self._position = Position()
        self.entries: dict[int, AnnotationEntry] = {}

    def read(self) -> Changes:
        changes = self._store.changes(self._project, self._position)
        self._position = changes.position
        if changes.is_all:
            self.entries = {}
        for number in changes.removed:
            self.entries.pop(number, None)
        self.entries.update({one.annotation_id: one for one in changes.put})
        return changes


def test_a_reader_gets_changes_once(store: MentionStore) -> None:
    reader, late = Reader(store), Reader(store)
    assert (reader.read().is_all, reader.entries) == (True, {})
    store.put(1, [entry(1), entry(2)])
    assert [one.annotation_id for one in reader.read().put] == [1, 2]
    assert reader.read() == Changes(reader._position)
    store.put(1, [entry(1)])
    assert reader.read().put == [], "the same state changes nothing"
    store.put(1, [entry(2, updated_at=2, text="Adam")])
    store.remove(1, [1, 9])
    changes = reader.read()
    assert ([one.annotation_id for one in changes.put], changes.removed, changes.is_all) == ([2], [1], False)
    late.read()
    assert late.entries == reader.entries == {2: entry(2, updated_at=2, text="Adam")}
    assert counts(store, 1) == {"annotations": 1, "left_out": 0}
    assert counts(store, 2) is None


def test_many_annotations_are_read_in_parts(store: MentionStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mention_store, "AT_A_TIME", 3)
    store.put(1, [entry(number) for number in range(1, 11)])
    store.remove(1, range(2, 9))
    reader = Reader(store)
    reader.read()
    assert sorted(reader.entries) == [1, 9, 10]


def test_late_and_repeated_events_bring_nothing_back(store: MentionStore) -> None:
    store.remove(1, [1])
    store.put(1, [entry(1)])
    store.put(1, [entry(2, updated_at=5, text="Adam")])
    store.put(1, [entry(2, updated_at=4), entry(3, task=7)])
    store.remove_tasks(1, [7, 8])
    store.put(1, [entry(3, task=7, updated_at=9), entry(4, task=8)])
    reader = Reader(store)
    reader.read()
    assert reader.entries == {2: entry(2, updated_at=5, text="Adam")}


ENTRIES = st.builds(entry, st.integers(1, 4), st.integers(1, 3), st.integers(1, 4), st.just("Ada"))
STEPS = st.one_of(
    ENTRIES, st.tuples(st.just("remove"), st.integers(1, 4)), st.tuples(st.just("task"), st.integers(1, 3))
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=12), seed=st.integers(0, 9))
def test_events_in_any_order_leave_the_last_state(store: MentionStore, steps: list[Any], seed: int) -> None:
    """Each annotation that is not deleted is left in its newest state, whatever the order of the events is."""
    # an annotation never changes its task, and two states of it never have the same time
    states = {(one.annotation_id, one.updated_at): one for one in steps if isinstance(one, AnnotationEntry)}
    states = {
        key: replace(one, task_id=key[0] % 3 + 1, texts=entry(1, text=f"Ada {key[1]}").texts)
        for key, one in states.items()
    }
    removed = {number for kind, number in (one for one in steps if isinstance(one, tuple)) if kind == "remove"}
    tasks = {number for kind, number in (one for one in steps if isinstance(one, tuple)) if kind == "task"}
    expected = {
        number: one
        for (number, _), one in sorted(states.items())
        if number not in removed and one.task_id not in tasks
    }
    order: list[Any] = [*states.values(), *(one for one in steps if isinstance(one, tuple))] * 2
    random.Random(seed).shuffle(order)
    project = next(PROJECTS)
    reader = Reader(store, project)
    for step in order:
        if isinstance(step, AnnotationEntry):
            store.put(project, [step])
        elif step[0] == "remove":
            store.remove(project, [step[1]])
        else:
            store.remove_tasks(project, [step[1]])
        if seed % 2:
            reader.read()
    reader.read()
    assert reader.entries == expected
    assert (counts(store, project) or {"annotations": 0})["annotations"] == len(expected)


def test_a_fill_removes_what_label_studio_no_longer_has(store: MentionStore) -> None:
    store.put(1, [entry(1), entry(2)])
    began = store.last_change(1)
    store.put(1, [entry(3)])  # an event during the fill
    store.put(1, [entry(1)])
    reader = Reader(store)
    assert not reader.read().is_filled
    store.end_fill(1, began, {1})
    assert reader.read().is_filled
    assert sorted(reader.entries) == [1, 3]
    store.put(1, [entry(2, updated_at=2)])
    reader.read()
    assert sorted(reader.entries) == [1, 2, 3], "it comes back, because it was not deleted in Label Studio"


def test_annotations_without_room_are_counted_and_can_get_room_later(
    store: MentionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = entry(1).size
    monkeypatch.setattr(mention_store, "MAX_PROJECT_SIZE", 2 * size)
    monkeypatch.setattr(mention_store, "MAX_TOTAL_SIZE", 2 * size + 100)
    store.put(1, [entry(number) for number in range(1, 6)])
    assert counts(store, 1) == {"annotations": 2, "left_out": 1}
    reader = Reader(store)
    reader.read()
    assert {number: len(one.texts) for number, one in reader.entries.items()} == {1: 1, 2: 1, 3: 0}
    store.remove(1, [1])
    store.put(1, [entry(3)])
    assert counts(store, 1) == {"annotations": 2, "left_out": 0}
    store.put(1, [entry(2, updated_at=2, text="Ada" * 500)])
    assert counts(store, 1) == {"annotations": 1, "left_out": 1}
    reader.read()
    assert reader.entries == {3: entry(3), 2: replace(entry(2, updated_at=2), texts=())}


def test_memory_of_deletions_is_bounded(
    store: MentionStore, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mention_store, "MAX_GONE", 5)
    monkeypatch.setattr(mention_store, "MAX_REMOVED", 5)
    reader = Reader(store)
    for number in range(1, 21):
        store.put(1, [entry(number), entry(1_000)])
        reader.read()
        store.remove(1, [number])
    assert redis.zcard("x:mentions:1:gone") == 5
    order = redis.zcard("x:mentions:1:order")
    assert isinstance(order, int)
    assert order <= 8
    reader.read()
    assert reader.entries == {1_000: entry(1_000)}, "a reader that missed removals has the same entries"


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("garbage", ["string", "list", "hash", "zset"])
def test_damage_affects_only_one_project(store: MentionStore, redis: Redis, key: str, garbage: str) -> None:
    store.put(1, [entry(1)])
    store.put(2, [entry(2)])
    name = f"x:mentions:1:{key}"
    redis.delete(name)
    if garbage == "string":
        redis.set(name, "garbage")
    elif garbage == "list":
        redis.rpush(name, "garbage")
    elif garbage == "hash":
        redis.hset(name, mapping={"1": "garbage", "changes": "garbage", "epoch": "e"})
    else:
        redis.zadd(name, {"garbage": 0.5})
    reader, other = Reader(store), Reader(store, 2)
    reader.read()
    counts(store, 1)
    store.put(1, [entry(1, updated_at=2), entry(3)])
    store.remove(1, [3])
    store.remove_tasks(1, [9])
    store.end_fill(1, store.last_change(1), {1})
    store.touch(1)
    reader.read()
    assert reader.entries in ({}, {1: entry(1, updated_at=2)})
    store.put(1, [entry(1, updated_at=3), entry(4)])
    reader.read()
    assert reader.entries == {1: entry(1, updated_at=3), 4: entry(4)}
    other.read()
    assert other.entries == {2: entry(2)}


def test_an_unreadable_entry_affects_no_other(
    store: MentionStore, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    store.put(1, [entry(1), entry(2)])
    redis.hset("x:mentions:1:entries", "1", "garbage")
    reader = Reader(store)
    reader.read()
    assert list(reader.entries) == [2]
    assert "project 1: its mentions are not suggested: cannot read annotation 1" in caplog.text


def test_a_lost_redis_is_noticed(store: MentionStore, redis: Redis) -> None:
    reader = Reader(store)
    store.put(1, [entry(number) for number in range(1, 5)])
    reader.read()
    redis.flushall()
    assert reader.read().is_all
    assert reader.entries == {}
    store.put(1, [entry(7)])
    reader.read()
    assert list(reader.entries) == [7]
    store.clear(1)
    reader.read()
    assert reader.entries == {}


def test_everything_expires(store: MentionStore, redis: Redis) -> None:
    store.put(1, [entry(1), entry(2)])
    store.remove(1, [1])
    names = sorted(key.decode() for key in redis.scan_iter("x:*"))
    assert names == sorted(f"x:mentions:1:{key}" for key in KEYS)
    for name in names:
        redis.expire(name, 5)
    store.touch(1)
    assert all(redis.ttl(name) > 7 * 24 * 3600 - 60 for name in names)


def test_a_redis_that_does_not_answer_is_not_damage() -> None:
    store = MentionStore(connect("redis://127.0.0.1:1/0", timeout=0.1), "x")
    for _ in range(2):
        with pytest.raises(RedisError):
            store.put(1, [entry(1)])
