"""The process of a job, which the worker starts: how it fits in beside the service."""

import os

from huggingface_ner.engines.cores import take_cores
from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.jobs.redis_connection import QueueError, connect, queue_url
from huggingface_ner.logs import configure_logging
from huggingface_ner.settings import Settings, shared_settings

REDIS_TIMEOUT = 5.0
# The service goes first where the two share cores.
NICENESS = 10


def begin_job() -> tuple[Settings, TrainingQueue]:
    """Let this process yield to the service; returns its settings and the queue that it came from."""
    settings = shared_settings()
    configure_logging(settings)
    os.nice(NICENESS)
    take_cores(settings.training_threads)
    url = queue_url(settings)
    if url is None:
        raise QueueError("REDIS_URL is not set")
    return settings, TrainingQueue(connect(url, timeout=REDIS_TIMEOUT), settings)
