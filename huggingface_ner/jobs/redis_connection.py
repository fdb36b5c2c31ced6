"""The URL of the training queue's Redis, and connections to it."""

import re
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from huggingface_ner.errors import HuggingFaceNERError
from huggingface_ner.jobs.damaged_entries import is_damage
from huggingface_ner.settings import Settings

# Maximum seconds that the server waits for an answer of Redis. Label Studio waits only a second for a webhook.
REDIS_TIMEOUT = 0.3
# Maximum seconds that a worker or its jobs wait for an answer of Redis.
WORKER_REDIS_TIMEOUT = 5.0
# Seconds after a failure in which the server does not try Redis again, because the next webhooks would only wait.
COOLDOWN_SECONDS = 1.0
# Seconds without a change after which the state of a project expires.
STATE_TTL = 90 * 24 * 3600
# Paths may have bytes that are not UTF-8.
_ENCODING = {"encoding": "utf-8", "errors": "surrogateescape"}
_NOT_IN_JOB_IDS = re.compile("[^A-Za-z0-9_-]")


class CircuitBreaker:
    """A context manager for Redis commands; it raises RedisError at once during the cooldown after a failure."""

    def __init__(self) -> None:
        self._cooldown_until = 0.0

    def __enter__(self) -> None:
        if time.monotonic() < self._cooldown_until:
            raise RedisConnectionError("Redis did not answer a moment ago")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, RedisError) and not is_damage(error):  # a damaged entry affects one key only
            self._cooldown_until = time.monotonic() + COOLDOWN_SECONDS


class QueueError(HuggingFaceNERError):
    """The training queue cannot be used; the message says what to do."""


def connect(url: str, *, timeout: float = REDIS_TIMEOUT) -> Redis:
    """Return a client with a time limit in seconds for each call; a broken connection is reopened once.

    Raises QueueError if the options in the URL cannot be used.
    """
    try:
        client = Redis.from_url(
            url,
            # no handshake (HELLO, CLIENT SETINFO), because each of its commands could take the full time limit
            protocol=2,
            driver_info=None,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        )
        pool = client.connection_pool
        pool.connection_class(**pool.connection_kwargs)  # reads the options, and does not connect
    except (ValueError, TypeError, RedisError):  # the message may quote a password
        raise QueueError(
            "REDIS_URL has an option that redis-py does not know, or a value that it cannot use; options begin "
            "after the question mark"
        ) from None
    return client


def job_id(prefix: str, name: str) -> str:
    """Return the id of a job, which must be unique among all queues of RQ; see Settings.queue_prefix.

    RQ refuses ids with a dot, which the name of a Label Studio's place may contain. Two places do not differ only
    in dots, because their names contain a hash.
    """
    place = prefix.split(":")[2:]
    return f"{name}-{_NOT_IN_JOB_IDS.sub('_', place[0])}" if place else name


def as_text(value: bytes | str) -> str:
    """Decode an answer of Redis; the connection returns bytes, because RQ shares it and needs bytes."""
    return value.decode() if isinstance(value, bytes) else value


def decoded(fields: Mapping[bytes | str, bytes | str]) -> dict[str, str]:
    """Return a Redis hash as text."""
    return {as_text(name): as_text(value) for name, value in fields.items()}


def queue_url(settings: Settings) -> str | None:
    """Return REDIS_URL, or the URL in the file of a server with an embedded queue, or None if neither exists."""
    return settings.redis_url if settings.redis_url is not None else embedded_url(settings)


def embedded_url(settings: Settings) -> str | None:
    """Return the URL of the embedded queue; None if no server runs it, and none was killed while it did.

    A copy of the folder, for example a backup, has the file too, but the queue belongs to the original.
    """
    try:
        lines = embedded_url_file(settings).read_text(**_ENCODING).splitlines()
        here = _identity(settings)
    except OSError:
        return None
    url, *known = lines or [""]
    # Earlier releases wrote only the URL. A moved folder keeps its number, but some file systems change numbers.
    is_ours = not known or bool(set(known) & set(here))
    return url.strip() if is_ours and url.startswith("unix://") else None


def write_embedded_url(settings: Settings, url: str) -> Path:
    """Note the URL of the embedded queue, and which folder the queue has; return the file. Raises OSError."""
    file = embedded_url_file(settings)
    file.write_text("\n".join([url, *_identity(settings)]), **_ENCODING)
    return file


def _identity(settings: Settings) -> tuple[str, str]:
    """Return the inode number and the path of the embedded queue's folder. Raises OSError."""
    folder = embedded_folder(settings)
    return str(folder.stat().st_ino), str(folder.resolve())


def running_queue_url(settings: Settings) -> str:
    """Return the URL of the queue; raises QueueError if there is none."""
    url = queue_url(settings)
    if url is None:
        raise QueueError(
            f"no running server found in MODEL_DIR={settings.model_dir}; start one with `make serve`, or set "
            "MODEL_DIR or REDIS_URL"
        )
    return url


def embedded_url_file(settings: Settings) -> Path:
    """Return the file with the URL of the embedded queue, which exists while a server runs it."""
    return embedded_folder(settings) / "url"


def embedded_folder(settings: Settings) -> Path:
    """Return the data folder of the embedded queue."""
    return settings.model_dir / "queue"
