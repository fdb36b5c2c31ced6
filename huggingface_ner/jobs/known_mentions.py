"""The known mentions of each project in this process, kept up to date with Redis."""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

from redis import RedisError
from redis.client import Pipeline

from huggingface_ner.jobs.mention_changes import Position
from huggingface_ner.jobs.mention_store import MentionStore
from huggingface_ner.jobs.requested_jobs import RequestedJobs
from huggingface_ner.label_studio.annotation_events import AnnotationChanges
from huggingface_ner.label_studio.known_strings import KnownString
from huggingface_ner.mentions.gazetteer import Gazetteer, read_gazetteer
from huggingface_ner.mentions.mention_index import MentionIndex

# Upper bounds on the number of projects whose mentions a process has in memory, and on the number of characters in
# their texts. The least recently used projects are evicted first.
MAX_PROJECTS = 100
MAX_SIZE = 20_000_000
# Minimum seconds until the expiry of a project's mentions in Redis is postponed again.
TOUCH_INTERVAL = 3600.0
# Minimum seconds between two requests of a process to fill the same project's mentions from Label Studio.
FILL_INTERVAL = 3600.0
MAX_REQUESTED = 1_000

logger = logging.getLogger(__name__)


class ProjectMentions:
    """The known mentions of one project in this process; thread-safe."""

    def __init__(self, gazetteer: Gazetteer) -> None:
        self._gazetteer = gazetteer
        self._lock = threading.Lock()
        self._index = MentionIndex(gazetteer.finder)
        self._position = Position()
        self._touched = -TOUCH_INTERVAL

    @property
    def size(self) -> int:
        """The size, in characters, of the texts that are in memory."""
        return self._index.size

    def refresh(self, store: MentionStore, project_id: int) -> bool:
        """Read the changes from Redis; return whether a job has filled the mentions from Label Studio.

        Raises RedisError.
        """
        with self._lock:
            changes = store.changes(project_id, self._position)
            if changes.is_all:
                self._index = MentionIndex(self._gazetteer.finder)
            self._index.change(changes.put, changes.removed)
            self._position = changes.position
            if time.monotonic() - self._touched > TOUCH_INTERVAL:
                store.touch(project_id)
                self._touched = time.monotonic()
        return changes.is_filled

    def find(self, text: str) -> list[KnownString]:
        """Return the known strings in a text."""
        with self._lock:
            return list(self._find(text))

    def _find(self, text: str) -> Iterator[KnownString]:
        for start, end in self._index.find(text):
            string = text[start:end]
            # a copy, because another thread may change the tallies
            tallies = {layer: tally.copy() for layer, tally in self._index.tallies(string).items()}
            yield KnownString(start, end, tallies, self._gazetteer.labels.get(string, ()))


class KnownMentions:
    """The known mentions of all projects.

    store, fills: None if there is no Redis or KNOWN_MENTIONS is off; then only the gazetteer is known.
    gazetteer: the file that GAZETTEER names.
    """

    def __init__(self, store: MentionStore | None, fills: RequestedJobs | None, gazetteer: Path | None) -> None:
        self.store = store
        self._fills = fills
        self._path = gazetteer
        self._lock = threading.Lock()
        self._requested: dict[int, float] = {}  # project -> when this process last requested a fill
        self._projects: OrderedDict[int, ProjectMentions] = OrderedDict()

    def in_project(self, project_id: int | None) -> ProjectMentions:
        """Return the mentions of a project in their current state.

        If Redis does not answer, return the state that was read last. Raises GazetteerError.
        """
        gazetteer = read_gazetteer(self._path)
        if self.store is None or project_id is None:
            return ProjectMentions(gazetteer)
        with self._lock:
            known = self._projects.pop(project_id, None) or ProjectMentions(gazetteer)
            self._projects[project_id] = known
        try:
            if not known.refresh(self.store, project_id):
                self._request_fill(project_id)
        except RedisError as error:
            logger.debug("project %d: its known mentions could not be read: %s", project_id, error)
        self._evict()
        return known

    def ask_counts(self, pipeline: Pipeline, project_id: int) -> None:
        """Queue the commands whose answers ``mention_changes.read_counts`` reads, unless mentions are off."""
        if self.store is not None:
            self.store.ask_counts(pipeline, project_id)

    def note(self, project_id: int, changes: AnnotationChanges) -> None:
        """Store the changes that an event reports; raises RedisError."""
        if self.store is None:
            return
        if changes.is_project_deleted:
            self.store.clear(project_id)
        self.store.put(project_id, changes.put)
        self.store.remove(project_id, changes.removed)
        self.store.remove_tasks(project_id, changes.removed_tasks)
        if self._fills is not None and not changes.is_complete:
            self._fills.request(project_id)

    def _request_fill(self, project_id: int) -> None:
        now = time.monotonic()
        if self._fills is not None and now - self._requested.get(project_id, -FILL_INTERVAL) >= FILL_INTERVAL:
            if len(self._requested) >= MAX_REQUESTED:
                self._requested.clear()
            self._requested[project_id] = now
            self._fills.request(project_id)

    def _evict(self) -> None:
        with self._lock:
            size = sum(known.size for known in self._projects.values())
            while len(self._projects) > 1 and (size > MAX_SIZE or len(self._projects) > MAX_PROJECTS):
                _, evicted = self._projects.popitem(last=False)
                size -= evicted.size
