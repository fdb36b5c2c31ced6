"""The training queue: stores which projects want a training, and enqueues RQ jobs for them.

Redis has a hash for each project:

- ``updates``, ``annotated_at``: the number of annotation updates so far, and when the last event arrived;
- ``surplus``: how many more updates than annotations there are, because annotations were changed or deleted;
- ``recounts``, ``recounted``: the number of the last requested recount, and of the last one that was answered;
- ``recount_due``, ``recount_attempts``: when the next attempt at a recount may begin, and how many have begun;
- ``held_at``: when a request was held; an annotation's event that arrives soon drops the request, see requests.py;
- ``asked``, ``answered``: how many trainings were requested, and the number of the last request that was answered
  by a run. A project wants a training while ``asked`` is greater than ``answered``. So no request is lost if a
  process is killed;
- ``runs``, ``run``, ``progress``: how many runs have begun, the run with the project's lease, and its progress;
- ``last``: how the last run ended;
- ``phases``: how long each phase took in the last run that published a version;
- ``count_OUTCOME``, ``seconds_PHASE``, ``pushed``: totals for operators, see totals.py;
- ``asked_first``, ``asked_last``: the times of the first and the last request that no run has seen;
- ``attempts``, ``not_before``, ``parked``: the number of consecutive failures, when the next run may begin, and
  the reason why no run will begin;
- ``labels``: the labels of the labelling config for which a training was last requested;
- ``webhook``, ``webhook_at``: whether the webhook carries the service's credentials, and when this was stored;
- ``labels_note``: which labels are never suggested; ``title``: the project's title;
- ``address``, ``setup_at``: Label Studio's address for people, and when it last requested /setup;
- ``selected``: the model version to select again in Label Studio, see old_predictions;
- ``review``, ``review_at``: how the last request for the tab with tasks to review ended, and when;
- ``event_at``: when an event last arrived; ``label_studio``, ``label_studio_at``: why Label Studio did not answer
  the last request (empty if it answered), and the time of this request; ``key_refused``: 1 if it refused the key;
- ``tasks``: how many tasks the project has, and how many of them are annotated, see label_studio.task_counts.

Another key exists while a training is expected soon. During that time, workers keep a process prepared for it.

A run has a lease on its project: a key that expires unless its worker renews it. Webhooks only write to the hash.
The workers poll for projects that want a training, so they also find the projects of a killed worker. An RQ job is
only a hint: the worker must still acquire the lease. So a duplicate job does no harm, and a lost job is enqueued
again.
"""

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from redis import Redis
from redis.client import Pipeline
from rq import Queue
from rq.serializers import JSONSerializer

from huggingface_ner.jobs.allowed_jobs import COUNT, FILL, REVIEW, TRAIN
from huggingface_ner.jobs.known_mentions import KnownMentions
from huggingface_ner.jobs.mention_store import MentionStore
from huggingface_ner.jobs.project_notes import ProjectNotes
from huggingface_ner.jobs.recounts import Recounts
from huggingface_ner.jobs.redis_connection import connect, decoded, job_id, queue_url
from huggingface_ner.jobs.requested_jobs import RequestedJobs
from huggingface_ner.jobs.requests import STILL_EXPECTED_SECONDS
from huggingface_ner.jobs.runs import (
    LEASE_SECONDS,
    MAX_ATTEMPTS,
    Run,
    current_run,
    due_at,
    retry_delay,
    wants_training,
)
from huggingface_ner.jobs.status_reader import QueueOverview, StatusReader
from huggingface_ner.jobs.suggestion_marks import SuggestionMarks
from huggingface_ner.jobs.totals import count_outcome
from huggingface_ner.learning.progress import Outcome, RunProgress
from huggingface_ner.settings import Settings, shared_settings
from huggingface_ner.store.versions import project_store

logger = logging.getLogger(__name__)


@lru_cache(maxsize=1)
def shared_queue() -> "TrainingQueue | None":
    """Return the training queue of this process's settings, or None if there is none."""
    return open_queue(shared_settings())


def open_queue(settings: Settings) -> "TrainingQueue | None":
    """Return the training queue for a server, or None if there is none. It connects on first use."""
    url = queue_url(settings)
    return None if url is None else TrainingQueue(connect(url), settings)


