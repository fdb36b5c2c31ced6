"""Finds spans in texts with a model."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from huggingface_ner.engines.choice import REQUESTED, EngineChoice
from huggingface_ner.engines.engine import Engine
from huggingface_ner.engines.layouts import LogProbabilities, Size
from huggingface_ner.spans import Span, TaggedText
from huggingface_ner.tagging.tag_groups import TagGroups
from huggingface_ner.tagging.windows import TokenizedText, Window, Windower

# Texts are tokenized and tagged in groups, which bounds memory for any number of texts.
CHARACTERS_PER_GROUP = 2_000_000


@dataclass(frozen=True, slots=True)
class PreparedText:
    """A tokenized text, its windows, and the log-probabilities of its words.

    log_probabilities: [words, tags]; zeros until ``take`` fills them in.
    """

    text: TokenizedText
    windows: tuple[Window, ...]
    log_probabilities: LogProbabilities

    def take(self, window: Window, rows: LogProbabilities) -> None:
        """Fill in the log-probabilities of a window's words from ``rows``, an engine's output, [tokens, tags]."""
        words = slice(window.first_word, window.first_word + len(window.positions))
        self.log_probabilities[words] = rows[window.positions]


class Tagger:
    """Finds entities in texts with a fine-tuned token-classification model.

    choice: the engine that was chosen for the model, and why.
    """

    def __init__(self, tag_groups: TagGroups, windower: Windower, engine: Engine, choice: EngineChoice) -> None:
        self._tag_groups = tag_groups
        self._windower = windower
        self._current = engine, choice

    @property
    def tag_groups(self) -> TagGroups:
        """The tag groups of the model's head."""
        return self._tag_groups

    @property
    def labels(self) -> tuple[str, ...]:
        """The entity types that the model knows."""
        return self._tag_groups.labels

    @property
    def is_calibrated(self) -> bool:
        """Whether a span's score is the probability that it is right, in texts like those of the training."""
        return self._tag_groups.is_calibrated

    @property
    def choice(self) -> EngineChoice:
        """The engine that runs the model, and why it was chosen."""
        return self._current[1]

    def with_engine(self, engine: Engine) -> "Tagger":
        """Return a tagger that runs the same model with another engine."""
        return Tagger(self._tag_groups, self._windower, engine, EngineChoice(engine.kind, REQUESTED))

    def take_engine_of(self, other: "Tagger") -> None:
        """Switch to the engine of another tagger of the same model; running batches finish with the old one."""
        self._current = other._current  # noqa: SLF001 - another object of this class

    @property
    def tokens_per_batch(self) -> int:
        """How many tokens, padding included, the engine should get in one batch."""
        return self._current[0].tokens_per_batch

    def tokens(self, size: Size) -> int:
        """Return how many tokens a batch of this size has, padding included."""
        return self._current[0].layout.tokens(size)

    def find_spans(self, texts: Sequence[str]) -> list[list[Span]]:
        """Return each text's spans, in order; any string is valid, and none is truncated."""
        return [tagged.spans for tagged in self.tag(texts)]

    def tag(self, texts: Sequence[str], progress: Callable[[int], object] | None = None) -> list[TaggedText]:
        """Return each text's spans and score, in order.

        progress: called after each group of texts with the number of texts in that group.
        """
        return [self.finish(prepared) for prepared in self.read(texts, progress)]

    def read(
        self, texts: Sequence[str], progress: Callable[[int], object] | None = None
    ) -> Iterator[PreparedText]:
        """Yield each text with the log-probabilities of its words, in order. progress: see ``tag``."""
        for group in groups(texts, len(texts), CHARACTERS_PER_GROUP):
            prepared = self.prepare(group)
            windows = [(text, window) for text in prepared for window in text.windows]
            windows.sort(key=lambda item: len(item[1].input_ids))
            for batch in self._batches(windows):
                for (text, window), rows in zip(batch, self.run([w for _, w in batch]), strict=True):
                    text.take(window, rows)
            yield from prepared
            if progress is not None:
                progress(len(group))

    def prepare(self, texts: Sequence[str]) -> list[PreparedText]:
        """Tokenize texts and cut them into windows."""
        tags = self._tag_groups.size
        return [
            PreparedText(
                text, tuple(self._windower.windows(text)), np.zeros((len(text.words), tags), dtype=np.float32)
            )
            for text in self._windower.tokenize(texts)
        ]

    def run(self, windows: Sequence[Window]) -> list[LogProbabilities]:
        """Return the log-probabilities of each window, [its tokens, tags]; only one call may run at a time."""
        return self._current[0].log_probabilities([window.input_ids for window in windows])

    def finish(self, prepared: PreparedText) -> TaggedText:
        """Decode a text whose windows have all been run."""
        words = prepared.text.words
        spans, score = self._tag_groups.decode(prepared.log_probabilities)
        return TaggedText(
            [Span(words[span.start][0], words[span.end - 1][1], span.label, span.score) for span in spans], score
        )

    def _batches(
        self, windows: Sequence[tuple[PreparedText, Window]]
    ) -> Iterator[Sequence[tuple[PreparedText, Window]]]:
        """Cut windows that are sorted by length into batches."""
        start, size = 0, Size()
        for index, (_, window) in enumerate(windows):
            one = Size.of([len(window.input_ids)])
            if index > start and self.tokens(size.plus(one)) > self.tokens_per_batch:
                yield windows[start:index]
                start, size = index, Size()
            size = size.plus(one)
        if start < len(windows):
            yield windows[start:]

    def save_tokenizer(self, path: Path) -> None:
        """Write the tokenizer to one file, in the format of the tokenizers library."""
        self._windower.save_tokenizer(path)


def groups(texts: Sequence[str], max_texts: int, max_characters: int) -> Iterator[Sequence[str]]:
    """Cut texts into groups of limited size; a text longer than ``max_characters`` is a group by itself."""
    start = characters = 0
    for index, text in enumerate(texts):
        if index > start and (index - start == max_texts or characters + len(text) > max_characters):
            yield texts[start:index]
            start, characters = index, 0
        characters += len(text)
    if start < len(texts):
        yield texts[start:]
