"""The worker: runs trainings that the queue hands out, and gives suggestions, each in a process of its own."""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from redis import Redis, RedisError
from redis.client import Pipeline
from rq import Queue, SpawnWorker
from rq.exceptions import StopRequested
from rq.executions import Execution
from rq.job import Job
from rq.serializers import JSONSerializer

from huggingface_ner.jobs.allowed_jobs import SUGGEST, AllowedJob
from huggingface_ner.jobs.process import (
    HOLDER,
    RUN_ID,
    WORKER_PID,
    remove_leftover_folders,
    temporary_folder,
)
from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.jobs.redis_connection import (
    WORKER_REDIS_TIMEOUT,
    QueueError,
    UrlCredentials,
    connect,
    queue_url,
)
from huggingface_ner.jobs.runs import LEASE_SECONDS
from huggingface_ner.jobs.worker_health import HEALTH_TTL, health_key
from huggingface_ner.learning.progress import Outcome
from huggingface_ner.processes import end_with_parent
from huggingface_ner.settings import Settings
from huggingface_ner.store.versions import serving_versions

POLL_INTERVAL = 1.0
HEARTBEAT_INTERVAL = 2.0
# Without a heartbeat for so long, RQ takes a worker for dead; it also blocks on the queue for about as long.
WORKER_TTL = 60

logger = logging.getLogger(__name__)


