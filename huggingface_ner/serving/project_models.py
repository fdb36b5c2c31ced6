"""The fine-tuned models that this process serves, one for each project, loaded off the request path."""

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from huggingface_ner.serving.memory import give_memory_back
from huggingface_ner.store.versions import ModelStore, Version

if TYPE_CHECKING:
    from huggingface_ner.tagging.tagger import Tagger

# Seconds between two polls for new versions; well under store.versions.ACTIVATION_DELAY.
POLL_INTERVAL = 0.5
# Maximum number of polled projects that have no model in memory. They are polled so that their first version is
# loaded before it takes effect.
MAX_WITHOUT_MODEL = 1000

RETRY_INTERVAL = 60.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Loaded:
    """The model that answers for a version: its own, or an earlier version's if its own cannot be loaded.

    tagger: None if no version could be loaded; then the baseline serves.
    try_again_at: when to try the version's own model again, on the monotonic clock; infinite if it is loaded.
    passed_over: the later versions that do not serve, and the reason for each.
    """

    version: str | None
    tagger: "Tagger | None"
    try_again_at: float = math.inf
    passed_over: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Project:
    store: ModelStore
    loaded: dict[str, Loaded] = field(default_factory=dict)
    is_failing: bool = False


class ProjectModels:
    """Keeps the models of the most recently used projects in memory.

    A thread polls for new versions and loads them while the old ones serve; a request waits only if
    its project's model is not in memory.
    max_projects: the maximum number of projects whose models are in memory.
    """

    def __init__(
        self, open_store: Callable[[int], ModelStore], load: Callable[[Version], "Tagger"], max_projects: int
    ) -> None:
        self._open_store = open_store
        self._load = load
        self._max_projects = max_projects
        self._projects: dict[int, _Project] = {}  # the most recently used is last
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._watch, name="load-versions", daemon=True)

    def start(self) -> None:
        """Start polling for versions."""
        self._thread.start()

    def close(self) -> None:
        """Stop polling."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def model_for(self, project_id: int, timeout: float) -> Loaded | None:
        """Return the model that serves a project now; None if it has no version yet and the baseline serves.

        Raises TimeoutError if its model is not in memory and is not loaded within ``timeout`` seconds.
        """
        name = self._open_store(project_id).serving_version()
        with self._changed:
            project = self._projects.pop(project_id, None) or _Project(self._open_store(project_id))
            self._projects[project_id] = project
            if name is None:
                return None
            if name not in project.loaded:
                self._changed.notify_all()
                self._changed.wait_for(lambda: name in project.loaded or self._closed, timeout)
            if name not in project.loaded:
                raise TimeoutError(f"version {name} of project {project_id} is still loading")
            return project.loaded[name]

    def loaded(self, project_id: int, name: str) -> Loaded | None:
        """Return the model that answers for a version, or None if that is not known yet."""
        with self._changed:
            project = self._projects.get(project_id)
            return project.loaded.get(name) if project else None

    def taggers(self) -> dict[str, "Tagger"]:
        """Return the models in memory by their versions."""
        with self._changed:
            loaded = [each for project in self._projects.values() for each in project.loaded.values()]
        return {each.version: each.tagger for each in loaded if each.version and each.tagger}

    def passed_over(self) -> dict[str, str]:
        """Return the versions that should serve but do not, and the reason for each."""
        with self._changed:
            loaded = [each for project in self._projects.values() for each in project.loaded.values()]
        return {version: reason for each in loaded for version, reason in each.passed_over.items()}

    def _watch(self) -> None:
        while not self._closed:
            self._poll()
            with self._changed:
                if not self._closed:
                    self._changed.wait(POLL_INTERVAL)

    def _poll(self) -> None:
        with self._changed:
            without = [project_id for project_id, project in self._projects.items() if not project.loaded]
            for project_id in without[:-MAX_WITHOUT_MODEL]:
                del self._projects[project_id]
            projects = list(self._projects.items())
        for project_id, project in projects:
            try:
                self._poll_project(project_id, project)
            except Exception:  # for example an unreadable folder; other projects are still polled
                if not project.is_failing:  # logged once, not at every poll
                    logger.exception("project %d: could not poll for new versions; trying again", project_id)
                project.is_failing = True
            else:
                project.is_failing = False

    def _poll_project(self, project_id: int, project: _Project) -> None:
        pointer = project.store.pointer()
        if pointer is None:
            return
        # the version that serves now comes first: a request may be waiting for it
        needed = [name for name in (pointer.serving_version(), pointer.version) if name is not None]
        for name in needed:
            known = project.loaded.get(name)
            if known is None or time.monotonic() > known.try_again_at:
                self._evict(project_id)
                loaded = self._first_that_loads(project_id, project, name)
                with self._changed:
                    project.loaded[name] = loaded
                    self._changed.notify_all()
        with self._changed:
            gone = [project.loaded.pop(name) for name in set(project.loaded) - set(needed)]
        if gone:
            gone.clear()
            give_memory_back()

    def _evict(self, for_project: int) -> None:
        """Drop the models of the least recently used projects, to make room for one more project."""
        with self._changed:
            others = [
                project_id
                for project_id, project in self._projects.items()
                if project.loaded and project_id != for_project
            ]
            for project_id in others[: max(len(others) - self._max_projects + 1, 0)]:
                del self._projects[project_id]
                logger.info("project %d: model evicted (least recently used)", project_id)
        if len(others) >= self._max_projects:
            give_memory_back()

    def _first_that_loads(self, project_id: int, project: _Project, name: str) -> Loaded:
        passed_over: dict[str, str] = {}
        in_memory = {loaded.version: loaded.tagger for loaded in project.loaded.values()}
        for version in project.store.fallbacks(name):
            # the version may load later, if a volume was briefly unavailable or memory was short
            try_again_at = math.inf if version.name == name else time.monotonic() + RETRY_INTERVAL
            if version.name in in_memory:
                return Loaded(version.name, in_memory[version.name], try_again_at, passed_over)
            try:
                tagger = self._load(version)
            except Exception as error:  # whatever the error is, an earlier version may load
                logger.error("project %d: version %s cannot be loaded: %s", project_id, version.name, error)
                passed_over[version.name] = str(error)
            else:
                logger.info("project %d: version %s is loaded", project_id, version.name)
                return Loaded(version.name, tagger, try_again_at, passed_over)
        return Loaded(None, None, time.monotonic() + RETRY_INTERVAL, passed_over)
