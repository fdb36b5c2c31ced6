"""Requests to fill a project's known mentions from Label Studio, see mention_fill.py."""

import logging
import time
from typing import Any

from redis import Redis
from redis.client import Pipeline

from huggingface_ner.jobs.redis_connection import STATE_TTL, CircuitBreaker, as_text
from huggingface_ner.jobs.runs import MAX_ATTEMPTS, retry_delay

# Seconds from a request until the job may begin: an import sends several events.
FILL_DELAY = 1.0

logger = logging.getLogger(__name__)


class MentionFills:
    """The requested fills, in Redis; methods raise RedisError if Redis does not answer.

    A sorted set has the projects by the time at which their fill is due, and a hash counts the attempts.
    """

    def __init__(self, connection: Redis, prefix: str, breaker: CircuitBreaker) -> None:
        self._redis = connection
        self._due = f"{prefix}:filling"
        self._attempts = f"{prefix}:filling-attempts"
        self._breaker = breaker

    def request(self, project_id: int) -> None:
        """Request that a project is filled; does nothing if this was requested already."""
        with self._breaker:
            self._redis.zadd(self._due, {str(project_id): time.time() + FILL_DELAY}, nx=True)

    def due(self) -> list[int]:
        """Return the projects whose fill is due, in ascending order."""
        names: list[Any] = self._redis.zrangebyscore(self._due, "-inf", time.time())
        return sorted(int(as_text(name)) for name in names)

    def begin(self, project_id: int) -> bool:
        """Begin an attempt, and schedule the next one in case it fails; returns False if no fill is due."""

        def begin(pipeline: Pipeline) -> Any:
            due = pipeline.zscore(self._due, project_id)
            attempts = int(pipeline.hget(self._attempts, str(project_id)) or 0) + 1
            pipeline.multi()
            if due is None or due > time.time():
                return False
            if attempts > MAX_ATTEMPTS:
                logger.warning("project %d: known mentions not read in %d attempts", project_id, MAX_ATTEMPTS)
                pipeline.zrem(self._due, project_id)
                pipeline.hdel(self._attempts, str(project_id))
                return False
            pipeline.zadd(self._due, {str(project_id): time.time() + retry_delay(attempts)})
            pipeline.hset(self._attempts, str(project_id), attempts)
            pipeline.expire(self._attempts, STATE_TTL)
            return True

        return bool(self._redis.transaction(begin, self._due, value_from_callable=True))

    def done(self, project_id: int) -> None:
        """Note that a project is filled, or cannot be."""
        self._redis.zrem(self._due, project_id)
        self._redis.hdel(self._attempts, str(project_id))
