"""Shows whether a worker on this machine is up: each heartbeat touches a file in the temporary folder.

A container's health check looks at the same file, so it need not start Python. The file shows that the worker's
loop is running, but not that Redis answers, because a worker that waits for Redis must not be restarted.
"""

import os
import socket
import time
from pathlib import Path
from tempfile import gettempdir

from huggingface_ner.jobs.redis_connection import QueueError
from huggingface_ner.processes import is_running

# A worker counts as up for this many seconds after its last heartbeat. It sends a heartbeat at least every 60 s,
# or later on a busy machine. deploy/healthcheck.sh has the same number.
HEALTH_TTL = 90
PREFIX = "huggingface-ner-worker-"


def beat() -> None:
    """Note that the loop of this process's worker is running; raises OSError."""
    _own_file().touch(mode=0o600)


def end_beats() -> None:
    """Note that this process's worker has ended."""
    _own_file().unlink(missing_ok=True)


def ask_worker_health() -> str:
    """Return a message that names a worker that is up on this machine; raises QueueError if none is up."""
    own = f"{PREFIX}{socket.gethostname()}-"
    for path, age in sorted(_ages().items()):
        pid = path.name.removeprefix(own)
        if age <= HEALTH_TTL and pid.isdecimal() and is_running(int(pid)):
            return f"worker {pid} is up"
    raise QueueError(f"no worker on this machine has sent a heartbeat within {HEALTH_TTL} s")


def forget_ended_workers() -> None:
    """Delete the files of workers that have sent no heartbeat within HEALTH_TTL."""
    for path, age in _ages().items():
        if age > HEALTH_TTL:
            path.unlink(missing_ok=True)


def _own_file() -> Path:
    # several containers may share the folder, so the name has the container's host name
    return Path(gettempdir(), f"{PREFIX}{socket.gethostname()}-{os.getpid()}")


def _ages() -> dict[Path, float]:
    ages = {}
    for path in Path(gettempdir()).glob(f"{PREFIX}*"):
        try:
            ages[path] = time.time() - path.stat().st_mtime
        except FileNotFoundError:  # another worker has deleted it
            continue
    return ages
