"""Stores annotated texts on disk, so that memory does not limit the size of a project."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Set
from pathlib import Path
from types import TracebackType
from typing import Self, overload

from huggingface_ner.spans import AnnotatedText, Span, Vote, drop_overlaps


class SpooledTexts(Sequence[AnnotatedText]):
    """Some of a spool's texts; each access reads from the disk."""

    def __init__(self, read: Callable[[int], AnnotatedText], places: Sequence[int]) -> None:
        self._read = read
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> AnnotatedText: ...

    @overload
    def __getitem__(self, index: slice) -> list[AnnotatedText]: ...

    def __getitem__(self, index: int | slice) -> AnnotatedText | list[AnnotatedText]:
        if isinstance(index, slice):
            return [self._read(place) for place in self._places[index]]
        return self._read(self._places[index])

    def __iter__(self) -> Iterator[AnnotatedText]:
        return map(self._read, self._places)


class Spool:
    """A context manager for a temporary file of annotated texts, with only offsets and task ids in memory."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b")
        self._places: list[int] = []
        self._hash = hashlib.sha256()
        self.task_ids: list[str] = []
        self.spans = 0
        self.spans_by_label: Counter[str] = Counter()
        # the known annotators of the tasks that have several annotations
        self.annotators: set[int] = set()

    def add(self, text: AnnotatedText) -> None:
        """Append a text; raises OSError, for example if the disk is full."""
        spans = _saved(text.spans)
        taught = [text.task_id, text.text, spans]
        # annotations that are left out or outvoted teach nothing, so they do not change the digest
        self._hash.update(json.dumps(taught).encode() + b"\n")
        if len(drop_overlaps(set(text.spans))) < len(set(text.spans)):
            # up to release 0.2.0, only one of several overlapping spans was learned; this changes the digest, so
            # that such a version is trained again
            self._hash.update(b"overlaps\n")
        self._places.append(self._file.tell())
        votes = [(vote.annotator, _saved(vote.spans), vote.is_ground_truth) for vote in text.votes]
        self._file.write(json.dumps([*taught, text.left_out, text.part, text.borders, votes]).encode() + b"\n")
        self.task_ids.append(text.task_id)
        self.spans += len(spans)
        self.spans_by_label.update(span.label for span in text.spans)
        self.annotators.update(vote.annotator for vote in text.votes if vote.annotator is not None)

    def digest(self) -> str:
        """Return a hexadecimal hash of all texts and spans, in order."""
        return self._hash.hexdigest()

    def split(self, held_out: Set[str]) -> tuple[SpooledTexts, SpooledTexts]:
        """Return the texts to train on and the texts of the tasks held out."""
        self._file.flush()
        places = list(zip(self._places, self.task_ids, strict=True))
        return (
            SpooledTexts(self._read, [place for place, task_id in places if task_id not in held_out]),
            SpooledTexts(self._read, [place for place, task_id in places if task_id in held_out]),
        )

    def _read(self, place: int) -> AnnotatedText:
        self._file.seek(place)
        task_id, text, spans, left_out, part, borders, votes = json.loads(self._file.readline())
        return AnnotatedText(
            task_id,
            text,
            _spans(spans),
            left_out,
            part,
            tuple(borders),
            tuple(Vote(annotator, _spans(of_one), is_truth) for annotator, of_one, is_truth in votes),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def _saved(spans: Sequence[Span]) -> list[tuple[int, int, str]]:
    return [(span.start, span.end, span.label) for span in spans]


def _spans(saved: Sequence[tuple[int, int, str]]) -> tuple[Span, ...]:
    return tuple(Span(*span) for span in saved)
