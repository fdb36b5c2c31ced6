"""Notes on each project: its token, its title, its tasks, its webhook and its unmatched labels.

Label Studio sent the token. Trainings use it if LABEL_STUDIO_API_KEY is not set. The other notes are for people:
pages and ``/training`` can show them without asking Label Studio.
"""

import json
import logging
import time
from collections.abc import Mapping
from typing import Any

from redis import Redis, RedisError

from huggingface_ner.jobs.redis_connection import STATE_TTL, CircuitBreaker, as_text, decoded
from huggingface_ner.jobs.totals import PUSHED
from huggingface_ner.label_studio.contacts import Contact
from huggingface_ner.label_studio.task_counts import TaskCounts

# Minimum seconds until the same token is stored again; Label Studio sends it with every /setup.
WRITE_INTERVAL = 600.0
# Upper bound on the in-process records of recently stored tokens and notes.
MAX_TOKENS = 1000
# Minimum seconds until the same note is stored again with a new time.
NOTE_INTERVAL = 60.0
MAX_NOTE_LENGTH = 500

logger = logging.getLogger(__name__)


class ProjectNotes:
    """The notes of each project, in Redis; methods raise RedisError if Redis does not answer."""

    def __init__(self, connection: Redis, prefix: str, breaker: CircuitBreaker) -> None:
        self._redis = connection
        self._prefix = prefix
        self._breaker = breaker
        self._tokens: dict[int, tuple[str, float]] = {}  # the token, and when it was stored
        self._noted: dict[tuple[int, str], tuple[Mapping[str, str], float]] = {}

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

    def count_pushed(self, project_id: int, count: int) -> None:
        """Count suggestions that were stored in Label Studio."""
        self._redis.hincrby(self._project_key(project_id), PUSHED, count)

    def put_selected(self, project_id: int, version: str) -> None:
        """Store which model version is to be selected again in a project; "" if none has to be."""
        key = self._project_key(project_id)
        if version:
            self._redis.hset(key, "selected", version)
        else:
            self._redis.hdel(key, "selected")

    def selected(self, project_id: int) -> str | None:
        """Return the model version that put_selected stored, or None if there is none."""
        selected = self._redis.hget(self._project_key(project_id), "selected")
        return None if selected is None else as_text(selected)

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

    def note_setup(self, project_id: int, address: str) -> None:
        """Note that Label Studio has connected a project; address: where people open Label Studio."""
        self._note(project_id, "setup_at", {"address": address})

    def note_event(self, project_id: int, title: str, counts: TaskCounts | None = None) -> None:
        """Note that an event of a project has arrived.

        title: empty if it is not in the event. counts: the project's tasks; None if they are not in the event.
        """
        self._note(project_id, "event_at", {"title": title} if title else {}, counts)

    def is_seen(self, project_id: int) -> bool:
        """Return whether Label Studio has ever told anything about a project, or connected it."""
        # "updates": release 0.2.0 stored only their number
        fields = ["setup_at", "event_at", "annotated_at", "title", "tasks", "updates"]
        return any(value is not None for value in self._redis.hmget(self._project_key(project_id), fields))

    def note_contact(self, contact: Contact) -> None:
        """Note whether Label Studio has answered a request about a project, its title, and its tasks."""
        fields = {"label_studio": contact.trouble or "", "key_refused": str(int(contact.refuses_key))}
        fields |= {} if contact.title is None else {"title": contact.title}
        self._note(contact.project_id, "label_studio_at", fields, contact.counts)

    def note_review(self, project_id: int, note: str) -> None:
        """Store a text for users about the outcome of the last request for the tab with tasks to review.

        It is stored even if this process has just stored the same text, because jobs store other texts in between.
        """
        self._store(project_id, "review_at", {"review": note})

    def _note(
        self, project_id: int, time_field: str, fields: Mapping[str, str], counts: TaskCounts | None = None
    ) -> None:
        """Store fields and their time, unless this process stored the same within NOTE_INTERVAL; see _store.

        counts: they are always stored, because other processes store others in between.
        """
        if counts is not None:
            self._store(project_id, time_field, {**fields, "tasks": json.dumps(counts.as_dict())})
            return
        known, written = self._noted.get((project_id, time_field), ({}, 0.0))
        is_new = not written or any(known.get(name) != value for name, value in fields.items())
        if not is_new and time.monotonic() - written < NOTE_INTERVAL:
            return
        if not self._store(project_id, time_field, fields):
            return
        if len(self._noted) >= MAX_TOKENS:
            self._noted.clear()
        self._noted[project_id, time_field] = {**known, **fields}, time.monotonic()

    def _store(self, project_id: int, time_field: str, fields: Mapping[str, str]) -> bool:
        """Store fields and their time, and return whether they could be stored.

        If Redis does not answer, this is logged: nothing depends on these notes.
        """
        key = self._project_key(project_id)
        values: dict[str, str] = {name: _writable(value) for name, value in fields.items()}
        values[time_field] = str(time.time())
        try:
            with self._breaker, self._redis.pipeline() as pipeline:
                pipeline.hset(key, mapping=dict[Any, Any](values))
                pipeline.expire(key, STATE_TTL)
                pipeline.execute()
        except RedisError as error:
            logger.warning("project %d: a note for the page could not be stored: %s", project_id, error)
            return False
        return True

    def _project_key(self, project_id: int) -> str:
        return f"{self._prefix}:project:{project_id}"

    def _token_key(self, project_id: int) -> str:
        return f"{self._prefix}:token:{project_id}"


def _writable(text: str) -> str:
    """Shorten a text to MAX_NOTE_LENGTH characters, and replace lone surrogates, which UTF-8 cannot encode."""
    cut = text if len(text) <= MAX_NOTE_LENGTH else f"{text[: MAX_NOTE_LENGTH - 1]}…"
    return cut.encode("utf-8", "replace").decode()
