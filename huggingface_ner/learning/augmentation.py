"""Augments training data by replacing mentions with other mentions of the same label."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from huggingface_ner.learning.dataset import IGNORED
from huggingface_ner.tagging.tag_groups import TagGroups
from huggingface_ner.tagging.tag_names import OUTSIDE

# Maximum number of mentions per label; more would take memory and improve little.
MAX_MENTIONS = 20_000

Feature = Mapping[str, Sequence[Any]]
# A token's labels, one for each tag group. Either all of them are IGNORED, or none is.
_Row = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Mention:
    """A mention's tokens and labels, without the labels of entities around it."""

    ids: list[int]
    rows: list[_Row]


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """The tags of the entity around a mention, for the mention's first word and its other words."""

    first: int
    other: int


class MentionReplacement:
    """Replaces a share of a window's mentions with other mentions of the same label.

    The method is from Dai and Adel, 2020, An Analysis of Simple Data Augmentation for Named Entity Recognition.

    If there are several tag groups, entities inside a mention are replaced together with the mention, and entities
    around it stay. A mention that partly overlaps an entity of another group is neither replaced nor used as a
    replacement.

    features: the windows to collect mentions from, with ``input_ids`` and ``labels``; see label_windows.
    share: the probability that a mention is replaced.
    max_length: the maximum length of a window in tokens; a replacement that would exceed it is not made.
    """

    def __init__(
        self, features: Iterable[Feature], tag_groups: TagGroups, *, share: float, max_length: int, seed: int
    ) -> None:
        schemes = tag_groups.schemes
        self._begins = [
            {scheme.ids["B", label]: scheme.ids["I", label] for label in scheme.labels} for scheme in schemes
        ]
        self._insides = [frozenset(begins.values()) for begins in self._begins]
        self._outside = tuple(scheme.ids[OUTSIDE, ""] for scheme in schemes)
        self._share = share
        self._max_length = max_length
        self._random = np.random.default_rng(seed)
        self._mentions: dict[tuple[int, int], list[_Mention]] = {
            (group, tag): [] for group, begins in enumerate(self._begins) for tag in begins
        }
        for feature in features:
            ids, rows = feature["input_ids"], self._rows(feature["labels"])
            for group in range(len(schemes)):
                for start, end in self._find(rows, group):
                    mentions = self._mentions[group, rows[start][group]]
                    around = self._around(rows, start, end)
                    if len(mentions) < MAX_MENTIONS and around is not None:
                        own = self._without(rows[start:end], around)
                        mentions.append(_Mention(list(ids[start:end]), own))

    def __call__(self, feature: Feature) -> dict[str, Any]:
        """Return a copy of a window with some of its mentions replaced."""
        ids, rows = list(feature["input_ids"]), self._rows(feature["labels"])
        groups = range(len(self._begins))
        places = [(*place, group) for group in groups for place in self._find(rows, group)]
        changed = len(rows)
        for start, end, group in sorted(places, reverse=True):  # backwards, so that earlier positions stay valid
            if end <= changed and self._random.random() < self._share:
                mentions = self._mentions[group, rows[start][group]]
                around = self._around(rows, start, end)
                if not mentions or around is None:
                    continue
                new = mentions[self._random.integers(len(mentions))]
                new_rows = self._within(new.rows, around)
                if new_rows is not None and len(ids) - (end - start) + len(new.ids) <= self._max_length:
                    ids[start:end], rows[start:end] = new.ids, new_rows
                    changed = start
        labels = rows if len(self._begins) > 1 else [row[0] for row in rows]
        return {"input_ids": ids, "labels": labels}

    def _rows(self, labels: Sequence[Any]) -> list[_Row]:
        return [tuple(label) for label in labels] if len(self._begins) > 1 else [(label,) for label in labels]

    def _find(self, rows: Sequence[_Row], group: int) -> list[tuple[int, int]]:
        """Return the mentions' token ranges, half-open; a mention that the window may cut off is left out."""
        begins = self._begins[group]
        found = []
        start: int | None = None
        for position, row in enumerate(rows):
            label = row[group]
            if label == IGNORED or (start is not None and label == begins[rows[start][group]]):
                continue
            if start is not None:
                found.append((start, position))
            start = position if label in begins else None
        return found

    def _around(self, rows: Sequence[_Row], start: int, end: int) -> dict[int, _Surroundings] | None:
        """Return the surroundings of a mention in each group that has an entity around it.

        The result is None if the mention partly overlaps an entity.
        """
        found: dict[int, _Surroundings] = {}
        for group, (begins, insides) in enumerate(zip(self._begins, self._insides, strict=True)):
            first, *others = _labels(rows[start:end], group)
            begun_before = first in insides
            goes_on_after = next(_labels(rows[end:], group), IGNORED) in insides
            if begun_before or goes_on_after:
                other = begins.get(first, first)
                if other not in insides or any(label != other for label in others):
                    return None
                found[group] = _Surroundings(first, other)
        return found

    def _without(self, rows: Sequence[_Row], around: Mapping[int, _Surroundings]) -> list[_Row]:
        """Return a mention's labels with the outside tag in the groups that have an entity around it."""
        return [
            tuple(
                self._outside[group] if group in around and label != IGNORED else label
                for group, label in enumerate(row)
            )
            for row in rows
        ]

    def _within(self, rows: Sequence[_Row], around: Mapping[int, _Surroundings]) -> list[_Row] | None:
        """Return a mention's labels inside the entities around it.

        The result is None if the mention has an entity in a group that has an entity around it.
        """
        new = []
        is_first = True
        for row in rows:
            if row[0] == IGNORED:
                new.append(row)
                continue
            if any(row[group] != self._outside[group] for group in around):
                return None
            tags = {group: each.first if is_first else each.other for group, each in around.items()}
            new.append(tuple(tags.get(group, label) for group, label in enumerate(row)))
            is_first = False
        return new


def _labels(rows: Sequence[_Row], group: int) -> Iterator[int]:
    return (row[group] for row in rows if row[group] != IGNORED)
