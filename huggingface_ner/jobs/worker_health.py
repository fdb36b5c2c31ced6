"""Checks whether a worker on this machine is up: each heartbeat sets a key in Redis that expires."""

import socket

from redis import RedisError

from huggingface_ner.jobs.redis_connection import WORKER_REDIS_TIMEOUT, QueueError, connect, running_queue_url
from huggingface_ner.processes import is_running
from huggingface_ner.settings import Settings

# Seconds after its last heartbeat for which a worker counts as up. It sends a heartbeat at least every 45 s, or
# later if the machine is busy.
HEALTH_TTL = 90


def ask_worker_health(settings: Settings) -> str:
    """Return which worker on this machine is up; raises QueueError if none is."""
    url = running_queue_url(settings)
    try:
        keys = list(connect(url, timeout=WORKER_REDIS_TIMEOUT).scan_iter(health_key(socket.gethostname(), "*")))
    except RedisError as error:
        raise QueueError(f"the training queue does not answer: {error}") from error
    for pid in sorted(int(key.rpartition(b":")[2]) for key in keys):
        if is_running(pid):
            return f"worker {pid} is up"
    raise QueueError(f"no worker on this machine has sent a heartbeat within {HEALTH_TTL} s")


def health_key(hostname: str | None, pid: int | str | None) -> str:
    """Return the key of a worker's heartbeat, which expires after HEALTH_TTL."""
    return f"huggingface-ner:worker:{hostname}:{pid}"