class TrainingWorker(SpawnWorker):
    """RQ's worker that gets hold of a project before it trains it, and stops at once when asked to.

    Jobs are JSON, and only those on the allowlist are run: whoever can write to Redis may request a training, but
    cannot run code of their own. A job's process is spawned, not forked: CUDA does not survive a fork.
    """

    job_class = AllowedJob
    training: TrainingQueue
    is_asked_to_stop = False

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Do the job for its project, unless somebody else does or nothing is wanted any more."""
        project_id = job.args[0]
        if job.func_name == SUGGEST:
            self._suggest(project_id, job, queue)
        else:
            self._train(project_id, job, queue)

    def _suggest(self, project_id: int, job: Job, queue: Queue) -> None:
        marks, holder = self.training.suggestions, f"{self.name}:{job.id}"
        if not marks.acquire(project_id, holder):
            self.connection.lrem(queue.intermediate_queue_key, 1, job.id)
            job.delete()
            return
        os.environ[HOLDER] = holder
        before = marks.get(project_id)
        self._run_process(job, queue, lambda: marks.renew(project_id, holder))
        # a process that could still speak has said how far it is
        due = marks.due(project_id, job.args[1]) if marks.get(project_id) == before else None
        if due is not None and not self.is_asked_to_stop and marks.renew(project_id, holder):
            marks.put(project_id, due.failed("the process was killed; is memory short?", retryable=True))
        marks.release(project_id, holder)

    def _train(self, project_id: int, job: Job, queue: Queue) -> None:
        run = self.training.begin(project_id)
        if run is None:
            self.connection.lrem(queue.intermediate_queue_key, 1, job.id)
            running = self.training.running(project_id)
            if running is None or running.id != job.id:  # else it is the job of the one that runs
                job.delete()
            return
        os.environ[RUN_ID] = run.id
        # where no run holds the project, this one has just said how it ended
        self._run_process(job, queue, lambda: self.training.renew(run) or not self.training.running(project_id))
        if self.is_asked_to_stop:
            self.training.release(run)
        else:  # a run that could still speak has said how it ended
            self.training.end(
                run, Outcome.failed("the training process was killed; is memory short?", retryable=True)
            )

    def _run_process(self, job: Job, queue: Queue, is_kept: Callable[[], bool]) -> None:
        try:
            with self._kept(job.id, is_kept), temporary_folder():
                super().execute_job(job, queue)
        except RedisError:
            if self.horse_pid:  # nobody would notice how it ends
                self.kill_horse()
            raise

    def fork_work_horse(self, job: Job, queue: Queue) -> None:
        """Start the job's process."""
        super().fork_work_horse(job, queue)
        if self.is_asked_to_stop:  # in the moment before there was a process to end
            self.kill_horse()

    def main_work_horse(self, job: Job, queue: Queue) -> None:
        """Run a job, in the process that was started for it; it ends with its worker from the first moment on."""
        end_with_parent(lambda: os._exit(1), int(os.environ[WORKER_PID]))
        super().main_work_horse(job, queue)

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """End the training that runs, whose project will be trained again, and then the worker."""
        self.is_asked_to_stop = True
        if self.horse_pid:
            self.kill_horse()
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call]

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """Tell RQ and the health check that the loop goes on; RQ's own word is lost if Redis is away for long."""
        super().heartbeat(timeout, pipeline)
        key = health_key(self.hostname, self.pid)
        (self.connection if pipeline is None else pipeline).set(key, "", ex=HEALTH_TTL)

    def maintain_heartbeats(self, job: Job, execution: Execution) -> None:
        """Tell RQ that the job is alive; a Redis that is away for a while is no reason to stop."""
        try:
            super().maintain_heartbeats(job, execution)
        except RedisError as error:
            logger.warning("the queue does not answer; training goes on: %s", error)

    @contextmanager
    def _kept(self, what: str, is_kept: Callable[[], bool]) -> Iterator[None]:
        """Give signs of life meanwhile; the job's process is ended where another has taken its place."""
        ended = threading.Event()

        def keep() -> None:
            while not ended.wait(HEARTBEAT_INTERVAL):
                try:
                    if not is_kept() and self.horse_pid:
                        logger.warning("%s: another has taken its place", what)
                        self.kill_horse()
                except RedisError as error:
                    logger.warning("%s: the queue does not answer: %s", what, error)

        thread = threading.Thread(target=keep, name="keep-run", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def run_worker(settings: Settings) -> None:
    """Run trainings, each in a fresh process, until SIGTERM or Ctrl-C.

    Raises QueueError where there is no queue or no Redis answers there at first; later it is waited for.
    """
    url = queue_url(settings)
    if url is None:
        raise QueueError("REDIS_URL is not set: a worker needs the Redis that holds the training queue")
    training = TrainingQueue(connect(url, timeout=WORKER_REDIS_TIMEOUT), settings)
    try:
        training.enqueue_due()
    except RedisError as error:
        raise QueueError(f"REDIS_URL: no Redis answers there: {error}") from error
    os.environ[WORKER_PID] = str(os.getpid())
    remove_leftover_folders()
    threading.Thread(target=_look, args=(training, settings), name="find-work", daemon=True).start()
    signal.signal(signal.SIGTERM, lambda signum, frame: sys.exit(0))  # RQ's own is there only while it works
    worker = None
    with suppress(StopRequested):
        while worker is None or not worker.is_asked_to_stop:
            try:
                worker = _new_worker(url, training)
                worker.work()
            except RedisError as error:
                logger.warning("the queue does not answer: %s", error)
            time.sleep(POLL_INTERVAL)


def _new_worker(url: str, training: TrainingQueue) -> TrainingWorker:
    connection = Redis.from_url(url)
    options = connection.connection_pool.connection_kwargs
    if options.pop("password", None) is not None:
        options.pop("username", None)
        options["credential_provider"] = UrlCredentials()
    worker = TrainingWorker(
        [
            Queue(rq.name, connection=connection, serializer=JSONSerializer, job_class=AllowedJob)
            for rq in (training.rq, training.suggestions.rq)  # the first goes first
        ],
        connection=connection,
        serializer=JSONSerializer,
        worker_ttl=WORKER_TTL,
    )
    worker.training = training
    return worker


def _look(training: TrainingQueue, settings: Settings) -> None:
    while True:
        seconds = POLL_INTERVAL
        try:
            training.enqueue_due()
            if settings.predict_after_training:
                training.suggestions.enqueue_due(serving_versions(settings))
        except RedisError as error:
            logger.debug("the queue does not answer: %s", error)
            seconds = LEASE_SECONDS  # once it does, runs that are alive say so before they are taken for dead
        except Exception:  # a volume that is away for a moment must not end the watch
            logger.exception("looking for work failed")
        time.sleep(seconds)
