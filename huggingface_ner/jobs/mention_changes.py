"""The data that processes read about the known mentions in Redis; mention_store.py describes the keys."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from huggingface_ner.jobs.redis_connection import as_text
from huggingface_ner.label_studio.annotation_entries import AnnotationEntry
from huggingface_ner.mentions.packing import UnreadableEntryError, unpack

logger = logging.getLogger(__name__)


class Facts(NamedTuple):
    """The facts known about a packed entry; ``left_out`` is 1 if there was no room for its texts."""

    task_id: int
    updated_at: int
    size: int
    checksum: int
    left_out: int

    @classmethod
    def read(cls, written: bytes | str) -> "Facts":
        """Read facts; raises ValueError."""
        numbers = [int(number) for number in as_text(written).split()]
        if len(numbers) != len(cls._fields):
            raise ValueError("not the facts of an annotation")
        return cls(*numbers)

    def __str__(self) -> str:
        return " ".join(map(str, self))


class Totals(NamedTuple):
    """The number of a project's last change, the size of its entries, and how many are stored without texts."""

    changes: int = 0
    size: int = 0
    left_out: int = 0

    @classmethod
    def read(cls, values: list[bytes | str | None]) -> "Totals":
        """Read the values of the fields in Redis; raises ValueError."""
        return cls(*(int(value or 0) for value in values))


@dataclass(frozen=True, slots=True)
class Position:
    """The last change of a project's entries that a process has read."""

    epoch: str = ""
    change: int = 0


@dataclass(slots=True)
class Changes:
    """The changes of a project's entries since a position.

    is_filled: whether a job has compared the entries with Label Studio since the first entry was stored.
    is_all: whether these are all entries of the project, and not only the changed ones.
    """

    position: Position
    is_filled: bool = False
    is_all: bool = False
    put: list[AnnotationEntry] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)

    def add(self, project_id: int, annotation_id: int, packed: Any, max_size: int) -> int:
        """Add an annotation and return its size.

        If there is none, or it cannot be read or is larger than max_size, add its removal and return 0.
        """
        try:
            entry = None if packed is None else unpack(annotation_id, packed)
        except UnreadableEntryError as error:
            logger.warning("project %d: its mentions are not suggested: cannot read %s", project_id, error)
            entry = None
        if entry is None or entry.size > max_size:
            self.removed.append(annotation_id)
            return 0
        self.put.append(entry)
        return entry.size


def read_counts(answers: Sequence[Any]) -> dict[str, int] | None:
    """Return how many annotations of a project are known with and without texts, or None if none are known.

    answers: the answers of Redis to ``MentionStore.ask_counts``, each a value or an exception. If an answer cannot
    be read, None is returned; the next use of the project's mentions repairs the keys.
    """
    try:
        stored, left_out = (int(answer or 0) for answer in answers)
    except (ValueError, TypeError):
        return None
    return {"annotations": stored - left_out, "left_out": left_out} if stored else None
