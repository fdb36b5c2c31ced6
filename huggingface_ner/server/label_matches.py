"""Reports, for each project, which labels of its model and of its labelling config do not match."""

import logging
import threading
from collections import OrderedDict

from redis import RedisError

from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.label_studio.label_matching import LabelMatch, match_labels
from huggingface_ner.label_studio.labeling_config import parse_labeling_config

# Maximum number of projects whose label matches are kept in memory.
MAX_PROJECTS = 1000

logger = logging.getLogger(__name__)


class LabelMatches:
    """The label matches of the last MAX_PROJECTS projects for which this process has predicted.

    A new match is logged. If there is a queue, the match is also stored there, for ``/training``.
    """

    def __init__(self, queue: TrainingQueue | None) -> None:
        self._queue = queue
        self._matches: OrderedDict[int | None, tuple[tuple[str, str], LabelMatch]] = OrderedDict()
        self._lock = threading.Lock()

    def note(self, project_id: int | None, version: str, labels: tuple[str, ...], label_config: str) -> None:
        """Compare the labels of a project's model with those of its labelling config, if either has changed.

        A model without labels is an encoder that has not been trained; it is not compared.
        """
        if not labels:
            return
        key = version, label_config
        with self._lock:
            known = self._matches.get(project_id)
            if known is not None:
                self._matches.move_to_end(project_id)
                if known[0] == key:
                    return
        match = match_labels(labels, parse_labeling_config(label_config))
        with self._lock:
            self._matches[project_id] = key, match
            self._matches.move_to_end(project_id)
            if len(self._matches) > MAX_PROJECTS:
                self._matches.popitem(last=False)
        if known is None or known[1] != match:
            self._tell(project_id, match)

    def inexact(self) -> dict[str, str]:
        """Return a sentence for each project in which a label of the model or of the config has no counterpart."""
        with self._lock:
            matches = [(project_id, match) for project_id, (_, match) in self._matches.items()]
        return {str(project_id or "none"): str(match) for project_id, match in matches if not match.is_exact}

    def _tell(self, project_id: int | None, match: LabelMatch) -> None:
        level = logging.DEBUG if match.is_exact else logging.INFO if match.is_complete else logging.WARNING
        logger.log(level, "project %s: %s", "none" if project_id is None else project_id, match)
        if self._queue is None or project_id is None:
            return
        try:
            self._queue.notes.note_labels(project_id, "" if match.is_exact else str(match))
        except RedisError as error:
            logger.warning("project %d: its label match could not be stored: %s", project_id, error)
