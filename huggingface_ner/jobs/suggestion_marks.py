"""How far the suggestions of each project are: which version's predictions its tasks have been given.

Nobody asks for suggestions: a project is due while its serving version is another than the one whose predictions
were given last, or while tasks were added since. So nothing that is killed is forgotten.
"""

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Literal, Self

from pydantic import BaseModel
from redis import Redis
from redis.exceptions import LockError
from redis.lock import Lock
from rq import Queue
from rq.serializers import JSONSerializer

from huggingface_ner.jobs.allowed_jobs import SUGGEST
from huggingface_ner.jobs.redis_connection import STATE_TTL, CircuitBreaker, decoded
from huggingface_ner.jobs.runs import LEASE_SECONDS, MAX_ATTEMPTS, RETRY_DELAYS

# A job goes on for a minute; this is for one that hangs.
SUGGEST_TIMEOUT = 1800


class Suggestions(BaseModel, frozen=True):
    """A version's predictions in Label Studio.

    state: running, complete, or failed, with its ``reason``; so many ``tasks`` have them, up to ``last_task``.
    answers: how often tasks had been added when this was begun. not_before: when a failed one is tried again.
    """

    version: str
    state: Literal["running", "complete", "failed"] = "running"
    reason: str | None = None
    tasks: int = 0
    last_task: int = 0
    answers: int = 0
    attempts: int = 0
    not_before: float = 0.0

    def given(self, tasks: int, last_task: int) -> Self:
        """Return the state after so many more tasks."""
        return self.model_copy(
            update={"tasks": self.tasks + tasks, "last_task": max(last_task, self.last_task), "attempts": 0}
        )

    def completed(self) -> Self:
        """Return the state when no task is left."""
        return self.model_copy(update={"state": "complete", "reason": None})

    def failed(self, reason: str, *, retryable: bool) -> Self:
        """Return the state after an attempt that failed."""
        attempts = self.attempts + 1
        if not retryable or attempts >= MAX_ATTEMPTS:
            return self.model_copy(update={"state": "failed", "reason": reason, "attempts": attempts})
        not_before = time.time() + RETRY_DELAYS[attempts - 1]
        return self.model_copy(update={"reason": reason, "attempts": attempts, "not_before": not_before})


class SuggestionMarks:
    """The suggestions of each project, in Redis; methods raise RedisError where it is away."""

    def __init__(self, connection: Redis, prefix: str, breaker: CircuitBreaker) -> None:
        self._redis = connection
        self._prefix = prefix
        self._breaker = breaker
        # a queue of its own, so that trainings go first
        self.rq = Queue(f"{prefix}:suggestions", connection=connection, serializer=JSONSerializer)

    def enqueue_due(self, versions: Mapping[int, str]) -> None:
        """Give RQ a job for each project whose serving version has suggestions to give."""
        for project_id, version in versions.items():
            job_id = f"suggest-{project_id}"
            if self.is_leased(project_id) or self.due(project_id, version) is None:
                continue
            if self.rq.get_job_position(job_id) is None:
                self.rq.enqueue_call(
                    SUGGEST,
                    args=(project_id, version),
                    timeout=SUGGEST_TIMEOUT,
                    job_id=job_id,
                    result_ttl=0,
                    failure_ttl=3600,
                    description=f"suggestions for project {project_id}",
                )

    def get(self, project_id: int) -> Suggestions | None:
        """Return how far a project's suggestions are."""
        return _read(self._redis.hgetall(self._key(project_id)))[0]

    def tasks_added(self, project_id: int) -> None:
        """Say that a project has tasks that it had not."""
        with self._breaker, self._redis.pipeline() as pipeline:
            pipeline.hincrby(self._key(project_id), "added", 1)
            pipeline.expire(self._key(project_id), STATE_TTL)
            pipeline.execute()

    def due(self, project_id: int, version: str) -> Suggestions | None:
        """Return where to go on with a version's suggestions; None where nothing is to do, or not yet."""
        known, added = _read(self._redis.hgetall(self._key(project_id)))
        if known is None or known.version != version:
            return Suggestions(version=version, answers=added)
        if known.state != "running":
            # tasks have ascending numbers: only the new ones are left
            fresh = {"state": "running", "reason": None, "answers": added, "attempts": 0, "not_before": 0.0}
            return known.model_copy(update=fresh) if added > known.answers else None
        return known if time.time() >= known.not_before else None

    def put(self, project_id: int, suggestions: Suggestions) -> None:
        """Write down how far a project's suggestions are."""
        key = self._key(project_id)
        with self._redis.pipeline() as pipeline:
            pipeline.hset(key, "state", suggestions.model_dump_json())
            pipeline.expire(key, STATE_TTL)
            pipeline.execute()

    def is_leased(self, project_id: int) -> bool:
        """Return whether somebody gives suggestions to a project now."""
        return bool(self._lock(project_id).locked())

    def acquire(self, project_id: int, holder: str) -> bool:
        """Take hold of a project; False where another has."""
        return bool(self._lock(project_id).acquire(blocking=False, token=holder))

    def renew(self, project_id: int, holder: str) -> bool:
        """Say that the holder is alive; False where it has lost its project."""
        try:
            return bool(self._lock(project_id, holder).reacquire())
        except LockError:
            return False

    def release(self, project_id: int, holder: str) -> None:
        """Let go of a project, if it is the holder's."""
        with suppress(LockError):
            self._lock(project_id, holder).release()

    def _key(self, project_id: int) -> str:
        return f"{self._prefix}:suggestions:{project_id}"

    def _lock(self, project_id: int, holder: str | None = None) -> Lock:
        lock = Lock(self._redis, f"{self._prefix}:suggesting:{project_id}", timeout=LEASE_SECONDS)
        # it may have been taken in another process
        lock.local.token = holder.encode() if holder else None
        return lock


def _read(fields: Mapping[bytes | str, bytes | str]) -> tuple[Suggestions | None, int]:
    texts = decoded(fields)
    state = texts.get("state")
    return Suggestions.model_validate_json(state) if state else None, int(texts.get("added", 0))
