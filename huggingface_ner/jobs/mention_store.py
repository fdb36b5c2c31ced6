"""Stores in Redis the annotations whose mentions are suggested in other texts, for all server processes.

A project has five keys:

- ``entries``: a hash of annotation id -> the packed annotation with its texts;
- ``facts``: a hash of annotation id -> Facts;
- ``order``: a sorted set of annotation ids by the number of their last change. An id without an entry is that of a
  removed annotation. A process that has read all changes up to a number reads only the later ones;
- ``gone``: a sorted set, by time, of the ids of deleted annotations and of deleted tasks, with a ``t`` before a
  task's id. Events can arrive out of order, and a late one must not bring a deleted annotation back;
- ``state``: a hash with the fields of Totals and two more. ``epoch`` changes when ``order`` is cut; then all
  processes read everything again. ``filled_at`` is when a job last compared the entries with Label Studio.

All of this but ``gone`` can be read from Label Studio again. So if a key is damaged, all five keys of its project
are deleted.
"""

import logging
import secrets
import time
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import ResponseError

from huggingface_ner.jobs.mention_changes import Changes, Facts, Position, Totals
from huggingface_ner.jobs.redis_connection import CircuitBreaker, as_text
from huggingface_ner.label_studio.annotation_entries import AnnotationEntry
from huggingface_ner.mentions.packing import pack

# Upper bound on the size of a project's entries, see AnnotationEntry.size. If there is no room for an annotation,
# it is stored without its texts.
MAX_PROJECT_SIZE = 5_000_000
# Upper bound that includes the annotations without texts; beyond it, annotations are not stored at all.
MAX_TOTAL_SIZE = 2 * MAX_PROJECT_SIZE
# Upper bounds on the deleted ids that are remembered, and on the removed ids in ``order``.
MAX_GONE = MAX_REMOVED = 10_000
# Seconds after which the mentions of a project expire if nothing is predicted or annotated in it.
MENTIONS_TTL = 7 * 24 * 3600
# Maximum number of annotations that are read or written at a time, so that Redis answers within the time limit.
AT_A_TIME = 200

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

logger = logging.getLogger(__name__)


