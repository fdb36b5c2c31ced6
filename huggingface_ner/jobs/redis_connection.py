"""Where the training queue is, and the way to it."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.credentials import CredentialProvider
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from huggingface_ner.errors import HuggingFaceNERError
from huggingface_ner.settings import Settings

# What a webhook may wait for Redis, several times over: Label Studio gives it one second in all.
REDIS_TIMEOUT = 0.3
# What a worker and its jobs may wait for one answer of Redis.
WORKER_REDIS_TIMEOUT = 5.0
# A Redis that did not answer a webhook is not asked by the next ones for so long: they would wait in vain.
COOLDOWN_SECONDS = 1.0
# What is known of a project that nobody has touched for so long is forgotten.
STATE_TTL = 90 * 24 * 3600


class CircuitBreaker:
    """Around a question to Redis: raises RedisError at once where one has just gone unanswered."""

    def __init__(self) -> None:
        self._rests_until = 0.0

    def __enter__(self) -> None:
        if time.monotonic() < self._rests_until:
            raise RedisConnectionError("it did not answer a moment ago")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, RedisError):
            self._rests_until = time.monotonic() + COOLDOWN_SECONDS


class QueueError(HuggingFaceNERError):
    """A training queue that cannot be used; the message says what to do."""


class UrlCredentials(CredentialProvider):
    """The user and the password in REDIS_URL.

    RQ writes what a connection is made of into the arguments of a training's process, which every user of the
    machine may read: there this stands instead.
    """

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        """Return what Redis is told first."""
        options = parse_url(os.environ["REDIS_URL"])  # type: ignore[no-untyped-call]
        user, password = options.get("username"), str(options["password"])
        return (password,) if user is None else (str(user), password)

    def __repr__(self) -> str:
        return f"__import__({__name__!r}, fromlist=['']).{type(self).__name__}()"


def connect(url: str, *, timeout: float = REDIS_TIMEOUT) -> Redis:
    """Return a client that gives up after so many seconds a call; a connection that broke is made again once."""
    return Redis.from_url(
        url,
        # no greeting: each of its commands would have its own time limit
        protocol=2,
        driver_info=None,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
    )


def as_text(value: bytes | str) -> str:
    """Return what Redis answers as text: RQ, which shares the connection, needs the bytes."""
    return value.decode() if isinstance(value, bytes) else value


def decoded(fields: Mapping[bytes | str, bytes | str]) -> dict[str, str]:
    """Return a hash of Redis as texts."""
    return {as_text(name): as_text(value) for name, value in fields.items()}


def queue_url(settings: Settings) -> str | None:
    """Return where the queue is: at REDIS_URL, else what a server with an embedded one wrote down."""
    if settings.redis_url is not None:
        return settings.redis_url
    try:
        return embedded_url_file(settings).read_text(encoding="utf-8").strip() or None
    except OSError:
        return None


def embedded_url_file(settings: Settings) -> Path:
    """Return the file that says where the embedded queue is while a server runs it."""
    return embedded_folder(settings) / "url"


def embedded_folder(settings: Settings) -> Path:
    """Return where the embedded queue keeps its data."""
    return settings.model_dir / "queue"