class TrainingQueue(Recounts):
    """The training queue in Redis; methods raise RedisError if Redis does not answer."""

    def __init__(self, connection: Redis, settings: Settings) -> None:
        super().__init__(connection, settings)
        self._timeout = settings.training_timeout
        self._models_folder = settings.models_folder
        self.notes = ProjectNotes(connection, self._prefix, self._breaker)
        self.fills = RequestedJobs.mention_fills(connection, self._prefix, self._breaker)
        self.review_tabs = RequestedJobs.review_tabs(connection, self._prefix, self._breaker)
        store = MentionStore(connection, self._prefix) if settings.known_mentions else None
        self.mentions = KnownMentions(store, self.fills, settings.gazetteer)
        is_auto = settings.predict_after_training == "auto"
        self.suggestions = SuggestionMarks(connection, self._prefix, self._breaker, only_predicted=is_auto)
        self.rq = Queue(self._prefix, connection=connection, serializer=JSONSerializer)
        shown = self.suggestions, self.mentions
        self._reader = StatusReader(connection, self._prefix, self.rq.key, *shown, updates_per_training=self._each)

    def enqueue_due(self) -> None:
        """Enqueue a job for each project whose recount, fill, review tab or training is due.

        Several workers may call this at once. Before trainings are enqueued, requests that were held for
        GRACE_SECONDS take effect, and runs whose worker was killed are ended.
        """
        with self._damaged.skipped(None, self._recounting):
            for project_id in self.recounts_due():
                self._enqueue(COUNT, project_id, job_id(self._prefix, f"count-{project_id}"), result_ttl=0)
        for function, name, requested in ((FILL, "mentions", self.fills), (REVIEW, "review", self.review_tabs)):
            with self._damaged.skipped(None, requested.key):
                for project_id in requested.due():
                    self._enqueue(function, project_id, job_id(self._prefix, f"{name}-{project_id}"), result_ttl=0)
        with self._damaged.skipped(None, self._holding):
            self.request_held()
        with self._damaged.skipped(None, self._wanting):
            for project_id in self._members(self._wanting):
                with self._damaged.skipped(project_id, self._key(project_id)):
                    self._enqueue_training(project_id)

    def _enqueue_training(self, project_id: int) -> None:
        if self._redis.exists(self._lock(project_id)):
            return
        state = self._state(project_id)
        run = current_run(state)
        if run is not None:
            if self.end(run, Outcome.failed("the worker was killed while it trained", retryable=True)):
                logger.warning("project %d: the worker of run %s was killed", project_id, run.id)
        elif wants_training(state) and "parked" not in state and time.time() >= due_at(state):
            self._enqueue(TRAIN, project_id, self._run_id(project_id, int(state.get("runs", 0)) + 1))

    def begin(self, project_id: int) -> Run | None:
        """Begin a run and acquire the lease; returns None if another run has it or no training is wanted."""
        key, lock = self._key(project_id), self._lock(project_id)

        def acquire(pipeline: Pipeline) -> Run | None:
            is_leased = pipeline.exists(lock)
            state = decoded(pipeline.hgetall(key))
            pipeline.multi()
            if is_leased or current_run(state) is not None or not wants_training(state):
                return None
            number = int(state.get("runs", 0)) + 1
            run = Run(
                id=self._run_id(project_id, number),
                project_id=project_id,
                answers=int(state["asked"]),
                began=time.time(),
            )
            pipeline.hset(key, mapping={"runs": number, "run": run.model_dump_json()})
            pipeline.hdel(key, "progress", "asked_first")
            pipeline.expire(self._expected, STILL_EXPECTED_SECONDS)
            pipeline.set(lock, run.id, ex=LEASE_SECONDS)
            return run

        begun: Run | None = self._change(acquire, key, lock)
        return begun

    def renew(self, run: Run) -> bool:
        """Renew the lease of a run; returns False if the run has ended or lost its lease to another run."""
        lock = self._lock(run.project_id)
        return self._change_current(run, lambda pipeline, state: pipeline.set(lock, run.id, ex=LEASE_SECONDS))

    def running(self, project_id: int) -> Run | None:
        """Return the run that has the lease of a project."""
        return current_run(self._state(project_id))

    def report(self, run: Run, progress: RunProgress, phase_began: float | None = None) -> bool:
        """Store the progress of a run; returns False if it lost its lease to another run.

        phase_began: when its phase began, in seconds since 1970; None means now.
        """
        began = time.time() if phase_began is None else phase_began
        key, stored = self._key(run.project_id), json.dumps({**progress.as_dict(), "phase_began": began})
        return self._change_current(run, lambda pipeline, state: pipeline.hset(key, "progress", stored))

    def end(self, run: Run, outcome: Outcome) -> bool:
        """Store the outcome of a run and release its lease; if the run has ended already, only return False.

        A run that did not fail answers all requests made before it began. A failed run is retried. After
        MAX_ATTEMPTS failures in a row, or after the first if a retry cannot help, the project is parked until the
        next request.
        """
        now = time.time()
        outcome = outcome.model_copy(update={"at": now, "seconds": round(now - run.began, 1)})

        key = self._key(run.project_id)

        def store(pipeline: Pipeline, state: Mapping[str, str]) -> None:
            pipeline.hset(key, "last", outcome.model_dump_json(exclude={"retryable", "phases"}))
            count_outcome(pipeline, key, outcome)
            if outcome.status == "published" and outcome.phases:
                pipeline.hset(key, "phases", json.dumps(outcome.phases))
            if outcome.status != "failed":
                pipeline.hset(key, "answered", run.answers)
                pipeline.hdel(key, "attempts", "not_before")
                if int(state["asked"]) <= run.answers:
                    pipeline.srem(self._wanting, run.project_id)
                return
            attempts = int(state.get("attempts", 0)) + 1
            # if another training was requested meanwhile, the project is not parked
            if int(state["asked"]) <= run.answers and (not outcome.retryable or attempts >= MAX_ATTEMPTS):
                pipeline.hset(key, "parked", outcome.reason)
                pipeline.hdel(key, "attempts", "not_before")
                pipeline.srem(self._wanting, run.project_id)
            else:
                later = now + retry_delay(attempts)
                pipeline.hset(key, mapping={"attempts": attempts, "not_before": later})

        return self._end_lease(run, store)

    def release(self, run: Run) -> None:
        """Release the lease of a run as if the run had not begun, because its worker is stopping."""
        self._end_lease(run, lambda pipeline, state: None)

    def status(self, project_id: int) -> dict[str, Any]:
        """Return the status of a project; see project_status."""
        return self.statuses([project_id])[0]

    def statuses(self, projects: Sequence[int]) -> list[dict[str, Any]]:
        """Return the status of each of these projects; see StatusReader.statuses."""
        return self._reader.statuses(projects)

    def overview(self) -> QueueOverview:
        """Return the status of all projects, and the numbers of the workers; see StatusReader.overview."""
        return self._reader.overview()

    def projects(self) -> list[int]:
        """Return the projects that have a status."""
        return self._reader.projects()

    def knows(self, project_id: int) -> bool:
        """Return whether a project has a status or a version."""
        store = project_store(self._models_folder, project_id)
        return project_id in self.projects() or bool(store.versions())

    def _end_lease(self, run: Run, store: Callable[[Pipeline, Mapping[str, str]], object]) -> bool:
        """Make the changes of ``store`` and release the lease of a run; returns False if the run has lost it."""

        def release(pipeline: Pipeline, state: Mapping[str, str]) -> None:
            store(pipeline, state)
            pipeline.hdel(self._key(run.project_id), "run", "progress")
            pipeline.delete(self._lock(run.project_id))

        return self._change_current(run, release)

    def _change_current(self, run: Run, change: Callable[[Pipeline, Mapping[str, str]], object]) -> bool:
        """Change the state of a run's project; if the run has ended already, only return False."""
        key = self._key(run.project_id)

        def change_current(pipeline: Pipeline) -> bool:
            state = decoded(pipeline.hgetall(key))
            current = current_run(state)
            is_current = current is not None and current.id == run.id
            pipeline.multi()
            if is_current:
                change(pipeline, state)
            return is_current

        return bool(self._change(change_current, key, self._lock(run.project_id)))

    def _enqueue(self, function: str, project_id: int, name: str, result_ttl: int = 3600) -> None:
        """Enqueue a job unless it is in the queue already."""
        with self._damaged.skipped(None, self.rq.key):
            if self.rq.get_job_position(name) is None:
                self.rq.enqueue_call(
                    function,
                    args=(project_id,),
                    timeout=self._timeout,
                    job_id=name,
                    result_ttl=result_ttl,
                    failure_ttl=3600,
                )

    def _lock(self, project_id: int) -> str:
        return f"{self._prefix}:held:{project_id}"

    def _state(self, project_id: int) -> dict[str, str]:
        return decoded(self._redis.hgetall(self._key(project_id)))
