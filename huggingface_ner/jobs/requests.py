"""The requests for trainings, which come from annotation updates, new labels, or Label Studio's START_TRAINING.

This is the server's part of the training queue; queue.py lists the fields in Redis.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from redis import Redis
from redis.client import Pipeline

from huggingface_ner.jobs.damaged_entries import DamagedEntries
from huggingface_ner.jobs.redis_connection import STATE_TTL, CircuitBreaker, decoded, job_id
from huggingface_ner.settings import Settings

# Label Studio's switch "Start model training on annotation submission" sends START_TRAINING with each annotation,
# in the same request and just before the annotation's own event. A START_TRAINING that may come from the switch is
# held for this many seconds. It is dropped if an annotation's event arrives meanwhile, or arrived just before: the
# annotation is counted as an update anyway. If the switch is on, a click on Start Training within this time of an
# annotation is dropped too, because nothing in the event says whether the switch or a click sent it. In that case,
# the person has to click again.
GRACE_SECONDS = 3.0
MAX_ID_DIGITS = 20
# Workers prepare for a training when at most UPDATES_AHEAD updates are missing, and stay prepared for
# EXPECTED_SECONDS. After a training has begun, they stay prepared for STILL_EXPECTED_SECONDS, because another
# worker may be about to begin another training.
UPDATES_AHEAD = 2
EXPECTED_SECONDS = 600
STILL_EXPECTED_SECONDS = 10


class TrainingRequests:
    """The requests for trainings in Redis; methods raise RedisError if Redis does not answer."""

    def __init__(self, connection: Redis, settings: Settings) -> None:
        self._redis = connection
        self._each = settings.start_training_each_n_updates
        self._prefix = settings.queue_prefix
        self._breaker = CircuitBreaker()
        self._damaged = DamagedEntries()

    def count_updates(self, project_id: int, count: int, *, added: int = 0) -> str | None:
        """Count annotation updates; returns the id of the run that they start, or None.

        added: how many more annotations the project has now; negative if some were deleted.
        A training is requested every START_TRAINING_EACH_N_UPDATES updates; in a parked project, after any update.
        A held request of the project is dropped, because it came with one of these updates; see GRACE_SECONDS.
        """
        key = self._key(project_id)
        with self._breaker, self._redis.pipeline() as pipeline:
            pipeline.hset(key, "annotated_at", str(time.time()))
            pipeline.hdel(key, "held_at")
            pipeline.srem(self._holding, project_id)
            pipeline.hincrby(key, "surplus", count - added)
            pipeline.hincrby(key, "updates", count)
            pipeline.hexists(key, "parked")
            pipeline.expire(key, STATE_TTL)
            *_, updates, parked, _ = pipeline.execute()
        if self._is_enough(updates, count, parked):
            return self.request_training(project_id)  # this also notes that a training is expected
        if self._each and -updates % self._each <= UPDATES_AHEAD:
            with self._breaker:
                self._redis.set(self._expected, "", ex=EXPECTED_SECONDS)
        return None

    def request_training(self, project_id: int) -> str:
        """Request a training on all annotations saved so far; returns the id of the run that will answer."""
        key = self._key(project_id)
        with self._breaker, self._redis.pipeline() as pipeline:
            self._put_request(pipeline, project_id, time.time())
            pipeline.hget(key, "runs")
            runs = pipeline.execute()[-1]
        return self._run_id(project_id, int(runs or 0) + 1)

    def request_training_for_labels(self, project_id: int, labels: Sequence[str]) -> str | None:
        """Request a training for new labels; returns None if the last such request had the same labels."""
        key = self._key(project_id)
        wanted = json.dumps(sorted(labels))

        def request(pipeline: Pipeline) -> str | None:
            state = decoded(pipeline.hgetall(key))
            pipeline.multi()
            if state.get("labels") == wanted:
                return None
            pipeline.hset(key, "labels", wanted)
            self._put_request(pipeline, project_id, time.time())
            return self._run_id(project_id, int(state.get("runs", 0)) + 1)

        with self._breaker:
            job: str | None = self._change(request, key)
        return job

    def forget_labels(self, project_id: int) -> None:
        """Note that a project has the labels of its model again; any other labels count as new from now on."""
        with self._breaker:
            self._redis.hdel(self._key(project_id), "labels")

    def hold_request(self, project_id: int) -> str | None:
        """Request a training unless an annotation's event arrives within GRACE_SECONDS before or after this call.

        Returns the id of the run that will answer, or None if an event arrived just before.
        """
        key = self._key(project_id)

        def hold(pipeline: Pipeline) -> str | None:
            state = decoded(pipeline.hgetall(key))
            pipeline.multi()
            now = time.time()
            if abs(now - float(state.get("annotated_at", 0))) < GRACE_SECONDS:  # abs: servers' clocks differ
                return None
            pipeline.hsetnx(key, "held_at", str(now))
            pipeline.sadd(self._holding, project_id)
            pipeline.expire(key, STATE_TTL)
            return self._run_id(project_id, int(state.get("runs", 0)) + 1)

        with self._breaker:
            job: str | None = self._change(hold, key)
        return job

    def request_held(self) -> None:
        """Turn held requests into requests after GRACE_SECONDS. Several workers may call this at once."""
        for project_id in self._members(self._holding):
            key = self._key(project_id)

            def request(pipeline: Pipeline, project_id: int = project_id, key: str = key) -> None:
                held_at = decoded(pipeline.hgetall(key)).get("held_at")
                pipeline.multi()
                if held_at is None:  # dropped or requested meanwhile, or the project has expired
                    pipeline.srem(self._holding, project_id)
                elif time.time() >= float(held_at) + GRACE_SECONDS:
                    pipeline.hdel(key, "held_at")
                    pipeline.srem(self._holding, project_id)
                    self._put_request(pipeline, project_id, float(held_at))

            with self._damaged.skipped(project_id, key):
                self._change(request, key)

    def _is_enough(self, updates: int, count: int, parked: object) -> bool:
        """Return whether the last ``count`` of a project's updates start a training."""
        return bool(self._each and count) and bool(
            parked or updates // self._each > (updates - count) // self._each
        )

    def _put_request(self, pipeline: Pipeline, project_id: int, requested_at: float) -> None:
        """Store a request that was made at ``requested_at``, in seconds since 1970."""
        key = self._key(project_id)
        pipeline.hincrby(key, "asked", 1)
        pipeline.hdel(key, "parked", "attempts")
        pipeline.hsetnx(key, "asked_first", str(requested_at))
        pipeline.hset(key, "asked_last", str(requested_at))
        pipeline.sadd(self._wanting, project_id)
        pipeline.set(self._expected, "", ex=EXPECTED_SECONDS)
        pipeline.expire(key, STATE_TTL)

    def is_expected(self) -> bool:
        """Return whether a training of some project is requested, or will be soon if annotators continue."""
        return bool(self._redis.exists(self._expected))

    def _change(self, change: Callable[[Pipeline], Any], *keys: str) -> Any:
        """Run a change as a transaction; it is run again if another client changed one of the keys meanwhile."""
        return self._redis.transaction(change, *keys, value_from_callable=True)

    def _run_id(self, project_id: int, number: int) -> str:
        """Return the id of a project's run, and of its job in RQ."""
        return job_id(self._prefix, f"train-{project_id}-{number}")

    def _key(self, project_id: int | str) -> str:
        return f"{self._prefix}:project:{project_id}"

    @property
    def _wanting(self) -> str:
        return f"{self._prefix}:wanting"

    @property
    def _holding(self) -> str:
        return f"{self._prefix}:holding"

    @property
    def _expected(self) -> str:
        return f"{self._prefix}:expected"

    def _members(self, key: str) -> list[int]:
        """Return the projects of a set, in ascending order."""
        return read_ids(self._redis.smembers(key))


def read_ids(names: Iterable[bytes | str], prefix: str = "") -> list[int]:
    """Return the ids of projects among names in Redis, in ascending order; other names are ignored.

    prefix: what each name begins with, before the id.
    """
    # names may be damaged, so they are decoded even if they are not UTF-8
    decoded_names = (name.decode("utf-8", "replace") if isinstance(name, bytes) else name for name in names)
    texts = (name.removeprefix(prefix) for name in decoded_names)
    return sorted({int(text) for text in texts if is_project_id(text)})


def is_project_id(text: str) -> bool:
    """Return whether a text in Redis is the id of a project; another program may have written something else."""
    return text.isascii() and text.isdecimal() and len(text) < MAX_ID_DIGITS


def is_held(state: Mapping[str, str]) -> bool:
    """Return whether a request of a project is held, given the project's hash."""
    return "held_at" in state
