"""Data augmentation: mentions are replaced by other mentions of the same label."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from huggingface_ner.learning.dataset import IGNORED
from huggingface_ner.tagging.decoding import TagScheme

# Maximum number of mentions per label; more would take memory and improve little.
MAX_MENTIONS = 20_000

Feature = Mapping[str, Sequence[int]]


class MentionReplacement:
    """Replaces a share of a window's mentions by other mentions of the same label.

    After Dai and Adel, 2020, An Analysis of Simple Data Augmentation for Named Entity Recognition.

    features: the windows to collect mentions from, with ``input_ids`` and ``labels``; see label_windows.
    share: the probability that a mention is replaced.
    max_length: the maximum length of a window in tokens; a replacement that would exceed it is not made.
    """

    def __init__(
        self, features: Iterable[Feature], scheme: TagScheme, *, share: float, max_length: int, seed: int
    ) -> None:
        self._begins = {scheme.ids["B", label]: scheme.ids["I", label] for label in scheme.labels}
        self._share = share
        self._max_length = max_length
        self._random = np.random.default_rng(seed)
        self._mentions: dict[int, list[tuple[list[int], list[int]]]] = {tag: [] for tag in self._begins}
        for feature in features:
            ids, labels = feature["input_ids"], feature["labels"]
            for start, end in self._find(labels):
                mentions = self._mentions[labels[start]]
                if len(mentions) < MAX_MENTIONS:
                    mentions.append((list(ids[start:end]), list(labels[start:end])))

    def __call__(self, feature: Feature) -> dict[str, Any]:
        """Return a copy of a window with some of its mentions replaced."""
        ids, labels = list(feature["input_ids"]), list(feature["labels"])
        for start, end in reversed(self._find(labels)):  # backwards, so that earlier positions stay valid
            if self._random.random() < self._share:
                mentions = self._mentions[labels[start]]
                new_ids, new_labels = mentions[self._random.integers(len(mentions))]
                if len(ids) - (end - start) + len(new_ids) <= self._max_length:
                    ids[start:end], labels[start:end] = new_ids, new_labels
        return {"input_ids": ids, "labels": labels}

    def _find(self, labels: Sequence[int]) -> list[tuple[int, int]]:
        """Return the mentions' token ranges, half-open; a mention that the window may cut off is left out."""
        found = []
        start: int | None = None
        for position, label in enumerate(labels):
            if label == IGNORED or (start is not None and label == self._begins[labels[start]]):
                continue
            if start is not None:
                found.append((start, position))
            start = position if label in self._begins else None
        return found
