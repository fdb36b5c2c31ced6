"""The progress of each project's suggestions: the version that made them, and which tasks have them.

Unlike trainings, suggestions are not requested. They are due if the project's serving version differs from the
version whose predictions were sent last, or if tasks were added since then. So a killed job is always repeated.
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
from huggingface_ner.jobs.damaged_entries import DamagedEntries
from huggingface_ner.jobs.redis_connection import STATE_TTL, CircuitBreaker, decoded, job_id
from huggingface_ner.jobs.runs import LEASE_SECONDS, MAX_ATTEMPTS, retry_delay
from huggingface_ner.secret_values import without_credentials

# Time limit of a job in seconds. A job takes about a minute, so a job that reaches the limit is stuck.
SUGGEST_TIMEOUT = 1800
# What users are told of tasks for which no predictions are sent.
FURTHER_TASKS = (
    "the others get theirs when the label stream shows them; PREDICT_AFTER_TRAINING=true stores them for all"
)


class Suggestions(BaseModel, frozen=True):
    """The progress of sending a version's predictions to Label Studio.

    state: running, complete, or failed with a ``reason``. tasks: how many tasks have the predictions. has_more:
    whether there are more tasks, for which no predictions are sent because of PREDICT_AFTER_TRAINING=auto.
    only_predicted: whether only tasks that had predictions got new ones, for the same reason. next_batch: how many
    tasks get predictions with the next request; 0 before the first. last_task: the highest id of these tasks.
    answers: how many times tasks had been added to the project when the job began; if the number has grown since
    then, the new tasks are due. not_before: when a failed job is retried.
    """

    version: str
    state: Literal["running", "complete", "failed"] = "running"
    reason: str | None = None
    tasks: int = 0
    has_more: bool = False
    only_predicted: bool = False
    next_batch: int = 0
    last_task: int = 0
    answers: int = 0
    attempts: int = 0
    not_before: float = 0.0

    def given(self, tasks: int, last_task: int, *, next_batch: int) -> Self:
        """Return the progress after ``tasks`` more tasks got suggestions; ``last_task`` is their highest id."""
        last_task = max(last_task, self.last_task)
        tasks += self.tasks
        update = {"tasks": tasks, "last_task": last_task, "next_batch": next_batch, "attempts": 0, "reason": None}
        return self.model_copy(update=update)

    def cleaned(self) -> Self:
        """Return the progress after old predictions were deleted."""
        return self.model_copy(update={"attempts": 0})

    def completed(self, *, has_more: bool) -> Self:
        """Return the progress when nothing is left to do; has_more: see above."""
        return self.model_copy(update={"state": "complete", "reason": None, "has_more": has_more})

    def failed(self, reason: str, *, retryable: bool) -> Self:
        """Return the progress after a failed attempt; people see the reason without the credentials of URLs."""
        reason = without_credentials(reason)
        attempts = self.attempts + 1
        if not retryable or attempts >= MAX_ATTEMPTS:
            return self.model_copy(update={"state": "failed", "reason": reason, "attempts": attempts})
        not_before = time.time() + retry_delay(attempts)
        return self.model_copy(update={"reason": reason, "attempts": attempts, "not_before": not_before})


class SuggestionMarks:
    """The suggestions of each project, in Redis; methods raise RedisError if Redis does not answer.

    only_predicted: whether only tasks that have predictions get new ones (PREDICT_AFTER_TRAINING=auto).
    """

    def __init__(self, connection: Redis, prefix: str, breaker: CircuitBreaker, *, only_predicted: bool) -> None:
        self._redis = connection
        self._prefix = prefix
        self._breaker = breaker
        self._only_predicted = only_predicted
        self._damaged = DamagedEntries()
        # a separate queue, so that trainings have priority
        self.rq = Queue(f"{prefix}:suggestions", connection=connection, serializer=JSONSerializer)

    def enqueue_due(self, versions: Mapping[int, str]) -> None:
        """Enqueue a job for each project whose suggestions are due."""
        for project_id, version in versions.items():
            with self._damaged.skipped(project_id, self.key(project_id)):
                if not self.is_leased(project_id) and self.due(project_id, version) is not None:
                    self._enqueue(project_id, version)

    def _enqueue(self, project_id: int, version: str) -> None:
        name = job_id(self._prefix, f"suggest-{project_id}")
        with self._damaged.skipped(None, self.rq.key):
            if self.rq.get_job_position(name) is None:
                self.rq.enqueue_call(
                    SUGGEST,
                    args=(project_id, version),
                    timeout=SUGGEST_TIMEOUT,
                    job_id=name,
                    result_ttl=0,
                    failure_ttl=3600,
                    description=f"suggestions for project {project_id}",
                )

    def get(self, project_id: int) -> Suggestions | None:
        """Return the progress of a project's suggestions, or None before the first."""
        return read_suggestions(self._redis.hgetall(self.key(project_id)))[0]

    def tasks_added(self, project_id: int) -> None:
        """Note that tasks were added to a project."""
        with self._breaker, self._redis.pipeline() as pipeline:
            pipeline.hincrby(self.key(project_id), "added", 1)
            pipeline.expire(self.key(project_id), STATE_TTL)
            pipeline.execute()

    def due(self, project_id: int, version: str) -> Suggestions | None:
        """Return where to continue a version's suggestions, or None if they are complete or not due yet."""
        known, added = read_suggestions(self._redis.hgetall(self.key(project_id)))
        if known is None or known.version != version:
            return Suggestions(version=version, answers=added, only_predicted=self._only_predicted)
        fresh = {"state": "running", "reason": None, "answers": added, "attempts": 0, "not_before": 0.0}
        if known.only_predicted and not self._only_predicted:  # the setting has changed: tasks were passed over
            passed_over = {"only_predicted": False, "has_more": False, "last_task": 0}
            return known.model_copy(update={**fresh, **passed_over})
        if known.state != "running":
            # task ids ascend: only the new tasks are left
            return known.model_copy(update=fresh) if added > known.answers else None
        return known if time.time() >= known.not_before else None

    def put(self, project_id: int, suggestions: Suggestions) -> None:
        """Store the progress of a project's suggestions."""
        key = self.key(project_id)
        with self._redis.pipeline() as pipeline:
            pipeline.hset(key, "state", suggestions.model_dump_json())
            pipeline.expire(key, STATE_TTL)
            pipeline.execute()

    def is_leased(self, project_id: int) -> bool:
        """Return whether a process has the suggestion lease of a project."""
        return bool(self._lock(project_id).locked())

    def acquire(self, project_id: int, holder: str) -> bool:
        """Acquire the suggestion lease of a project; returns False if another holder has it."""
        return bool(self._lock(project_id).acquire(blocking=False, token=holder))

    def renew(self, project_id: int, holder: str) -> bool:
        """Renew the lease; returns False if the holder has lost it."""
        try:
            return bool(self._lock(project_id, holder).reacquire())
        except LockError:
            return False

    def release(self, project_id: int, holder: str) -> None:
        """Release the lease if the holder has it."""
        with suppress(LockError):
            self._lock(project_id, holder).release()

    def key(self, project_id: int) -> str:
        """Return the key of a project's hash."""
        return f"{self._prefix}:suggestions:{project_id}"

    def _lock(self, project_id: int, holder: str | None = None) -> Lock:
        lock = Lock(self._redis, f"{self._prefix}:suggesting:{project_id}", timeout=LEASE_SECONDS)
        # the lease may have been acquired in another process
        lock.local.token = holder.encode() if holder else None
        return lock


def read_suggestions(fields: Mapping[bytes | str, bytes | str]) -> tuple[Suggestions | None, int]:
    """Return the progress in a project's hash, if there is any, and how many times tasks were added."""
    texts = decoded(fields)
    state = texts.get("state")
    return Suggestions.model_validate_json(state) if state else None, int(texts.get("added", 0))
