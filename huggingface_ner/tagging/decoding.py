"""Tag probabilities to spans and their scores."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from huggingface_ner.engines.layouts import LogProbabilities

OUTSIDE = "O"
_PREFIXED = re.compile(r"([BIESLU])[-_](.+)", re.DOTALL)
_BILOU = {"L": "E", "U": "S"}


@dataclass(frozen=True, slots=True)
class WordSpan:
    """A run of words with a label: word indices, half-open, and the probability that it is right."""

    start: int
    end: int
    label: str
    score: float


@dataclass(frozen=True)
class TagScheme:
    """The tags of a token-classification head: IO, BIO (IOB2) or BIOES (BILOU), read off their names.

    tags: for each output of the head its prefix ("O", "B", "I", "E" or "S") and label ("" for "O").
    A tag without a prefix ("PER") is taken as inside, so such a head is an IO one.
    """

    tags: tuple[tuple[str, str], ...]

    @classmethod
    def from_names(cls, names: Sequence[str]) -> "TagScheme":
        """Read a head's tag names, in the order of its outputs."""
        prefixed = all(_PREFIXED.fullmatch(name) for name in names if name != OUTSIDE)
        return cls(tuple(_read_tag(name, prefixed=prefixed) for name in names))

    @classmethod
    def bio(cls, labels: Sequence[str]) -> "TagScheme":
        """Return the scheme that fine-tuning gives a head: O, then B and I of each label in order."""
        return cls(((OUTSIDE, ""), *((prefix, label) for label in labels for prefix in "BI")))

    @property
    def names(self) -> list[str]:
        """The tags' names as a model's config holds them."""
        return [OUTSIDE if prefix == OUTSIDE else f"{prefix}-{label}" for prefix, label in self.tags]

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The entity types, in the order of the head."""
        return tuple(dict.fromkeys(label for _, label in self.tags if label))

    @cached_property
    def ids(self) -> Mapping[tuple[str, str], int]:
        """The output of each (prefix, label)."""
        return {tag: index for index, tag in enumerate(self.tags)}

    @cached_property
    def starts(self) -> npt.NDArray[np.bool_]:
        """Which tags may come first: [tags]."""
        return np.array([self._opens(tag) for tag in self.tags])

    @cached_property
    def ends(self) -> npt.NDArray[np.bool_]:
        """Which tags may come last: [tags]."""
        return np.array([self._closes(tag) for tag in self.tags])

    @cached_property
    def transitions(self) -> npt.NDArray[np.bool_]:
        """Which tag may follow which: [tag, next tag]."""
        return np.array([[self._follows(tag, following) for following in self.tags] for tag in self.tags])

    def _opens(self, tag: tuple[str, str]) -> bool:
        prefix, label = tag
        return prefix in "OBS" or (prefix == "I" and ("B", label) not in self.ids)

    def _closes(self, tag: tuple[str, str]) -> bool:
        prefix, label = tag
        return prefix in "OES" or ("E", label) not in self.ids

    def _follows(self, tag: tuple[str, str], following: tuple[str, str]) -> bool:
        continues = tag[0] in "BI" and following[0] in "IE" and tag[1] == following[1]
        return continues or (self._closes(tag) and self._opens(following))


def _read_tag(name: str, *, prefixed: bool) -> tuple[str, str]:
    if name == OUTSIDE:
        return OUTSIDE, ""
    match = _PREFIXED.fullmatch(name) if prefixed else None
    if match is None:
        return "I", name
    return _BILOU.get(match[1], match[1]), match[2]


def decode(log_probabilities: LogProbabilities, scheme: TagScheme) -> tuple[list[WordSpan], float]:
    """Return the spans of the most probable legal tag sequence, and how sure the model is of the text as a whole.

    log_probabilities: [words, tags], each row the logarithm of a distribution.
    The text's score is the geometric mean of its words' probabilities under that sequence, which makes texts of
    different lengths comparable (maximum normalized log-probability; Shen et al., 2018, Deep Active Learning for
    Named Entity Recognition); 1.0 for a text without words.
    """
    if not len(log_probabilities):
        return [], 1.0
    path = _best_path(log_probabilities, scheme)
    chosen = log_probabilities[np.arange(len(path)), path]
    return _spans(path, log_probabilities, scheme), float(np.exp(min(chosen.mean(), 0.0)))


def _best_path(log_probabilities: LogProbabilities, scheme: TagScheme) -> npt.NDArray[np.intp]:
    """Viterbi search (Viterbi, 1967) over legal sequences; every legal transition weighs the same."""
    path: npt.NDArray[np.intp] = log_probabilities.argmax(axis=1)
    # the best tags of all are the best legal ones when they happen to be legal, which most are
    if scheme.starts[path[0]] and scheme.ends[path[-1]] and scheme.transitions[path[:-1], path[1:]].all():
        return path
    penalty = np.where(scheme.transitions, 0.0, -np.inf).T  # [next tag, tag]
    score = np.where(scheme.starts, log_probabilities[0], -np.inf)
    back = np.zeros(log_probabilities.shape, dtype=np.intp)
    tags = np.arange(len(scheme.tags))
    for word in range(1, len(log_probabilities)):
        reached = penalty + score
        back[word] = reached.argmax(axis=1)
        score = reached[tags, back[word]] + log_probabilities[word]
    path[-1] = np.where(scheme.ends, score, -np.inf).argmax()
    for word in range(len(path) - 1, 0, -1):
        path[word - 1] = back[word, path[word]]
    return path


def _spans(path: npt.NDArray[np.intp], log_probabilities: LogProbabilities, scheme: TagScheme) -> list[WordSpan]:
    spans = []
    start: int | None = None
    for word in np.flatnonzero(path != scheme.ids.get((OUTSIDE, ""), -1)).tolist():
        start = word if start is None else start
        prefix, label = scheme.tags[path[word]]
        following = scheme.tags[path[word + 1]] if word + 1 < len(path) else (OUTSIDE, "")
        if prefix in "BI" and following[0] in "IE" and following[1] == label:
            continue
        spans.append(WordSpan(start, word + 1, label, _score(start, word + 1, path, log_probabilities, scheme)))
        start = None
    return spans


def _score(
    start: int, end: int, path: npt.NDArray[np.intp], log_probabilities: LogProbabilities, scheme: TagScheme
) -> float:
    """Return the probability that a span is right: that each word has its tag and the next one does not go on."""
    log_probability = float(log_probabilities[np.arange(start, end), path[start:end]].sum())
    goes_on = 0.0
    if end < len(path):
        label = scheme.tags[path[end - 1]][1]
        inside = [scheme.ids[tag] for tag in (("I", label), ("E", label)) if tag in scheme.ids]
        goes_on = float(np.exp(log_probabilities[end, inside]).sum())
    return min(max(float(np.exp(log_probability)) * (1.0 - goes_on), 0.0), 1.0)
