"""The process of a job. A process for a training can be started in advance: it makes its imports, and then waits.

The imports take seconds, about as long as a small training. A process is prepared when a training is expected, and
waits for a job on its standard input. It runs only one job, so nothing that a job leaves in memory affects the
next job. It is spawned, not forked, because CUDA does not survive a fork.
"""

import logging
import math
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module

from pydantic import BaseModel
from redis import Redis
from rq import Queue, SpawnWorker
from rq.exceptions import NoSuchJobError
from rq.executions import Execution
from rq.serializers import JSONSerializer

from huggingface_ner.jobs.allowed_jobs import TRAIN, AllowedJob
from huggingface_ner.jobs.process import RUN_ID, WORKER_PID, prepare_process
from huggingface_ner.jobs.redis_connection import running_queue_url
from huggingface_ner.logs import working_on
from huggingface_ner.processes import end_with_parent

# With this argument, a process makes the imports of a training before it waits for its job.
PREPARED = "prepared"
# Seconds until another process is prepared after a waiting process has ended, for example for lack of memory.
RESTART_INTERVAL = 30.0
STDIN = 0

logger = logging.getLogger(__name__)


class HandedJob(BaseModel, frozen=True):
    """The data that a process needs to run a job of RQ.

    worker: the worker's key in Redis. job, execution: the ids of the job and of its execution. queue: the queue's
    name. environment: environment variables for the process.
    """

    worker: str
    job: str
    queue: str
    execution: str
    environment: dict[str, str]


class Standby:
    """Starts the processes of jobs, and keeps one prepared while a training is expected; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: _Waiting | None = None
        self._is_busy = False
        self._not_before = 0.0

    def keep(self, *, is_expected: bool) -> None:
        """Keep a process prepared while a training is expected; end it if none is expected.

        While a job runs, no further process is started: it would take memory and processor time from the job.
        """
        with self._lock:
            if self._waiting is not None and not self._waiting.is_running():
                self._waiting = None
                self._not_before = time.monotonic() + RESTART_INTERVAL
            if not is_expected:
                self._end_waiting()
            elif self._waiting is None and not self._is_busy and time.monotonic() >= self._not_before:
                self._waiting = _Waiting([PREPARED])

    def start(self, job: HandedJob, *, is_training: bool) -> int:
        """Give a job to a process, and return its pid; a training gets the prepared process, if there is one."""
        with self._lock:
            self._is_busy = True
            waiting = self._waiting if is_training else None
            if waiting is not None:
                self._waiting = None
                if waiting.take(job):
                    return waiting.pid
                waiting.end()
        started = _Waiting([])
        started.take(job)
        return started.pid

    def job_has_ended(self) -> None:
        """Note that the job that was started last has ended."""
        with self._lock:
            self._is_busy = False

    def close(self) -> None:
        """End the process that waits, and prepare no other."""
        with self._lock:
            self._not_before = math.inf
            self._end_waiting()

    def _end_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.end()
            self._waiting = None


class _Waiting:
    """A process that waits for its job. It leads a process group, because RQ kills the whole group."""

    def __init__(self, arguments: Sequence[str]) -> None:
        command = [sys.executable, "-m", __name__, *arguments]
        read_end, self._write_end = os.pipe()
        try:
            self.pid = os.posix_spawn(
                sys.executable,
                command,
                os.environ,
                setpgroup=0,
                file_actions=[(os.POSIX_SPAWN_DUP2, read_end, STDIN)],
            )
        finally:
            os.close(read_end)

    def is_running(self) -> bool:
        """Return whether the process still waits. If not, it is reaped, so ``end`` must not be called any more."""
        if os.waitpid(self.pid, os.WNOHANG) == (0, 0):
            return True
        os.close(self._write_end)
        return False

    def take(self, job: HandedJob) -> bool:
        """Give the process its job; returns False if the process has ended.

        After the process has got its job, the caller has to wait for its end.
        """
        try:
            os.write(self._write_end, job.model_dump_json().encode() + b"\n")
        except BrokenPipeError:
            return False
        os.close(self._write_end)
        return True

    def end(self) -> None:
        """Kill the process, and reap it."""
        os.close(self._write_end)
        with suppress(ProcessLookupError):  # the process and its group have ended
            os.killpg(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def main() -> None:
    """Prepare this process, wait for a job, and run it."""
    end_with_parent(lambda: os._exit(1), int(os.environ[WORKER_PID]))
    settings = prepare_process()
    if PREPARED in sys.argv:
        import_module(TRAIN.rpartition(".")[0])
    line = sys.stdin.readline()
    if not line:  # the worker has ended
        return
    handed = HandedJob.model_validate_json(line)
    os.environ.update(handed.environment)
    tempfile.tempdir = None  # TMPDIR has just changed
    connection = Redis.from_url(running_queue_url(settings))
    worker = SpawnWorker.find_by_key(
        handed.worker, connection, job_class=AllowedJob, queue_class=Queue, serializer=JSONSerializer
    )
    if worker is None:
        raise SystemExit(1)
    try:
        job = AllowedJob.fetch(handed.job, connection=connection, serializer=JSONSerializer)
    except NoSuchJobError as error:  # the job was removed, or replaced by a job that is refused
        logger.warning("the job %s is not run: %s", handed.job, error)
        raise SystemExit(1) from None
    worker.execution = Execution.fetch(handed.execution, handed.job, connection)
    queue = Queue(handed.queue, connection=connection, job_class=AllowedJob, serializer=JSONSerializer)
    with working_on(project=job.args[0], run=os.environ.get(RUN_ID)):
        worker.main_work_horse(job, queue)


if __name__ == "__main__":
    main()
