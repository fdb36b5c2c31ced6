"""Fills a project's known mentions from Label Studio.

This adds annotations that sent no event, and those that were lost with Redis.

A training reads all annotated tasks anyway, so it also fills the known mentions. Before the first training, and
after an import, a job of the worker does this.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from redis import RedisError

from huggingface_ner.errors import HuggingFaceNERError
from huggingface_ner.jobs.mention_store import AT_A_TIME, MentionStore
from huggingface_ner.jobs.process import begin_job
from huggingface_ner.label_studio.annotation_entries import AnnotationEntry, read_entries
from huggingface_ner.label_studio.client import LabelStudioClient
from huggingface_ner.label_studio.labeling_config import LabelingConfig, parse_labeling_config
from huggingface_ner.label_studio.tasks import RememberingReader, TaskReader, task_reader

_Result = TypeVar("_Result")

logger = logging.getLogger(__name__)


def fill_mentions(project_id: int) -> None:
    """Fill a project's known mentions. RQ calls this in the job's process."""
    settings, queue = begin_job()
    if queue.mentions.store is None:
        queue.fills.done(project_id)
        return
    try:
        client = LabelStudioClient(settings, queue.notes.token(project_id), note=queue.notes.note_contact)
        config = parse_labeling_config(client.labeling_config(project_id))
        fill = MentionFill(queue.mentions.store, project_id, config, task_reader(settings))
        for _ in fill.watch(client.annotated_tasks(project_id)):
            pass
        queue.fills.done(project_id)
    except HuggingFaceNERError as error:
        logger.warning("project %d: could not read annotations for known mentions: %s", project_id, error)
        if not error.retryable:
            queue.fills.done(project_id)


class MentionFill:
    """Stores the annotations of all tasks that are read from Label Studio, and removes all others.

    If Redis does not answer, annotations are no longer stored, but the tasks are still read.
    """

    def __init__(self, store: MentionStore, project_id: int, config: LabelingConfig, reader: TaskReader) -> None:
        self._store = store
        self._project_id = project_id
        self._config = config
        # callers that read the yielded tasks use this reader too, so that no text is fetched twice
        self.reader = RememberingReader(reader)
        self._found: set[int] = set()
        self._waiting: list[AnnotationEntry] = []
        self._has_failed = False

    def watch(self, tasks: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield the tasks, which must be all annotated tasks of the project, and store their annotations."""
        began = self._try(lambda: self._store.last_change(self._project_id))
        for task in tasks:
            yield task
            annotations = task.get("annotations")
            if not self._has_failed and isinstance(annotations, list):
                self._waiting += read_entries(task, annotations, self._config, self.reader, at_once=False)
                if len(self._waiting) >= AT_A_TIME:
                    self._put()
        self._put()
        self._try(lambda: self._store.end_fill(self._project_id, began or 0, self._found))

    def _put(self) -> None:
        self._found.update(entry.annotation_id for entry in self._waiting)
        self._try(lambda: self._store.put(self._project_id, self._waiting))
        self._waiting = []

    def _try(self, do: Callable[[], _Result]) -> _Result | None:
        if self._has_failed:
            return None
        try:
            return do()
        except RedisError as error:
            self._has_failed = True
            logger.warning("project %d: its known mentions could not be stored: %s", self._project_id, error)
            return None
