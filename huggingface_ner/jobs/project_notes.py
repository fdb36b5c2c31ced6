"""The tokens that Label Studio sends with /setup, kept for trainings for want of a key of our own."""

import time

from redis import Redis

from huggingface_ner.jobs.redis_connection import STATE_TTL, CircuitBreaker, as_text

# Label Studio sends its token again and again; so often it is written down.
WRITE_INTERVAL = 600.0
# Of so many projects it is known here that their token was just written.
MAX_KNOWN = 1000


class OfferedTokens:
    """A token for each project, in Redis; methods raise RedisError where it is away."""

    def __init__(self, connection: Redis, prefix: str, breaker: CircuitBreaker) -> None:
        self._redis = connection
        self._prefix = prefix
        self._breaker = breaker
        self._known: dict[int, tuple[str, float]] = {}  # and when it was written

    def put(self, project_id: int, token: str) -> None:
        """Keep a project's token; one that was just written costs nothing."""
        known, written = self._known.get(project_id, ("", 0.0))
        if known == token and time.monotonic() - written < WRITE_INTERVAL:
            return
        with self._breaker:
            self._redis.set(self._key(project_id), token, ex=STATE_TTL)
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        self._known[project_id] = token, time.monotonic()

    def get(self, project_id: int) -> str | None:
        """Return a project's token."""
        token = self._redis.get(self._key(project_id))
        return None if token is None else as_text(token)

    def _key(self, project_id: int) -> str:
        return f"{self._prefix}:token:{project_id}"
