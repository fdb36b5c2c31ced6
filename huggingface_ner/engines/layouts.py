"""The layouts of a batch: padded (one window per row, as wide as the longest) or packed (all windows in one row).

Packing avoids computing padding; see Krell et al., "Efficient Sequence Packing without
Cross-contamination" (2021). In a packed row, tokens attend only to tokens of their own window, and positions start
again with each window.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Batch = Sequence[Sequence[int]]
Tokens = npt.NDArray[np.int64]
LogProbabilities = npt.NDArray[np.float32]


class Size(NamedTuple):
    """The size of a batch: its windows, its tokens without padding, and the tokens of its longest window."""

    windows: int = 0
    tokens: int = 0
    longest: int = 0

    @classmethod
    def of(cls, lengths: Sequence[int]) -> "Size":
        """Return the size of windows of these lengths."""
        return cls(len(lengths), sum(lengths), max(lengths, default=0))

    def plus(self, other: "Size") -> "Size":
        """Return the size of this batch and another one together."""
        return Size(self.windows + other.windows, self.tokens + other.tokens, max(self.longest, other.longest))


class Layout(Protocol):
    """Turns windows into a model's inputs, and its output back into one array for each window."""

    INPUTS: ClassVar[Sequence[str]]

    def tokens(self, size: Size) -> int:
        """Return how many tokens a batch costs. Tokens of padding count, except those that round up a width."""

    def lay_out(self, batch: Batch) -> tuple[Tokens, ...]:
        """Return the model's inputs for the token ids of windows, in the order of INPUTS."""

    def rows(self, output: LogProbabilities, batch: Batch) -> list[LogProbabilities]:
        """Return the part of the output for each window: [its tokens, tags]."""


@dataclass(frozen=True, slots=True)
class Padded:
    """One window per row.

    filler: the token id of padding. multiple: the width of the rows is rounded up to a multiple of this.
    max_width: the width is rounded up to at most this. Rows are wider only if a window is longer.
    """

    filler: int
    multiple: int = 1
    max_width: int = 0

    INPUTS: ClassVar[Sequence[str]] = ("input_ids", "attention_mask")

    def tokens(self, size: Size) -> int:
        """Return how many tokens a batch costs: each window counts as long as the longest one."""
        return size.windows * size.longest

    def lay_out(self, batch: Batch) -> tuple[Tokens, ...]:
        """Return token ids and attention mask, both [windows, width]."""
        longest = max(map(len, batch))
        width = min(_rounded(longest, self.multiple), max(longest, self.max_width))
        input_ids = np.full((len(batch), width), self.filler, dtype=np.int64)
        attention_mask = np.zeros_like(input_ids)
        for row, ids in enumerate(batch):
            input_ids[row, : len(ids)] = ids
            attention_mask[row, : len(ids)] = 1
        return input_ids, attention_mask

    def rows(self, output: LogProbabilities, batch: Batch) -> list[LogProbabilities]:
        """Return the part of the output for each window: [its tokens, tags]."""
        return [row[: len(ids)] for row, ids in zip(output, batch, strict=True)]


@dataclass(frozen=True, slots=True)
class Packed:
    """All windows in one row.

    filler: the token id of padding. multiple: the width of the row is rounded up to a multiple of this.
    """

    filler: int
    multiple: int = 1

    INPUTS: ClassVar[Sequence[str]] = ("input_ids", "positions", "segments")

    def tokens(self, size: Size) -> int:
        """Return how many tokens a batch costs."""
        return size.tokens

    def lay_out(self, batch: Batch) -> tuple[Tokens, ...]:
        """Return token ids, positions within windows, and window numbers (-1 for padding); all [1, width]."""
        lengths = [len(ids) for ids in batch]
        shape = (1, _rounded(sum(lengths), self.multiple))
        input_ids = np.full(shape, self.filler, dtype=np.int64)
        positions, segments = np.zeros(shape, dtype=np.int64), np.full(shape, -1, dtype=np.int64)
        end = 0
        for number, ids in enumerate(batch):
            here = slice(end, end := end + len(ids))
            input_ids[0, here] = ids
            positions[0, here] = np.arange(len(ids))
            segments[0, here] = number
        return input_ids, positions, segments

    def rows(self, output: LogProbabilities, batch: Batch) -> list[LogProbabilities]:
        """Return the part of the output for each window: [its tokens, tags]."""
        ends = np.cumsum([len(ids) for ids in batch])
        return np.split(output[0, : ends[-1]], ends[:-1])


def log_softmax(logits: LogProbabilities) -> LogProbabilities:
    """Return the logarithms of the distributions over the last axis; the logits are changed in place."""
    logits -= logits.max(axis=-1, keepdims=True)
    logits -= np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    return logits


def _rounded(width: int, multiple: int) -> int:
    return math.ceil(width / multiple) * multiple
