"""Texts to spans, the whole way."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from huggingface_ner.spans import Span, TaggedText
from huggingface_ner.tagging.decoding import LogProbabilities, TagScheme, decode
from huggingface_ner.tagging.engines import TorchEngine
from huggingface_ner.tagging.errors import ModelError
from huggingface_ner.tagging.pretrained import (
    head_is_missing,
    load_model,
    load_tokenizer,
    resolve_device,
    tag_names,
    window_length,
)
from huggingface_ner.tagging.windows import TokenizedText, Window, Windower

# Tokens of a batch, padding included.
TOKENS_PER_BATCH = 1024
# Texts are tokenized and tagged in groups, so that memory is bounded however many there are.
CHARACTERS_PER_GROUP = 2_000_000


class Tagger:
    """Finds entities in texts with a fine-tuned token-classification model."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        self._scheme = TagScheme.from_names(tag_names(model))
        self._windower = Windower(tokenizer, window_length(model))
        self._engine = TorchEngine(model)

    @classmethod
    def load(cls, name_or_path: str | Path, *, device: str = "auto") -> "Tagger":
        """Load a fine-tuned model from a folder or, by name, from the Hub or its local cache.

        device: "cpu", "cuda", or "auto" for CUDA where there is one.
        Raises ModelError for what is no model, has no token-classification head or only a slow tokenizer.
        """
        tokenizer = load_tokenizer(name_or_path)
        model, missing = load_model(name_or_path)
        if head_is_missing(model, missing):
            raise ModelError(
                f"{name_or_path}: it has no token-classification head, so it cannot predict; "
                "fine-tune it first: python -m huggingface_ner train"
            )
        nn.Module.to(model, torch.device(resolve_device(device)))
        return cls(model, tokenizer)

    @property
    def labels(self) -> tuple[str, ...]:
        """The entity types that the model knows."""
        return self._scheme.labels

    def tag(self, texts: Sequence[str]) -> list[list[Span]]:
        """Return each text's spans, in order and not overlapping. Any string is a text; none is cut."""
        return [tagged.spans for tagged in self.tag_scored(texts)]

    def tag_scored(
        self, texts: Sequence[str], progress: Callable[[int], object] | None = None
    ) -> list[TaggedText]:
        """Return each text's spans and score; ``progress`` is called with the number of texts done since."""
        tagged: list[TaggedText] = []
        for group in _groups(texts):
            tokenized = self._windower.tokenize(group)
            probabilities = self._probabilities(tokenized)
            tagged += map(self._tagged, tokenized, probabilities)
            if progress is not None:
                progress(len(group))
        return tagged

    def _probabilities(self, texts: Sequence[TokenizedText]) -> list[LogProbabilities]:
        """Return [words, tags] for each text."""
        tags = len(self._scheme.tags)
        result: list[LogProbabilities] = [np.zeros((len(text.words), tags), dtype=np.float32) for text in texts]
        windows = [(index, window) for index, text in enumerate(texts) for window in self._windower.windows(text)]
        windows.sort(key=lambda item: len(item[1].input_ids))
        for batch in _batches(windows):
            rows = self._engine.log_probabilities([window.input_ids for _, window in batch])
            for (index, window), row in zip(batch, rows, strict=True):
                words = slice(window.first_word, window.first_word + len(window.positions))
                result[index][words] = row[window.positions]
        return result

    def _tagged(self, text: TokenizedText, log_probabilities: LogProbabilities) -> TaggedText:
        spans, score = decode(log_probabilities, self._scheme)
        return TaggedText(
            [
                Span(text.words[span.start][0], text.words[span.end - 1][1], span.label, span.score)
                for span in spans
            ],
            score,
        )


def _groups(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    start = characters = 0
    for index, text in enumerate(texts):
        if index > start and characters + len(text) > CHARACTERS_PER_GROUP:
            yield texts[start:index]
            start, characters = index, 0
        characters += len(text)
    if start < len(texts):
        yield texts[start:]


def _batches(windows: Sequence[tuple[int, Window]]) -> Iterator[Sequence[tuple[int, Window]]]:
    """Cut windows that are sorted by length into batches under the token budget."""
    start = 0
    for index, (_, window) in enumerate(windows):
        if index > start and (index - start + 1) * len(window.input_ids) > TOKENS_PER_BATCH:
            yield windows[start:index]
            start = index
    if start < len(windows):
        yield windows[start:]
