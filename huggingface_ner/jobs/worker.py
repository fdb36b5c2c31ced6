"""The worker: runs the jobs in the queue (trainings, suggestions and others), each in its own process."""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from types import FrameType
from typing import Any

from redis import Redis, RedisError
from redis.client import Pipeline
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from rq import Queue, SpawnWorker
from rq.exceptions import StopRequested
from rq.executions import Execution
from rq.job import Job
from rq.serializers import JSONSerializer

from huggingface_ner.jobs.allowed_jobs import COUNT, FILL, REVIEW, SUGGEST, TRAIN, AllowedJob
from huggingface_ner.jobs.process import (
    HOLDER,
    JOB_FOLDER,
    PASSED_ON,
    RUN_ID,
    WORKER_PID,
    job_folder,
)
from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.jobs.queue_owner import claim_queue
from huggingface_ner.jobs.redis_connection import (
    WORKER_REDIS_TIMEOUT,
    QueueError,
    connect,
    queue_url,
)
from huggingface_ner.jobs.runs import LEASE_SECONDS
from huggingface_ner.jobs.standby import HandedJob, Standby
from huggingface_ner.jobs.worker_health import beat, end_beats, forget_ended_workers
from huggingface_ner.jobs.worker_numbers import MAX_NAME, WorkerNumbers
from huggingface_ner.learning.progress import Outcome
from huggingface_ner.settings import Settings
from huggingface_ner.store.versions import delete_stale_leftovers, serving_versions
from huggingface_ner.temporary_folders import delete_leftover_folders

POLL_INTERVAL = 1.0
# Seconds between two searches for files that killed processes have left behind in MODEL_DIR.
CLEANING_INTERVAL = 3600.0
# Seconds between two renewals of a job's lease.
RENEWAL_INTERVAL = 2.0
# RQ's worker_ttl, in seconds. RQ waits for a job 15 s less than this, and then sends a heartbeat. It considers the
# worker dead 60 s after this time.
WORKER_TTL = 60

logger = logging.getLogger(__name__)