class MentionStore:
    """The annotations of all projects; methods raise RedisError if Redis does not answer."""

    def __init__(self, connection: Redis, prefix: str) -> None:
        self._redis = connection
        self._prefix = f"{prefix}:mentions"
        # not the queue's circuit breaker: if reading many entries times out, the queue can still count updates
        self._breaker = CircuitBreaker()

    def put(self, project_id: int, entries: Iterable[AnnotationEntry]) -> None:
        """Store annotations, unless they are deleted or are already stored in a later state."""
        for some in _batches(list(entries)):

            def put(pipeline: Pipeline, some: Sequence[AnnotationEntry] = some) -> None:
                self._put(pipeline, project_id, some)

            self._change(project_id, put)

    def remove(self, project_id: int, annotation_ids: Collection[int], *, are_deleted: bool = True) -> None:
        """Remove annotations. are_deleted: whether they are deleted in Label Studio, so that they stay removed."""
        for some in _batches([str(one) for one in annotation_ids]):

            def remove(pipeline: Pipeline, names: Sequence[str] = some) -> None:
                self._remove(pipeline, project_id, names, names if are_deleted else ())

            self._change(project_id, remove)

    def remove_tasks(self, project_id: int, task_ids: Collection[int]) -> None:
        """Remove the annotations of deleted tasks."""
        wanted, gone = set(task_ids), [f"t{one}" for one in task_ids]

        def remove(pipeline: Pipeline) -> None:
            facts = pipeline.hgetall(self._key(project_id, "facts"))
            names = [as_text(name) for name, fact in facts.items() if Facts.read(fact).task_id in wanted]
            self._remove(pipeline, project_id, names, gone)

        if gone:
            self._change(project_id, remove)

    def clear(self, project_id: int) -> None:
        """Delete everything that is stored for a project."""
        with self._breaker:
            self._clear(project_id)

    def changes(self, project_id: int, since: Position) -> Changes:
        """Return the changes since a position; if there are none, Redis sends only one short answer."""
        return self._mend(project_id, lambda: self._changes(project_id, since))

    def ask_counts(self, pipeline: Pipeline, project_id: int) -> None:
        """Queue the commands whose answers ``mention_changes.read_counts`` reads."""
        pipeline.hlen(self._key(project_id, "facts"))
        pipeline.hget(self._key(project_id, "state"), "left_out")

    def last_change(self, project_id: int) -> int:
        """Return the number of a project's last change."""
        return self._mend(project_id, lambda: self._totals(self._redis, project_id).changes)

    def end_fill(self, project_id: int, began: int, found: Collection[int]) -> None:
        """Remove the annotations that Label Studio no longer has, and note that the entries are complete.

        found: the ids of all annotations that were read from Label Studio. began: the number of the last change
        before the first of them was read. Entries that changed later are newer than the annotations read, so they
        stay.
        """

        def lost() -> list[int]:
            names: list[Any] = self._redis.zrangebyscore(self._key(project_id, "order"), "-inf", began)
            return [number for number in (int(as_text(name)) for name in names) if number not in found]

        self.remove(project_id, self._mend(project_id, lost), are_deleted=False)
        with self._breaker, self._redis.pipeline() as pipeline:
            pipeline.hset(self._key(project_id, "state"), "filled_at", str(time.time()))
            pipeline.hsetnx(self._key(project_id, "state"), "epoch", secrets.token_hex(8))
            self._expire(pipeline, project_id)
            pipeline.execute()

    def touch(self, project_id: int) -> None:
        """Postpone the expiry of a project's entries."""
        with self._breaker, self._redis.pipeline() as pipeline:
            self._expire(pipeline, project_id)
            pipeline.execute()

    def _put(self, pipeline: Pipeline, project_id: int, entries: Sequence[AnnotationEntry]) -> None:
        totals = self._totals(pipeline, project_id)
        by_name = {str(entry.annotation_id): entry for entry in entries}
        known = self._known(pipeline, project_id, list(by_name))
        gone = self._gone(pipeline, project_id, [*by_name, *(f"t{entry.task_id}" for entry in entries)])
        packed: dict[str, bytes] = {}
        facts: dict[str, Facts] = {}
        for name, entry in by_name.items():
            if name in gone or f"t{entry.task_id}" in gone:
                continue
            before = known.get(name, Facts(0, 0, 0, 0, 0))
            others = totals.size - before.size
            left_out = others + entry.size > MAX_PROJECT_SIZE
            stored = replace(entry, texts=()) if left_out else entry
            data = pack(stored)
            fact = Facts(entry.task_id, entry.updated_at, stored.size, zlib.crc32(data), int(left_out))
            is_new = fact != before and fact.updated_at >= before.updated_at
            if is_new and others + fact.size <= MAX_TOTAL_SIZE:
                packed[name], facts[name] = data, fact
                left = totals.left_out + fact.left_out - before.left_out
                totals = Totals(totals.changes, others + fact.size, left)
        pipeline.multi()
        if packed:
            pipeline.hset(self._key(project_id, "entries"), items=_flat(packed))
            pipeline.hset(self._key(project_id, "facts"), items=_flat(facts))
            self._put_order(pipeline, project_id, list(packed), totals)

    def _remove(self, pipeline: Pipeline, project_id: int, names: Sequence[str], gone: Sequence[str]) -> None:
        totals = self._totals(pipeline, project_id)
        known = self._known(pipeline, project_id, names)
        order, facts = self._key(project_id, "order"), self._key(project_id, "facts")
        stale: set[bytes | str] = set()
        if pipeline.zcard(order) - pipeline.hlen(facts) > MAX_REMOVED:
            stale = {*pipeline.zrange(order, 0, -1)} - {*pipeline.hkeys(facts)}
        pipeline.multi()
        if gone:
            pipeline.zadd(self._key(project_id, "gone"), dict.fromkeys(gone, time.time()))
            pipeline.zremrangebyrank(self._key(project_id, "gone"), 0, -MAX_GONE - 1)
        if stale:
            pipeline.zrem(order, *stale)
            pipeline.hset(self._key(project_id, "state"), "epoch", secrets.token_hex(8))
        if known:
            pipeline.hdel(self._key(project_id, "entries"), *known)
            pipeline.hdel(facts, *known)
            size = totals.size - sum(fact.size for fact in known.values())
            left_out = totals.left_out - sum(fact.left_out for fact in known.values())
            self._put_order(pipeline, project_id, list(known), Totals(totals.changes, size, left_out))
        self._expire(pipeline, project_id)

    def _put_order(self, pipeline: Pipeline, project_id: int, names: Sequence[str], totals: Totals) -> None:
        """Give each annotation in ``names`` the next change number, and store the totals."""
        numbers = dict(zip(names, range(totals.changes + 1, totals.changes + len(names) + 1), strict=True))
        pipeline.zadd(self._key(project_id, "order"), {**numbers})
        changed = totals._replace(changes=totals.changes + len(names))
        state = self._key(project_id, "state")
        pipeline.hset(state, items=_flat(changed._asdict()))
        pipeline.hsetnx(state, "epoch", secrets.token_hex(8))
        self._expire(pipeline, project_id)

    def _changes(self, project_id: int, since: Position) -> Changes:
        state = self._redis.hmget(self._key(project_id, "state"), "epoch", "changes", "filled_at")
        if state[0] is None:
            return Changes(Position(), is_all=True)
        epoch, last, is_filled = as_text(state[0]), int(state[1] or 0), state[2] is not None
        if epoch == since.epoch and last == since.change:
            return Changes(since, is_filled)
        is_all = epoch != since.epoch or last < since.change  # a Redis that was restored may have fewer changes
        found = Changes(Position(epoch, last), is_filled, is_all)
        after, room = 0 if is_all else since.change, MAX_TOTAL_SIZE
        while names := self._names_after(project_id, after):
            entries = self._redis.hmget(self._key(project_id, "entries"), list(names))
            for name, packed in zip(names, entries, strict=True):
                room -= found.add(project_id, int(name), packed, room)
            after = max(names.values())
        found.position = Position(epoch, max(last, after))
        return found

    def _names_after(self, project_id: int, change: int) -> dict[str, int]:
        """Return the next annotations that changed after ``change``, each with its last change number."""
        order = self._key(project_id, "order")
        members: list[Any] = self._redis.zrangebyscore(order, f"({change}", "+inf", 0, AT_A_TIME, withscores=True)
        return {as_text(name): int(score) for name, score in members}

    def _known(self, pipeline: Pipeline, project_id: int, names: Sequence[str]) -> dict[str, Facts]:
        found = pipeline.hmget(self._key(project_id, "facts"), names) if names else []
        return {name: Facts.read(fact) for name, fact in zip(names, found, strict=True) if fact is not None}

    def _gone(self, pipeline: Pipeline, project_id: int, names: list[str]) -> set[str]:
        times = pipeline.zmscore(self._key(project_id, "gone"), names)
        return {name for name, gone_at in zip(names, times, strict=True) if gone_at is not None}

    def _totals(self, connection: Redis, project_id: int) -> Totals:
        return Totals.read(connection.hmget(self._key(project_id, "state"), Totals._fields))

    def _change(self, project_id: int, change: Callable[[Pipeline], None]) -> None:
        """Run a change as a transaction; it is run again if another client changed the project meanwhile."""
        keys = [self._key(project_id, name) for name in ("state", "gone")]
        self._mend(project_id, lambda: self._redis.transaction(change, *keys))

    def _mend(self, project_id: int, do: Callable[[], _Result]) -> _Result:
        """Run a command; if the project's keys are damaged, delete them and run it again."""
        with self._breaker:
            try:
                return do()
            except (ResponseError, ValueError) as error:
                if isinstance(error, ResponseError) and "WRONGTYPE" not in str(error):
                    raise
                logger.warning("project %d: known mentions were damaged in Redis and are deleted", project_id)
                self._clear(project_id)
                return do()

    def _clear(self, project_id: int) -> None:
        self._redis.delete(*self._keys(project_id))

    def _expire(self, pipeline: Pipeline, project_id: int) -> None:
        for key in self._keys(project_id):
            pipeline.expire(key, MENTIONS_TTL)

    def _keys(self, project_id: int) -> list[str]:
        return [self._key(project_id, name) for name in ("entries", "facts", "order", "gone", "state")]

    def _key(self, project_id: int, name: str) -> str:
        return f"{self._prefix}:{project_id}:{name}"


def _flat(fields: Mapping[str, object]) -> list[bytes | str]:
    """Return a hash in the form that Redis takes: a list in which each name is followed by its value."""
    values = (value if isinstance(value, bytes) else str(value) for value in fields.values())
    return [part for pair in zip(fields, values, strict=True) for part in pair]


def _batches(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    for start in range(0, len(items), AT_A_TIME):
        yield items[start : start + AT_A_TIME]
