"""Decodes tag probabilities into spans and their scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from huggingface_ner.engines.layouts import LogProbabilities
from huggingface_ner.tagging.calibration import Calibration
from huggingface_ner.tagging.tag_names import OUTSIDE, UNUSED, Tag, read_tags
from huggingface_ner.tagging.transitions import Weights, spread


@dataclass(frozen=True, slots=True)
class WordSpan:
    """A labelled run of words: half-open word indices, the label, and the probability that the span is right."""

    start: int
    end: int
    label: str
    score: float


@dataclass(frozen=True)
class TagScheme:
    """The tags of a token-classification head, and which sequences of them are legal.

    tags: the prefix and label of each output of the head; see tag_names.py.
    strict: whether an entity must open with B (or S) if its label has a B tag, as in IOB2 and BIOES. If False, an
    entity may also open with I, provided that its label has only B and I tags. The reason is that the names do not
    say whether the scheme is IOB2 or IOB1; IOB1 uses B only between two adjacent entities of one label. Sequences
    are then read as conlleval reads them (Tjong Kim Sang and Buchholz, 2000): an I after another label or after O
    begins an entity.
    weights: what the transitions between tags add to a sequence's log-probability; None if they add nothing. Only
    schemes of O, B and I tags have weights.
    calibration: turns the scores of spans into probabilities; None if none was fitted.
    """

    tags: tuple[Tag, ...]
    strict: bool = False
    weights: Weights | None = None
    calibration: Calibration | None = None

    @classmethod
    def from_names(cls, names: Sequence[str]) -> "TagScheme":
        """Read the names of a head's outputs, in their order."""
        return cls(read_tags(names))

    @classmethod
    def bio(
        cls, labels: Sequence[str], weights: Weights | None = None, calibration: Calibration | None = None
    ) -> "TagScheme":
        """Return the scheme that fine-tuning gives a head: O, then B and I of each label in order; strict."""
        tags = ((OUTSIDE, ""), *((prefix, label) for label in labels for prefix in "BI"))
        return cls(tags, strict=True, weights=weights, calibration=calibration)

    @classmethod
    def from_bio_names(
        cls, names: Sequence[str], weights: Weights | None = None, calibration: Calibration | None = None
    ) -> "TagScheme":
        """Read the names that ``bio`` gave a head; its labels may contain any characters."""
        tags = tuple((name[0], name[2:]) for name in names)
        return cls(tags, strict=True, weights=weights, calibration=calibration)

    @property
    def names(self) -> list[str]:
        """The tags' names as fine-tuning writes them into a model's config."""
        return [f"{prefix}-{label}" if label else prefix for prefix, label in self.tags]

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The entity types, in the order of the head."""
        return tuple(dict.fromkeys(label for _, label in self.tags if label))

    @cached_property
    def ids(self) -> Mapping[Tag, int]:
        """The index of the output for each (prefix, label); the first one if several outputs have the same."""
        return {tag: index for index, tag in reversed(list(enumerate(self.tags)))}

    @cached_property
    def unused(self) -> npt.NDArray[np.bool_]:
        """Which outputs are unused because no word can have them: [tags]."""
        return np.array([prefix == UNUSED for prefix, _ in self.tags])

    @cached_property
    def starts(self) -> npt.NDArray[np.bool_]:
        """Which tags may come first in a sequence: [tags]."""
        return np.array([self._opens(tag) for tag in self.tags])

    @cached_property
    def ends(self) -> npt.NDArray[np.bool_]:
        """Which tags may come last in a sequence: [tags]."""
        return np.array([self._closes(tag) for tag in self.tags])

    @cached_property
    def continuations(self) -> npt.NDArray[np.bool_]:
        """Whether the next tag continues the entity of a tag: [tag, next tag]."""
        return np.array([[_continues(tag, following) for following in self.tags] for tag in self.tags])

    @cached_property
    def transitions(self) -> npt.NDArray[np.bool_]:
        """Which tag may follow which: [tag, next tag]."""
        return self.continuations | (self.ends[:, None] & self.starts)

    @cached_property
    def gains(self) -> npt.NDArray[np.float64]:
        """What each transition adds to a sequence's log-probability, -inf if it is not legal: [next tag, tag]."""
        weights = 0.0 if self.weights is None else spread(self.weights, [prefix for prefix, _ in self.tags])
        return np.ascontiguousarray(np.where(self.transitions, weights, -np.inf).T)

    @cached_property
    def outputs(self) -> Mapping[str, npt.NDArray[np.intp]]:
        """The indices of the outputs of each label, ascending."""
        return {
            label: np.array([index for index, tag in enumerate(self.tags) if tag[1] == label])
            for label in self.labels
        }

    def _opens(self, tag: Tag) -> bool:
        prefix, label = tag
        return prefix in "OBS" or (prefix in "IE" and self._opens_inside(label)) or self._may_stand_alone(tag)

    def _opens_inside(self, label: str) -> bool:
        prefixes = self._prefixes[label]
        return "B" not in prefixes or (not self.strict and prefixes <= {"B", "I"})

    def _closes(self, tag: Tag) -> bool:
        prefix, label = tag
        prefixes = self._prefixes[label]
        ends_inside = "E" not in prefixes or "B" not in prefixes
        return prefix in "OES" or (prefix in "BI" and ends_inside) or self._may_stand_alone(tag)

    def _may_stand_alone(self, tag: Tag) -> bool:
        """Return whether a B or E tag may be an entity of one word, because there are B and E, but no S."""
        prefix, label = tag
        return prefix in "BE" and {"B", "E"} <= self._prefixes[label] and "S" not in self._prefixes[label]

    @cached_property
    def _prefixes(self) -> Mapping[str, set[str]]:
        return {label: {prefix for prefix, other in self.tags if other == label} for _, label in self.tags}


