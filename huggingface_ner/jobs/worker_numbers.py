"""Numbers about the workers' processes, for operators: memory, processor time, and whether a job runs.

A hash in Redis has an entry for each worker, which the worker writes with each heartbeat.
"""

import json
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from redis import Redis

from huggingface_ner.jobs.redis_connection import as_text
from huggingface_ner.jobs.worker_health import HEALTH_TTL
from huggingface_ner.json_values import mapping, read_json

if TYPE_CHECKING:
    from prometheus_client.process_collector import ProcessCollector

# Maximum length of the name by which metrics tell workers apart.
MAX_NAME = 100
# Upper bound on the workers that are shown.
MAX_WORKERS = 100
# The numbers of a process, as prometheus_client names them.
NUMBERS = ("resident_memory_bytes", "cpu_seconds_total", "start_time_seconds", "open_fds")


class WorkerNumbers:
    """Reads the numbers of this worker's process and of its job's, and writes them to Redis.

    name: a name of bounded length that no other worker has. job_pid: returns the process id of the current job, or
    0 if no job runs.
    """

    def __init__(self, prefix: str, name: str, job_pid: Callable[[], int]) -> None:
        self._key = numbers_key(prefix)
        self._name = name
        self._job_pid = job_pid
        # imported here, because it reads PROMETHEUS_MULTIPROC_DIR on import, and the server sets that later
        from prometheus_client import CollectorRegistry  # noqa: PLC0415
        from prometheus_client.process_collector import ProcessCollector  # noqa: PLC0415

        registry = CollectorRegistry()
        self._worker = ProcessCollector(registry=registry)
        self._job = ProcessCollector(namespace="job", pid=job_pid, registry=registry)

    def write(self, connection: Redis) -> None:
        """Write the numbers, and remove those of workers that have ended, and damaged ones. Raises RedisError."""
        now = time.time()
        numbers = {
            "at": now,
            "worker": _numbers(self._worker),
            "job": _numbers(self._job) if self._job_pid() else {},
        }
        connection.hset(self._key, self._name, json.dumps(numbers))
        entries: dict[Any, Any] = connection.hgetall(self._key)
        # a name that cannot be read is passed on as it is
        ended = [
            field for field, value in entries.items() if _name(field) is None or _is_over(_object(value), now)
        ]
        if ended:
            connection.hdel(self._key, *ended)


def numbers_key(prefix: str) -> str:
    """Return the key of the hash. prefix: Settings.queue_prefix."""
    return f"{prefix}:workers"


def working(answer: object) -> dict[str, dict[str, Any]]:
    """Return the numbers of the workers that are up, by their names.

    answer: Redis's answer with the hash; if it is an exception, no worker is up. Each worker has ``worker`` and
    ``job`` with those of NUMBERS that the system provides; ``job`` is empty if none runs.
    """
    now = time.time()
    found = {name: one for name, one in _read(mapping(answer)).items() if not _is_over(one, now)}
    return dict(sorted(found.items())[:MAX_WORKERS])


def _read(entries: Mapping[Any, Any]) -> dict[str, dict[str, Any]]:
    """Return the entries of workers; one that cannot be read is {}, as if its worker had ended.

    An entry whose name no worker can have is left out: it is damaged.
    """
    named = ((_name(field), value) for field, value in entries.items())
    return {name: _object(value) for name, value in named if name is not None}


def _name(field: bytes | str) -> str | None:
    try:
        name = as_text(field)
    except UnicodeDecodeError:
        return None
    return name if len(name) <= MAX_NAME else None


def _object(text: bytes | str) -> dict[str, Any]:
    try:
        value = read_json(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _is_over(numbers: Mapping[str, Any], now: float) -> bool:
    at = numbers.get("at")
    return not isinstance(at, int | float) or not at >= now - HEALTH_TTL


def _numbers(collector: "ProcessCollector") -> dict[str, float]:
    """Return a process's numbers; {} on a system without /proc, or if the process has just ended."""
    samples = [sample for family in collector.collect() for sample in family.samples]
    named = {sample.name.rpartition("process_")[2]: sample.value for sample in samples}
    return {name: named[name] for name in NUMBERS if name in named}
