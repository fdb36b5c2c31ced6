"""The allowlist of RQ jobs: other jobs are refused before RQ imports or calls anything that they name.

A job names a function or a method of an instance, and possibly callbacks. RQ itself would import and call all of
them, so anyone who can write to Redis could run code in the worker. For this reason, RQ reads jobs only through
AllowedJob. The process that is spawned for a job reads the job again, so the job is checked there too.
"""

import json
import logging
import zlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from rq.exceptions import NoSuchJobError
from rq.job import Job

TRAIN = "huggingface_ner.jobs.train.train_project"
COUNT = "huggingface_ner.jobs.count.count_annotations"
FILL = "huggingface_ner.jobs.mention_fill.fill_mentions"
REVIEW = "huggingface_ner.jobs.review_tab.make_review_tab"
SUGGEST = "huggingface_ner.jobs.suggest.suggest_project"
# The functions that a job may call, by the name in the job. The last two names are from the previous release,
# whose jobs may still be in the queue after an upgrade.
FUNCTIONS = {
    TRAIN: TRAIN,
    COUNT: COUNT,
    FILL: FILL,
    REVIEW: REVIEW,
    SUGGEST: SUGGEST,
    "huggingface_ner.training.job.train_project": TRAIN,
    "huggingface_ner.training.suggestions.suggest_project": SUGGEST,
}
# Fields of a job's hash that RQ acts on, but that our jobs never have.
FORBIDDEN_FIELDS = (
    "success_callback_name",
    "failure_callback_name",
    "stopped_callback_name",
    "webhooks",
    "dependency_id",
    "dependency_ids",
    "group_id",
    "retries_left",
    "repeats_left",
    "rate_limit_key",
)
# The only fields of a job's hash that are passed on to RQ. The job's results and metadata are ignored.
FIELDS = (
    "data",
    "created_at",
    "enqueued_at",
    "started_at",
    "ended_at",
    "last_heartbeat",
    "worker_name",
    "origin",
    "status",
    "timeout",
    "result_ttl",
    "failure_ttl",
)
# Maximum size in bytes of a job's function and arguments. Our jobs need about 100 bytes.
MAX_DATA_BYTES = 10_000
MAX_VERSION_LENGTH = 200
MAX_PROJECT_ID = 2**31 - 1
# Maximum of a job's time limits in seconds. RQ sets timers to them.
MAX_SECONDS = 2**31 - 1
# A value in a refused job is cut to this number of characters in the log.
MAX_LOGGED = 100

logger = logging.getLogger(__name__)


class _RefusedError(Exception):
    """A job is refused; the message says why, on one line."""


class AllowedJob(Job):
    """A job that can only call a function in FUNCTIONS, with arguments of the right shape.

    RQ treats a refused job as one that does not exist.
    """

    @classmethod
    def fetch(cls, id: str, connection: Redis | None = None, serializer: Any = None) -> Job:  # noqa: A002  # RQ's name
        """Return a job from Redis; a refused job is logged and deleted.

        Raises NoSuchJobError if the job does not exist or is refused. Also raises RedisError.
        """
        try:
            return super().fetch(id, connection=connection, serializer=serializer)
        except (NoSuchJobError, RedisConnectionError, RedisTimeoutError):
            raise
        except Exception as error:  # RQ may raise any exception on a hash that it did not write
            reason = str(error) if isinstance(error, _RefusedError) else _shown(error)
            logger.warning("refused and removed the job %s from the queue: %s", _shown(id), reason)
            if connection is not None:
                connection.delete(cls.key_for(id))
            raise NoSuchJobError(f"refused: {reason}") from error

    @classmethod
    def fetch_many(cls, job_ids: Iterable[str], connection: Redis, serializer: Any = None) -> list["Job | None"]:
        """Return jobs from Redis, with None for each job that does not exist or is refused. Raises RedisError."""
        jobs: list[Job | None] = []
        for job_id in job_ids:
            try:
                jobs.append(cls.fetch(job_id, connection=connection, serializer=serializer))
            except NoSuchJobError:
                jobs.append(None)
        return jobs

    def restore(self, raw_data: Mapping[bytes, bytes]) -> None:
        """Read the hash of a job. Raises _RefusedError; can raise any exception if RQ did not write the hash."""
        fields = {name: raw_data[name.encode()] for name in FIELDS if raw_data.get(name.encode())}
        if "data" not in fields:
            raise _RefusedError("it has no data")
        forbidden = [name for name in FORBIDDEN_FIELDS if raw_data.get(name.encode())]
        if forbidden:
            raise _RefusedError(f"it has fields that our jobs never have: {', '.join(forbidden)}")
        function, instance, args, kwargs = json.loads(_decompressed(fields["data"]))
        name = FUNCTIONS.get(function) if isinstance(function, str) else None
        if name is None:
            raise _RefusedError(f"its function is not on the allowlist: {_shown(function)}")
        if instance is not None or kwargs or not _are_arguments(name, args):
            raise _RefusedError(f"wrong arguments for {name}: {_shown([instance, args, kwargs])}")
        super().restore({field.encode(): value for field, value in fields.items()})
        for seconds in (self.timeout, self.result_ttl, self.failure_ttl):
            if seconds is not None and not 0 <= seconds <= MAX_SECONDS:
                raise _RefusedError(f"a time limit is not within [0, {MAX_SECONDS}] s: {_shown(seconds)}")
        self.func_name = name
        self.instance, self.args, self.kwargs = None, args, {}
        self.description = f"{name.rpartition('.')[2]} {args}"


def _decompressed(data: bytes) -> bytes:
    """Return a job's data, decompressed if necessary; raises _RefusedError if they are too long."""
    decompressor = zlib.decompressobj()
    with suppress(zlib.error):  # the data are not compressed; RQ accepts such data too
        data = decompressor.decompress(data, MAX_DATA_BYTES + 1)
    if len(data) > MAX_DATA_BYTES:
        raise _RefusedError(f"its data are longer than {MAX_DATA_BYTES} bytes")
    return data


def _are_arguments(function: str, args: Any) -> bool:
    """Return whether args fit a function: [project id, version] for SUGGEST, [project id] for the others."""
    if not isinstance(args, list) or len(args) != (2 if function == SUGGEST else 1):
        return False
    project_id, *versions = args
    return (
        isinstance(project_id, int)
        and not isinstance(project_id, bool)
        and 0 < project_id <= MAX_PROJECT_ID
        and all(isinstance(version, str) and 0 < len(version) <= MAX_VERSION_LENGTH for version in versions)
    )


def _shown(value: object) -> str:
    """Return the ASCII representation of a value, on one line and cut to MAX_LOGGED characters."""
    text = ascii(value)
    return text if len(text) <= MAX_LOGGED else f"{text[:MAX_LOGGED]}..."
