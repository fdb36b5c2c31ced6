"""Requests for jobs that need Label Studio: a job begins soon after the request, and is retried if it fails."""

import logging
import time
from typing import Any, Self

from redis import Redis
from redis.client import Pipeline

from huggingface_ner.jobs.redis_connection import STATE_TTL, CircuitBreaker
from huggingface_ner.jobs.requests import read_ids
from huggingface_ner.jobs.runs import MAX_ATTEMPTS, retry_delay

# Seconds from a request until the job may begin. An import sends several events, and people may click twice.
DELAY = 1.0

logger = logging.getLogger(__name__)


class RequestedJobs:
    """The projects for which a kind of job is requested; methods raise RedisError if Redis does not answer.

    A sorted set, ``key``, has the projects by the time at which their job is due, and a hash counts the attempts.
    name: the name of the kind in Redis. failure: the text that is logged if the last attempt has failed too.
    """

    def __init__(
        self, connection: Redis, prefix: str, breaker: CircuitBreaker, *, name: str, failure: str
    ) -> None:
        self._redis = connection
        self.key = f"{prefix}:{name}"
        self._attempts = f"{prefix}:{name}-attempts"
        self._breaker = breaker
        self._failure = failure

    @classmethod
    def mention_fills(cls, connection: Redis, prefix: str, breaker: CircuitBreaker) -> Self:
        """Return the requests to fill known mentions; see mention_fill."""
        return cls(connection, prefix, breaker, name="filling", failure="known mentions not read")

    @classmethod
    def review_tabs(cls, connection: Redis, prefix: str, breaker: CircuitBreaker) -> Self:
        """Return the requests for the tab with tasks to review; see review_tab."""
        return cls(connection, prefix, breaker, name="reviewing", failure="the tab with tasks to review not made")

    def request(self, project_id: int) -> None:
        """Request the job of a project; does nothing if it was requested already."""
        with self._breaker:
            self._redis.zadd(self.key, {str(project_id): time.time() + DELAY}, nx=True)

    def due(self) -> list[int]:
        """Return the projects whose job is due, in ascending order."""
        names: list[Any] = self._redis.zrangebyscore(self.key, "-inf", time.time())
        return read_ids(names)

    def begin(self, project_id: int) -> bool:
        """Begin an attempt, and schedule the next one in case it fails; returns False if no job is due."""

        def begin(pipeline: Pipeline) -> Any:
            due = pipeline.zscore(self.key, project_id)
            attempts = int(pipeline.hget(self._attempts, str(project_id)) or 0) + 1
            pipeline.multi()
            if due is None or due > time.time():
                return False
            if attempts > MAX_ATTEMPTS:
                logger.warning("project %d: %s in %d attempts", project_id, self._failure, MAX_ATTEMPTS)
                pipeline.zrem(self.key, project_id)
                pipeline.hdel(self._attempts, str(project_id))
                return False
            pipeline.zadd(self.key, {str(project_id): time.time() + retry_delay(attempts)})
            pipeline.hset(self._attempts, str(project_id), attempts)
            pipeline.expire(self._attempts, STATE_TTL)
            return True

        return bool(self._redis.transaction(begin, self.key, value_from_callable=True))

    def done(self, project_id: int) -> None:
        """Note that the job of a project is done, or cannot be done."""
        self._redis.zrem(self.key, project_id)
        self._redis.hdel(self._attempts, str(project_id))