def _continues(tag: Tag, following: Tag) -> bool:
    return tag[0] in "BI" and following[0] in "IE" and tag[1] == following[1]


def decode(log_probabilities: LogProbabilities, scheme: TagScheme) -> tuple[list[WordSpan], float]:
    """Return the spans of the most probable legal tag sequence, and how sure the model is of the text as a whole.

    log_probabilities: [words, tags]; each row is the logarithm of a probability distribution.
    The text's score is the geometric mean of its words' probabilities under that sequence, which makes texts of
    different lengths comparable (maximum normalized log-probability; Shen et al., 2018, Deep Active Learning for
    Named Entity Recognition). The score of a text without words is 1.0. The weights of the scheme affect the
    choice of the sequence, but not the scores of spans. The scheme's calibration changes only the scores of spans.
    """
    if not len(log_probabilities):
        return [], 1.0
    log_probabilities = _without_unused(log_probabilities, scheme)
    path = _best_path(log_probabilities, scheme)
    chosen = log_probabilities[np.arange(len(path)), path]
    return _spans(path, log_probabilities, scheme), float(np.exp(min(chosen.mean(), 0.0)))


def _without_unused(log_probabilities: LogProbabilities, scheme: TagScheme) -> LogProbabilities:
    """Set the probability of the unused outputs to zero, and scale up the others so that they sum to one."""
    if not scheme.unused.any():
        return log_probabilities
    return normalized(np.where(scheme.unused, -np.inf, log_probabilities))


def normalized(log_probabilities: LogProbabilities) -> LogProbabilities:
    """Scale each row, [words, tags], to the logarithm of a probability distribution."""
    scaled: LogProbabilities = log_probabilities - np.logaddexp.reduce(log_probabilities, axis=1, keepdims=True)
    return scaled


def _best_path(log_probabilities: LogProbabilities, scheme: TagScheme) -> npt.NDArray[np.intp]:
    """Return the legal sequence with the highest sum of log-probabilities and gains, by Viterbi search (1967)."""
    path: npt.NDArray[np.intp] = log_probabilities.argmax(axis=1)
    # Without weights, the best tags of the single words usually form a legal sequence, which is then the best one.
    if (
        scheme.weights is None
        and scheme.starts[path[0]]
        and scheme.ends[path[-1]]
        and scheme.transitions[path[:-1], path[1:]].all()
    ):
        return path
    gains = scheme.gains
    score = np.where(scheme.starts, log_probabilities[0], -np.inf)
    back = np.zeros(log_probabilities.shape, dtype=np.intp)
    tags = np.arange(len(scheme.tags))
    for word in range(1, len(log_probabilities)):
        reached = gains + score
        back[word] = reached.argmax(axis=1)
        score = reached[tags, back[word]] + log_probabilities[word]
    path[-1] = np.where(scheme.ends, score, -np.inf).argmax()
    for word in range(len(path) - 1, 0, -1):
        path[word - 1] = back[word, path[word]]
    return path


def _spans(path: npt.NDArray[np.intp], log_probabilities: LogProbabilities, scheme: TagScheme) -> list[WordSpan]:
    spans = []
    start: int | None = None
    outside = np.array([not label for _, label in scheme.tags])
    for word in np.flatnonzero(~outside[path]).tolist():
        start = word if start is None else start
        if word + 1 < len(path) and scheme.continuations[path[word], path[word + 1]]:
            continue
        label = scheme.tags[path[word]][1]
        score = _score(start, word + 1, label, log_probabilities, scheme)
        if scheme.calibration is not None:
            score = scheme.calibration.probability(score, word + 1 - start)
        spans.append(WordSpan(start, word + 1, label, score))
        start = None
    return spans


def _score(start: int, end: int, label: str, log_probabilities: LogProbabilities, scheme: TagScheme) -> float:
    """Return the probability that the model gives a span, assuming that the tags of its words are independent.

    It is the sum over all tag sequences that contain the span. In these, all words of the span have tags of its
    label. The first word opens an entity and does not continue the entity of the word before. The other words
    continue the entity, and the word after the span does not.
    """
    outputs = scheme.outputs[label]
    before = max(start - 1, 0)
    probabilities = np.exp(log_probabilities[before : end + 1, outputs].astype(np.float64))
    continues = scheme.continuations[np.ix_(outputs, outputs)]
    forward = probabilities[start - before] * scheme.starts[outputs]
    if start:
        forward *= 1.0 - probabilities[0] @ continues
    for word in range(start + 1, end):
        forward = forward @ continues * probabilities[word - before]
    forward *= scheme.ends[outputs]
    if end < len(log_probabilities):
        forward *= 1.0 - continues @ probabilities[end - before]
    return min(max(float(forward.sum()), 0.0), 1.0)
