"""Observes how probable a model finds the annotations of texts while it is trained.

A model learns regular patterns before it memorises wrong labels (Arpit et al. 2017). So the probability that it
gives to an annotation, averaged over the training, separates wrong annotations from right ones better than the
probability after the training. See dataset cartography (Swayamdipta et al. 2020) and the area under the margin
(Pleiss et al. 2020).
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, takewhile
from typing import Any

import numpy as np
import numpy.typing as npt
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from huggingface_ner.learning.dataset import word_tags
from huggingface_ner.learning.overlaps import learnable_spans
from huggingface_ner.left_out import LeftOut
from huggingface_ner.spans import AnnotatedText, Span, cut_at
from huggingface_ner.tagging.decoding import normalized
from huggingface_ner.tagging.loading import tagger_of_model
from huggingface_ner.tagging.tagger import PreparedText, Tagger

# When the texts are observed, as shares of the training; chosen by measuring, see bench/README.md. Together, the
# observations take about as long as an epoch.
MOMENTS = (0.15, 0.3, 0.6)
# Upper bound on the characters of the texts that are observed, because the observations are kept in memory.
MAX_CHARACTERS = 10_000_000
# Number of texts that are read at once.
TEXTS_AT_A_TIME = 1_000


@dataclass(slots=True)
class Observed:
    """The observations of a text, as sums or as means.

    words: the stretch of each word, in code points. probabilities: [words], the probability of each word's
    annotated tag; with several tag groups, the lowest one. found: the spans that the model found, with the scores.
    """

    words: list[tuple[int, int]]
    probabilities: npt.NDArray[np.float32]
    found: Counter[Span] = field(default_factory=Counter)


class Dynamics:
    """Observes texts several times.

    If the texts have more than MAX_CHARACTERS together, only the first ones are observed.
    count: the number of texts that are observed. total: the number of all texts.
    observations: how many times the texts have been observed.
    """

    def __init__(self, texts: Sequence[AnnotatedText]) -> None:
        self.observations = 0
        lengths = accumulate(len(text.text) for text in texts)
        self.count = sum(1 for _ in takewhile(lambda length: length <= MAX_CHARACTERS, lengths))
        self.total = len(texts)
        self._texts = texts
        self._observed: list[Observed] = []

    def observe(self, tagger: Tagger) -> None:
        """Observe the texts once, with the model as it is now."""
        self.observations += 1
        for start in range(0, self.count, TEXTS_AT_A_TIME):
            some = self._texts[start : min(start + TEXTS_AT_A_TIME, self.count)]
            read = tagger.read([text.text for text in some])
            for place, (text, prepared) in enumerate(zip(some, read, strict=True), start):
                if place == len(self._observed):
                    words = prepared.text.words
                    self._observed.append(Observed(words, np.zeros(len(words), dtype=np.float32)))
                observed = self._observed[place]
                observed.probabilities += _probabilities(text, prepared, tagger)
                for span in tagger.finish(prepared).spans:
                    for part in cut_at(span, text.borders, text.text):
                        observed.found[part] += span.score  # type: ignore[assignment]  # a Counter adds floats too

    def observed(self) -> Iterator[tuple[AnnotatedText, Observed]]:
        """Yield each observed text with the means of its observations."""
        times = max(self.observations, 1)
        for text, one in zip(self._texts, self._observed, strict=False):
            found = Counter({span: score / times for span, score in one.found.items()})
            yield text, Observed(one.words, one.probabilities / times, found)  # type: ignore[arg-type]


class DynamicsCallback(TrainerCallback):
    """Observes texts while Trainer trains a model."""

    def __init__(self, dynamics: Dynamics, tokenizer: PreTrainedTokenizerBase) -> None:
        self._dynamics = dynamics
        self._tokenizer = tokenizer
        self._tagger: Tagger | None = None

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Observe the texts if the training has reached one of the MOMENTS."""
        if state.global_step in {math.ceil(share * state.max_steps) for share in MOMENTS}:
            model: PreTrainedModel = kwargs["model"]
            model.eval()
            self._tagger = self._tagger or tagger_of_model(model, self._tokenizer)
            self._dynamics.observe(self._tagger)
            model.train()


def _probabilities(text: AnnotatedText, prepared: PreparedText, tagger: Tagger) -> npt.NDArray[np.float32]:
    """Return the probability of each word's annotated tag; with several tag groups, the lowest one: [words]."""
    groups = tagger.tag_groups
    learned = learnable_spans(text.spans, groups.labels_by_group, LeftOut())
    lowest = np.ones(len(prepared.text.words), dtype=np.float32)
    for spans, scheme, columns in zip(learned, groups.schemes, groups.columns, strict=True):
        tags = word_tags(prepared.text, spans, scheme)
        rows = normalized(prepared.log_probabilities[:, columns])
        lowest = np.minimum(lowest, np.exp(rows[np.arange(len(tags)), tags]))
    return lowest
