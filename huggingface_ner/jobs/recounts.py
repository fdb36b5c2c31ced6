"""Recounts ask Label Studio how many annotations a project has, to find out how many of them sent no event.

Annotations send no event when they are imported, or deleted together with their task. Events are also lost while
the webhook has no credentials or the service is down. A recount counts the annotations that sent no event as
updates. A webhook must be answered within a second, so a request for a recount only increments a counter in Redis,
as a request for a training does. A job of the worker then does the recount.
"""

import logging
import time
from collections.abc import Mapping
from typing import NamedTuple

from redis.client import Pipeline

from huggingface_ner.jobs.redis_connection import STATE_TTL, decoded
from huggingface_ner.jobs.requests import TrainingRequests
from huggingface_ner.jobs.runs import MAX_ATTEMPTS, retry_delay

# Seconds from a request until the recount may begin: an import sends several events.
RECOUNT_DELAY = 2.0

logger = logging.getLogger(__name__)


class Recount(NamedTuple):
    """A requested recount, with the counts that Redis had when the request was read.

    number: the number of the last request that the recount answers. updates, surplus: see queue.py. Their
    difference is the number of annotations that the project has according to the events.
    """

    number: int
    updates: int
    surplus: int


class Recounts(TrainingRequests):
    """The requested recounts in Redis; methods raise RedisError if Redis does not answer."""

    def request_recount(self, project_id: int) -> None:
        """Request a recount of a project's annotations."""
        key = self._key(project_id)
        with self._breaker, self._redis.pipeline() as pipeline:
            # a new request does not wait for the retry of a failed recount
            if self._redis.hdel(key, "recount_attempts"):
                pipeline.hdel(key, "recount_due")
            pipeline.hincrby(key, "recounts", 1)
            pipeline.hsetnx(key, "recount_due", str(time.time() + RECOUNT_DELAY))
            pipeline.sadd(self._recounting, project_id)
            pipeline.expire(key, STATE_TTL)
            pipeline.execute()

    def recounts_due(self) -> list[int]:
        """Return the projects whose recount is due, in ascending order."""
        due = []
        for project_id in self._members(self._recounting):
            with self._damaged.skipped(project_id, self._key(project_id)):
                state = decoded(self._redis.hgetall(self._key(project_id)))
                if _requested(state) is None:  # the project has expired
                    self._redis.srem(self._recounting, project_id)
                elif _is_due(state):
                    due.append(project_id)
        return due

    def begin_recount(self, project_id: int) -> bool:
        """Begin an attempt, and schedule the next one in case it fails; returns False if no recount is due.

        After MAX_ATTEMPTS failed attempts, the recount is given up, whatever the reason of the failures.
        """
        key = self._key(project_id)

        def begin(pipeline: Pipeline) -> bool:
            state = decoded(pipeline.hgetall(key))
            pipeline.multi()
            if not _is_due(state):
                return False
            attempts = int(state.get("recount_attempts", 0)) + 1
            if attempts > MAX_ATTEMPTS:
                logger.warning(
                    "project %d: its annotations were not counted in %d attempts", project_id, MAX_ATTEMPTS
                )
                self._put_answered(pipeline, project_id, state, int(state["recounts"]))
                return False
            due = str(time.time() + retry_delay(attempts))
            pipeline.hset(key, mapping={"recount_attempts": attempts, "recount_due": due})
            return True

        return bool(self._change(begin, key))

    def requested_recount(self, project_id: int) -> Recount | None:
        """Return the requested recount of a project, or None if there is none."""
        return _requested(decoded(self._redis.hgetall(self._key(project_id))))

    def answer_recount(self, project_id: int, recount: Recount, annotations: int) -> int | None:
        """Count the annotations that sent no event as updates, and return their number.

        This may request a training. annotations: how many annotations the project has in Label Studio. Returns
        None if an event has arrived since the recount was read. ``annotations`` may or may not include the
        annotation of this event, so Label Studio has to be queried again.
        """
        key = self._key(project_id)

        def answer(pipeline: Pipeline) -> int | None:
            state = decoded(pipeline.hgetall(key))
            pipeline.multi()
            now = _requested(state)
            if now is None or now[1:] != recount[1:]:
                return None
            missed = annotations - (recount.updates - recount.surplus)
            self._put_answered(pipeline, project_id, state, recount.number)
            if missed < 0:  # annotations were deleted with their tasks
                pipeline.hincrby(key, "surplus", -missed)
                return 0
            pipeline.hincrby(key, "updates", missed)
            if self._is_enough(recount.updates + missed, missed, "parked" in state):
                self._put_request(pipeline, project_id, time.time())
            return missed

        missed: int | None = self._change(answer, key)
        return missed

    def give_up_recount(self, project_id: int, recount: Recount) -> None:
        """Mark a recount as answered although Label Studio did not give a number."""
        key = self._key(project_id)

        def give_up(pipeline: Pipeline) -> None:
            state = decoded(pipeline.hgetall(key))
            pipeline.multi()
            self._put_answered(pipeline, project_id, state, recount.number)

        self._change(give_up, key)

    def _put_answered(self, pipeline: Pipeline, project_id: int, state: Mapping[str, str], number: int) -> None:
        key = self._key(project_id)
        pipeline.hset(key, "recounted", number)
        if int(state.get("recounts", 0)) <= number:
            pipeline.hdel(key, "recount_attempts", "recount_due")
            pipeline.srem(self._recounting, project_id)

    @property
    def _recounting(self) -> str:
        return f"{self._prefix}:recounting"


def _requested(state: Mapping[str, str]) -> Recount | None:
    number = int(state.get("recounts", 0))
    if number <= int(state.get("recounted", 0)):
        return None
    return Recount(number, int(state.get("updates", 0)), int(state.get("surplus", 0)))


def _is_due(state: Mapping[str, str]) -> bool:
    return _requested(state) is not None and time.time() >= float(state.get("recount_due", 0))
