"""Collects the stored facts about projects, for the pages and for programs.

Other parts of the service have stored these facts: the status in Redis, the scores and mistakes with the versions
on disk. This module requests nothing from Label Studio, loads no model and reads no task.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from redis import RedisError

from huggingface_ner.intervals import Interval, f1_interval, share_interval
from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.json_values import mapping
from huggingface_ner.label_studio.addresses import parse_address, project_address
from huggingface_ner.label_studio.task_counts import TaskCounts
from huggingface_ner.learning.unknown_tokens import UnknownTokens
from huggingface_ner.left_out import LeftOut
from huggingface_ner.settings import Settings
from huggingface_ner.store.versions import ModelStore, Version, project_store, project_stores


@dataclass(frozen=True, slots=True)
class Score:
    """Precision, recall and F1 with their 95 % intervals, and the counts behind them; see scores.Scores."""

    correct: int
    predicted: int
    gold: int

    @property
    def precision(self) -> float | None:
        """The share of the predicted spans that are correct; None if nothing was predicted."""
        return self.correct / self.predicted if self.predicted else None

    @property
    def recall(self) -> float | None:
        """The share of the gold spans that were found; None if there are no gold spans."""
        return self.correct / self.gold if self.gold else None

    @property
    def f1(self) -> float | None:
        """The harmonic mean of precision and recall; None if there are no spans."""
        spans = self.predicted + self.gold
        return 2 * self.correct / spans if spans else None

    @property
    def precision_interval(self) -> Interval:
        """The interval of the precision."""
        return share_interval(self.correct, self.predicted)

    @property
    def recall_interval(self) -> Interval:
        """The interval of the recall."""
        return share_interval(self.correct, self.gold)

    @property
    def f1_interval(self) -> Interval:
        """The interval of F1."""
        return f1_interval(self.correct, self.predicted, self.gold)

    def as_dict(self) -> dict[str, Any]:
        """Return the scores, the intervals, and the numbers of predicted and gold spans as JSON."""
        names = ("precision", "recall", "f1", "precision_interval", "recall_interval", "f1_interval")
        return {**{name: getattr(self, name) for name in names}, "predicted": self.predicted, "gold": self.gold}


@dataclass(frozen=True, slots=True)
class ProjectFacts:
    """The facts about one project.

    status: see jobs.status. label_studio: Label Studio's address, for browsers. version: the version that was
    published or chosen last, which is in use now or will be soon; None if there is no version yet.
    """

    project_id: int
    status: dict[str, Any]
    label_studio: str
    version: Version | None

    @property
    def title(self) -> str:
        """The project's title in Label Studio, or its number until the title is known."""
        return self.status.get("title") or f"Project {self.project_id}"

    @property
    def address(self) -> str:
        """The address of the project in Label Studio, for browsers."""
        return project_address(self.label_studio, self.project_id)

    @property
    def score(self) -> Score | None:
        """The scores of the version; None if it was not scored."""
        return read_score(self.version.metrics) if self.version else None

    @property
    def tasks(self) -> int | None:
        """The number of annotated tasks when the version was trained; None if it is not known."""
        tasks = self.version.metrics.get("tasks") if self.version else None
        return tasks if isinstance(tasks, int) else None

    @property
    def tasks_now(self) -> TaskCounts | None:
        """The project's tasks when Label Studio last sent their number; None if it has not."""
        return TaskCounts.from_dict(mapping(self.status.get("tasks")))

    @property
    def left_out(self) -> LeftOut | None:
        """What the last training left out; None if it is not known.

        If the last training stored nothing, the facts are those of the training that made the version.
        """
        counts = self._of_last_training("left_out")
        return LeftOut.from_dict(counts) if counts else None

    @property
    def unknown_tokens(self) -> UnknownTokens | None:
        """How many tokens the last training's baseline does not know; None if not counted. See ``left_out``."""
        counts = self._of_last_training("unknown_tokens")
        return UnknownTokens.from_dict(counts) if counts else None

    def _of_last_training(self, name: str) -> object:
        last = mapping(self.status.get("last")).get(name)
        return last or (self.version.metrics.get(name) if self.version else None)


@dataclass(frozen=True, slots=True)
class Overview:
    """The facts about all projects, by id, and the numbers of the workers, see jobs.worker_numbers.

    trouble: a sentence on why the trainings and the workers are not known; None if they are.
    """

    projects: list[ProjectFacts]
    workers: Mapping[str, Mapping[str, Any]]
    trouble: str | None


class FactsReader:
    """Reads the facts about projects.

    queue: None if there is no training queue. Without a queue, or if Redis does not answer, only facts about the
    models are available.
    """

    def __init__(self, settings: Settings, queue: TrainingQueue | None) -> None:
        self._settings = settings
        self._queue = queue

    def overview(self) -> Overview:
        """Return the facts about all known projects, and the workers."""
        stores = project_stores(self._settings.models_folder)
        statuses, workers, trouble = self._statuses()
        numbers = sorted({*stores, *statuses})
        known = [self._known(number, statuses, stores.get(number), trouble) for number in numbers]
        return Overview(known, workers, trouble)

    def project(self, project_id: int) -> tuple[ProjectFacts | None, str | None]:
        """Return the facts about one project, or None if there are none, and the same trouble as ``overview``."""
        store = self.store(project_id)
        statuses, _, trouble = self._statuses()
        known = self._known(project_id, statuses, store, trouble)
        return (known if project_id in statuses or known.version else None), trouble

    def store(self, project_id: int) -> ModelStore:
        """Return a project's store."""
        return project_store(self._settings.models_folder, project_id, self._settings.keep_versions)

    def _statuses(self) -> tuple[dict[int, dict[str, Any]], dict[str, dict[str, Any]], str | None]:
        if self._queue is None:
            return {}, {}, "There is no training queue: set REDIS_URL."
        try:
            statuses, workers = self._queue.overview()
        except RedisError:
            return {}, {}, "The training queue does not answer, so only the facts on disk are shown."
        return {status["project"]: status for status in statuses}, workers, None

    def _known(
        self,
        project_id: int,
        statuses: Mapping[int, dict[str, Any]],
        store: ModelStore | None,
        trouble: str | None,
    ) -> ProjectFacts:
        # a project that is only in MODEL_DIR was not annotated for a long time, or was trained by the command
        state = "unknown" if trouble else "idle"
        status = statuses.get(project_id, {"project": project_id, "state": state, "updates": 0})
        base = parse_address(status.get("address")) or self._settings.label_studio_host
        current = None
        if store is not None:
            try:
                name = store.current()
                current = store.version(name) if name else None
            except OSError:  # the store has logged it
                current = None
        return ProjectFacts(project_id, status, base, current)


def read_score(metrics: Mapping[str, Any]) -> Score | None:
    """Return the scores of a metrics.json or of one of its labels; None if they are missing or invalid."""
    counts = [metrics.get(name) for name in ("correct", "predicted", "gold")]
    if not all(isinstance(count, int) and not isinstance(count, bool) and count >= 0 for count in counts):
        return None
    correct, predicted, gold = (int(count) for count in counts if count is not None)
    return Score(correct, predicted, gold) if correct <= min(predicted, gold) else None


def now() -> float:
    """Return the time, in seconds since 1970."""
    return time.time()