class TrainingWorker(SpawnWorker):
    """An RQ worker that acquires a lease before it trains or sends suggestions, and stops at once on request.

    Jobs are JSON, and only those on the allowlist are run. So someone who can write to Redis can request a
    training, but cannot run code of their own.
    """

    job_class = AllowedJob
    # maximum seconds until a worker that has lost Redis tries again; RQ's default of 60 would delay the next job
    max_connection_wait_time = 5.0
    training: TrainingQueue
    standby: Standby
    numbers: WorkerNumbers
    is_stopping = False

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Run a job, unless another worker has the lease of its project or the job has nothing left to do."""
        project_id = job.args[0]
        if job.func_name == SUGGEST:
            self._suggest(project_id, job, queue)
        elif job.func_name == COUNT:
            # no lease is needed: two recounts at the same time count nothing twice
            self._run_due(self.training.begin_recount(project_id), job, queue)
        elif job.func_name == FILL:
            # no lease is needed: two fills at the same time store the same data
            self._run_due(self.training.fills.begin(project_id), job, queue)
        elif job.func_name == REVIEW:
            self._run_due(self.training.review_tabs.begin(project_id), job, queue)
        else:
            self._train(project_id, job, queue)

    def _suggest(self, project_id: int, job: Job, queue: Queue) -> None:
        marks, holder = self.training.suggestions, f"{self.name}:{job.id}"
        if not marks.acquire(project_id, holder):
            self._remove(job, queue)
            return
        os.environ[HOLDER] = holder
        before = marks.get(project_id)
        self._run_process(job, queue, lambda: marks.renew(project_id, holder))
        # if the progress is unchanged, the process was killed before it could report
        due = marks.due(project_id, job.args[1]) if marks.get(project_id) == before else None
        if due is not None and not self.is_stopping and marks.renew(project_id, holder):
            marks.put(project_id, due.failed("the process was killed; is memory short?", retryable=True))
        marks.release(project_id, holder)

    def _run_due(self, is_due: bool, job: Job, queue: Queue) -> None:
        if is_due:
            self._run_process(job, queue, lambda: True)
        else:
            self._remove(job, queue)

    def _train(self, project_id: int, job: Job, queue: Queue) -> None:
        run = self.training.begin(project_id)
        if run is None:
            self.connection.lrem(queue.intermediate_queue_key, 1, job.id)
            running = self.training.running(project_id)
            if running is None or running.id != job.id:  # keep the job of the current run
                job.delete()
            return
        os.environ[RUN_ID] = run.id
        # renewing also fails after this run has reported its outcome; then nothing is lost, and no run is current
        self._run_process(job, queue, lambda: self.training.renew(run) or not self.training.running(project_id))
        if self.is_stopping:
            self.training.release(run)
        else:  # does nothing if the run has reported its outcome
            self.training.end(
                run, Outcome.failed("the training process was killed; is memory short?", retryable=True)
            )

    def _remove(self, job: Job, queue: Queue) -> None:
        self.connection.lrem(queue.intermediate_queue_key, 1, job.id)
        job.delete()

    def _run_process(self, job: Job, queue: Queue, renew: Callable[[], bool]) -> None:
        try:
            with self._renewed_lease(job.id, renew), job_folder():
                super().execute_job(job, queue)
        except RedisError:
            if self.horse_pid:  # nothing would renew the job's lease any more
                self.kill_horse()
            raise
        finally:
            self.standby.job_has_ended()

    def fork_work_horse(self, job: Job, queue: Queue) -> None:
        """Give the job to a process."""
        execution: Any = self.execution  # RQ has created it
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        handed = HandedJob(
            worker=self.key, job=job.id, queue=queue.name, execution=execution.id, environment=environment
        )
        self._horse_pid = self.standby.start(handed, is_training=job.func_name == TRAIN)
        if self.is_stopping:  # the stop was requested before there was a process to kill
            self.kill_horse()

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Kill the current job, which will be run again later, and stop the worker."""
        self.is_stopping = True
        if self.horse_pid:
            self.kill_horse()
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call]

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """Note for the health check that this worker's loop is running, and send a heartbeat to RQ."""
        try:
            beat()
        except OSError as error:  # then the health check fails, but the worker can work
            logger.warning("the health check's file cannot be written: %s", error)
        super().heartbeat(timeout, pipeline)
        self.numbers.write(self.connection)

    def maintain_heartbeats(self, job: Job, execution: Execution) -> None:
        """Send the heartbeat of a job to RQ; the job continues if Redis does not answer."""
        try:
            super().maintain_heartbeats(job, execution)
        except RedisError as error:
            logger.warning("Redis does not answer; the job continues: %s", error)

    @contextmanager
    def _renewed_lease(self, job_id: str, renew: Callable[[], bool]) -> Iterator[None]:
        """Renew a job's lease during the with block; kill the job's process if another worker has the lease."""
        ended = threading.Event()

        def keep_alive() -> None:
            while not ended.wait(RENEWAL_INTERVAL):
                try:
                    if not renew() and self.horse_pid:
                        logger.warning("%s: lost the lease to another worker", job_id)
                        self.kill_horse()
                except RedisError as error:
                    logger.warning("%s: Redis does not answer: %s", job_id, error)

        thread = threading.Thread(target=keep_alive, name="renew-lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def run_worker(settings: Settings) -> None:
    """Run jobs, each in a new process, until SIGTERM or Ctrl-C.

    Raises QueueError if there is no queue, or if Redis does not answer at the start. If Redis does not answer
    later, the worker waits for it.
    """
    url = queue_url(settings)
    if url is None:
        raise QueueError("REDIS_URL is not set: a worker needs the Redis of the training queue")
    training = TrainingQueue(connect(url, timeout=WORKER_REDIS_TIMEOUT), settings)
    try:
        claim_queue(connect(url, timeout=WORKER_REDIS_TIMEOUT), settings)
        training.enqueue_due()
    except RedisError as error:
        raise QueueError(f"no Redis answers at REDIS_URL; start it, or correct the URL: {error}") from error
    os.environ[WORKER_PID] = str(os.getpid())
    delete_leftover_folders(JOB_FOLDER)
    forget_ended_workers()
    standby = Standby()
    threading.Thread(target=_poll, args=(training, settings, standby), name="poll", daemon=True).start()
    # RQ installs its own handler only while it works
    signal.signal(signal.SIGTERM, lambda signum, frame: sys.exit(0))
    worker = None
    try:
        with suppress(StopRequested), closing(standby):
            while worker is None or not worker.is_stopping:
                try:
                    worker = _new_worker(url, training, settings, standby)
                    worker.work()
                except RedisError as error:
                    logger.warning("Redis does not answer: %s", error)
                time.sleep(POLL_INTERVAL)
    finally:
        end_beats()


def _new_worker(url: str, training: TrainingQueue, settings: Settings, standby: Standby) -> TrainingWorker:
    # RQ sets the time limit for answers itself, because it must be longer than RQ's wait for a job
    connection = Redis.from_url(url, socket_connect_timeout=WORKER_REDIS_TIMEOUT)
    worker = TrainingWorker(
        [
            Queue(rq.name, connection=connection, serializer=JSONSerializer, job_class=AllowedJob)
            for rq in (training.rq, training.suggestions.rq)  # the first queue has priority
        ],
        connection=connection,
        serializer=JSONSerializer,
        worker_ttl=WORKER_TTL,
    )
    worker.training, worker.standby = training, standby
    name = f"{worker.hostname}:{worker.pid}"[:MAX_NAME]
    worker.numbers = WorkerNumbers(settings.queue_prefix, name, lambda: worker.horse_pid)
    return worker


def _poll(training: TrainingQueue, settings: Settings, standby: Standby) -> None:
    cleaning_due = time.monotonic()
    failure = ""  # the last one that was logged; it is logged again if it comes back after a success
    while True:
        seconds = POLL_INTERVAL
        try:
            if time.monotonic() >= cleaning_due:
                cleaning_due = time.monotonic() + CLEANING_INTERVAL
                delete_stale_leftovers(settings.models_folder)
            training.enqueue_due()
            standby.keep(is_expected=training.is_expected())
            if settings.predict_after_training:
                training.suggestions.enqueue_due(serving_versions(settings.models_folder))
            failure = ""
        except (RedisConnectionError, RedisTimeoutError) as error:
            logger.debug("Redis does not answer: %s", error)
            seconds = LEASE_SECONDS  # when Redis is back, live runs must renew their leases first
        except Exception as error:  # a volume that is briefly missing must not end the polling
            if str(error) != failure:
                failure = str(error)
                logger.exception("polling for work failed; trying again every %g s", POLL_INTERVAL)
        time.sleep(seconds)
