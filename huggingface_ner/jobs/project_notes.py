"""Notes on each project: Label Studio's token from /setup, the state of its webhook, its unmatched labels.

Trainings use the token if LABEL_STUDIO_API_KEY is not set.
"""

import time

from redis import Redis

from huggingface_ner.jobs.redis_connection import STATE_TTL, CircuitBreaker, as_text, decoded

# Minimum seconds until the same token is stored again; Label Studio sends it with every /setup.
WRITE_INTERVAL = 600.0
# Upper bound on the in-process record of recently stored tokens.
MAX_TOKENS = 1000


class ProjectNotes:
    """The notes of each project, in Redis; methods raise RedisError if Redis does not answer."""

    def __init__(self, connection: Redis, prefix: str, breaker: CircuitBreaker) -> None:
        self._redis = connection
        self._prefix = prefix
        self._breaker = breaker
        self._tokens: dict[int, tuple[str, float]] = {}  # the token, and when it was stored

    def put_token(self, project_id: int, token: str) -> None:
        """Store the token of a project, unless it was stored within WRITE_INTERVAL."""
        known, written = self._tokens.get(project_id, ("", 0.0))
        if known == token and time.monotonic() - written < WRITE_INTERVAL:
            return
        with self._breaker:
            self._redis.set(self._token_key(project_id), token, ex=STATE_TTL)
        if len(self._tokens) >= MAX_TOKENS:
            self._tokens.clear()
        self._tokens[project_id] = token, time.monotonic()

    def token(self, project_id: int) -> str | None:
        """Return the token of a project, or None if it has none."""
        token = self._redis.get(self._token_key(project_id))
        return None if token is None else as_text(token)

    def note_webhook(self, project_id: int, note: str) -> None:
        """Store a text for users that says whether a project's webhook carries the credentials."""
        key = self._project_key(project_id)
        with self._breaker, self._redis.pipeline() as pipeline:
            pipeline.hset(key, mapping={"webhook": note, "webhook_at": time.time()})
            pipeline.expire(key, STATE_TTL)
            pipeline.execute()

    def note_labels(self, project_id: int, note: str) -> None:
        """Store a text for users that names the labels that are never suggested; empty if there are none."""
        key = self._project_key(project_id)
        with self._breaker, self._redis.pipeline() as pipeline:
            if note:
                pipeline.hset(key, "labels_note", note)
            else:
                pipeline.hdel(key, "labels_note")
            pipeline.expire(key, STATE_TTL)
            pipeline.execute()

    def webhook_note(self, project_id: int) -> tuple[str | None, float]:
        """Return the note on a project's webhook, and when it was stored, in seconds since 1970."""
        state = decoded(self._redis.hgetall(self._project_key(project_id)))
        return state.get("webhook"), float(state.get("webhook_at", 0))

    def _project_key(self, project_id: int) -> str:
        return f"{self._prefix}:project:{project_id}"

    def _token_key(self, project_id: int) -> str:
        return f"{self._prefix}:token:{project_id}"
