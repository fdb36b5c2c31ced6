"""The process of a job: what the worker passes to it, its priority, and its temporary files."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_ner.engines.cores import take_cores
from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.jobs.redis_connection import WORKER_REDIS_TIMEOUT, QueueError, connect, queue_url
from huggingface_ner.logs import configure_logging
from huggingface_ner.settings import Settings, shared_settings
from huggingface_ner.temporary_folders import temporary_folder

# Environment variables passed to the job process: the run id, the lease holder's name, and the pid of the worker
# whose death ends it.
RUN_ID = "HUGGINGFACE_NER_RUN_ID"
HOLDER = "HUGGINGFACE_NER_HOLDER"
WORKER_PID = "HUGGINGFACE_NER_WORKER_PID"
# The environment variables that differ from job to job.
PASSED_ON = (RUN_ID, HOLDER, "TMPDIR")
JOB_FOLDER = "huggingface-ner-job-"
# Niceness of a job's process: the server has priority on shared cores.
NICENESS = 10


def prepare_process() -> Settings:
    """Lower the priority of this process, limit its cores, and return the settings.

    This must be called before torch is imported.
    """
    settings = shared_settings()
    configure_logging(settings)
    os.nice(NICENESS)
    take_cores(settings.training_threads)
    return settings


def begin_job() -> tuple[Settings, TrainingQueue]:
    """Return the settings and the training queue, for a job in its process. Raises QueueError."""
    settings = shared_settings()
    url = queue_url(settings)
    if url is None:
        raise QueueError("REDIS_URL is not set: a job needs the Redis of the worker that started it")
    return settings, TrainingQueue(connect(url, timeout=WORKER_REDIS_TIMEOUT), settings)


@contextmanager
def job_folder() -> Iterator[None]:
    """Set TMPDIR to a new folder for the processes that the with block starts; delete the folder afterwards."""
    before = os.environ.get("TMPDIR")
    with temporary_folder(JOB_FOLDER) as folder:
        os.environ["TMPDIR"] = str(folder)
        try:
            yield
        finally:
            del os.environ["TMPDIR"]
            if before is not None:
                os.environ["TMPDIR"] = before
