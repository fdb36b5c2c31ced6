"""The tag groups of a head: each is decoded separately, so entities of different groups may overlap.

A head has one group (O and the tags of all labels) unless it was trained for labels that overlap. Then it has
several groups, whose outputs lie side by side. An engine returns one distribution over all outputs of a word; the
distribution of a group is the part for the group's outputs, scaled to sum to one.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from huggingface_ner.engines.layouts import LogProbabilities
from huggingface_ner.tagging.calibration import Calibration
from huggingface_ner.tagging.decoding import TagScheme, WordSpan, decode, normalized
from huggingface_ner.tagging.transitions import Weights


@dataclass(frozen=True)
class TagGroups:
    """The tag groups of a head, in the order of its outputs; at least one.

    A label can have tags in several groups: then entities of this label may overlap each other.
    """

    schemes: tuple[TagScheme, ...]

    @classmethod
    def bio(
        cls,
        groups: Sequence[Sequence[str]],
        transitions: Sequence[Weights] | None = None,
        calibrations: Sequence[Calibration] | None = None,
    ) -> "TagGroups":
        """Return the groups that fine-tuning gives a head, for the labels of each group.

        transitions: the weights of each group's transitions; None if they were not counted.
        calibrations: the calibration of each group; None if none was fitted.
        """
        none = [None] * len(groups)
        parts = zip(groups, transitions or none, calibrations or none, strict=True)
        return cls(tuple(TagScheme.bio(*group) for group in parts))

    @property
    def names(self) -> list[str]:
        """The names of the outputs as fine-tuning writes them into a model's config; each name occurs once."""
        return [
            f"{number}/{name}" if number > 1 else name
            for number, scheme in enumerate(self.schemes, start=1)
            for name in scheme.names
        ]

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The entity types, in the order of the head, each once."""
        return tuple(dict.fromkeys(label for scheme in self.schemes for label in scheme.labels))

    @cached_property
    def labels_by_group(self) -> tuple[tuple[str, ...], ...]:
        """The entity types of each group."""
        return tuple(scheme.labels for scheme in self.schemes)

    @cached_property
    def columns(self) -> tuple[slice, ...]:
        """The outputs of each group."""
        ends = itertools.accumulate(len(scheme.tags) for scheme in self.schemes)
        return tuple(slice(end - len(scheme.tags), end) for scheme, end in zip(self.schemes, ends, strict=True))

    @property
    def is_calibrated(self) -> bool:
        """Whether the scores of all groups' spans are calibrated."""
        return all(scheme.calibration is not None for scheme in self.schemes)

    @property
    def size(self) -> int:
        """How many outputs the head has."""
        return sum(len(scheme.tags) for scheme in self.schemes)

    def decode(self, log_probabilities: LogProbabilities) -> tuple[list[WordSpan], float]:
        """Return the spans of all groups, in order, and how sure the model is of the text as a whole.

        log_probabilities: [words, outputs]; each row is the logarithm of a probability distribution.
        The text's score is the geometric mean of the groups' scores; see decoding.decode. If two groups find the
        same span, the one with the higher score is returned.
        """
        first, *others = self.decode_each(log_probabilities)
        if not others:
            return first
        found: dict[tuple[int, int, str], WordSpan] = {}
        scores = []
        for spans, score in (first, *others):
            scores.append(score)
            for span in spans:
                key = span.start, span.end, span.label
                known = found.get(key)
                if known is None or span.score > known.score:
                    found[key] = span
        return [found[key] for key in sorted(found)], math.prod(score ** (1 / len(scores)) for score in scores)

    def decode_each(self, log_probabilities: LogProbabilities) -> list[tuple[list[WordSpan], float]]:
        """Return the spans of each group, and how sure the model is of them; see ``decode``."""
        if len(self.schemes) == 1:
            return [decode(log_probabilities, self.schemes[0])]
        return [
            decode(normalized(log_probabilities[:, columns]), scheme)
            for scheme, columns in zip(self.schemes, self.columns, strict=True)
        ]
