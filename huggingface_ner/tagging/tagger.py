"""Texts to spans, the whole way."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from huggingface_ner.engine_kinds import EnginePreference, Precision
from huggingface_ner.engines.choice import EngineChoice, choose
from huggingface_ner.engines.engine import Engine, TorchEngine
from huggingface_ner.engines.errors import ModelError
from huggingface_ner.engines.hardware import resolve_device
from huggingface_ner.engines.layouts import Size
from huggingface_ner.spans import Span, TaggedText
from huggingface_ner.tagging.decoding import LogProbabilities, TagScheme, decode
from huggingface_ner.tagging.windows import TokenizedText, Window, Windower

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# Texts are tokenized and tagged in groups, so that memory is bounded however many there are.
CHARACTERS_PER_GROUP = 2_000_000


@dataclass(frozen=True, slots=True)
class PreparedText:
    """A tokenized text, its windows, and room for what an engine says about its words: [words, tags]."""

    text: TokenizedText
    windows: tuple[Window, ...]
    log_probabilities: LogProbabilities

    def take(self, window: Window, rows: LogProbabilities) -> None:
        """Keep what an engine said of a window: [tokens, tags]."""
        words = slice(window.first_word, window.first_word + len(window.positions))
        self.log_probabilities[words] = rows[window.positions]


class Tagger:
    """Finds entities in texts with a fine-tuned token-classification model.

    choice: the engine that was chosen for the model, and why.
    """

    def __init__(self, scheme: TagScheme, windower: Windower, engine: Engine, choice: EngineChoice) -> None:
        self._scheme = scheme
        self._windower = windower
        self._current = engine, choice

    @classmethod
    def of_model(
        cls,
        model: "PreTrainedModel",
        tokenizer: "PreTrainedTokenizerBase",
        precision: Precision = "fp32",
        reason: str = "asked for",
    ) -> "Tagger":
        """Return a tagger that runs a model with PyTorch, where it is; its weights become the precision's."""
        from huggingface_ner.engines.pretrained import tag_names, window_length  # noqa: PLC0415 - imports torch

        engine = TorchEngine(model, precision)
        scheme = TagScheme.from_names(tag_names(model))
        windower = Windower(tokenizer, window_length(model))
        return cls(scheme, windower, engine, EngineChoice(engine.kind, reason))

    @classmethod
    def load(
        cls, name_or_path: str | Path, *, device: str = "auto", preference: EnginePreference | None = None
    ) -> "Tagger":
        """Load a fine-tuned model from a folder or, by name, from the Hub or its local cache.

        device: "cpu", "cuda", or "auto" for CUDA where there is one.
        preference: which engine; of those that ``prepare_engine`` tried, else torch in float32.
        Raises ModelError for what is no model, has no token-classification head or only a slow tokenizer.
        """
        from huggingface_ner.engines.prepared import load_prepared  # noqa: PLC0415 - it makes taggers

        preference = preference or EnginePreference()
        prepared = load_prepared(name_or_path, device, preference)
        if prepared is not None:
            return prepared
        choice = choose(preference, resolve_device(device), ())
        reason = "no other engine has been tried" if choice is None else choice.reason
        return cls.load_torch(name_or_path, device, reason=reason)

    @classmethod
    def load_torch(
        cls,
        name_or_path: str | Path,
        device: str,
        precision: Precision = "fp32",
        reason: str = "asked for",
    ) -> "Tagger":
        """Load a model as ``load`` does, to be run with PyTorch."""
        import torch  # noqa: PLC0415 - an ONNX engine serves without it
        from torch import nn  # noqa: PLC0415

        from huggingface_ner.engines.pretrained import head_is_missing, load_model, load_tokenizer  # noqa: PLC0415

        tokenizer = load_tokenizer(name_or_path)
        model, missing = load_model(name_or_path)
        if head_is_missing(model, missing):
            raise ModelError(
                f"{name_or_path}: it has no token-classification head, so it cannot predict; "
                "fine-tune it first: python -m huggingface_ner train"
            )
        nn.Module.to(model, torch.device(resolve_device(device)))
        return cls.of_model(model, tokenizer, precision, reason)

    @property
    def labels(self) -> tuple[str, ...]:
        """The entity types that the model knows."""
        return self._scheme.labels

    @property
    def choice(self) -> EngineChoice:
        """The engine that runs the model, and why."""
        return self._current[1]

    def with_engine(self, engine: Engine) -> "Tagger":
        """Return a tagger that runs the same model by another engine."""
        return Tagger(self._scheme, self._windower, engine, EngineChoice(engine.kind, "asked for"))

    def take_engine_of(self, other: "Tagger") -> None:
        """Go on with another tagger's engine, of the same model; batches that run already end with the old one."""
        self._current = other._current  # noqa: SLF001 - another object of this class

    @property
    def tokens_per_batch(self) -> int:
        """How many tokens, padding included, the engine gets at once."""
        return self._current[0].tokens_per_batch

    def tokens(self, size: Size) -> int:
        """Return how many of those a batch takes."""
        return self._current[0].layout.tokens(size)

    def find_spans(self, texts: Sequence[str]) -> list[list[Span]]:
        """Return each text's spans, in order and not overlapping. Any string is a text; none is cut."""
        return [tagged.spans for tagged in self.tag(texts)]

    def tag(self, texts: Sequence[str], progress: Callable[[int], object] | None = None) -> list[TaggedText]:
        """Return each text's spans and score; ``progress`` is called with the number of texts done since."""
        tagged: list[TaggedText] = []
        for group in groups(texts, len(texts), CHARACTERS_PER_GROUP):
            prepared = self.prepare(group)
            windows = [(text, window) for text in prepared for window in text.windows]
            windows.sort(key=lambda item: len(item[1].input_ids))
            for batch in self._batches(windows):
                for (text, window), rows in zip(batch, self.run([w for _, w in batch]), strict=True):
                    text.take(window, rows)
            tagged += map(self.finish, prepared)
            if progress is not None:
                progress(len(group))
        return tagged

    def prepare(self, texts: Sequence[str]) -> list[PreparedText]:
        """Tokenize texts and cut them into windows."""
        tags = len(self._scheme.tags)
        return [
            PreparedText(
                text, tuple(self._windower.windows(text)), np.zeros((len(text.words), tags), dtype=np.float32)
            )
            for text in self._windower.tokenize(texts)
        ]

    def run(self, windows: Sequence[Window]) -> list[LogProbabilities]:
        """Return what the engine says of each window, [its tokens, tags]; one call at a time."""
        return self._current[0].log_probabilities([window.input_ids for window in windows])

    def finish(self, prepared: PreparedText) -> TaggedText:
        """Decode a text whose windows have all been run."""
        words = prepared.text.words
        spans, score = decode(prepared.log_probabilities, self._scheme)
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
        """Write the tokenizer as one file of the tokenizers library."""
        self._windower.save_tokenizer(path)


def groups(texts: Sequence[str], most: int, most_characters: int) -> Iterator[Sequence[str]]:
    """Cut texts into groups of at most so many, and so many characters; a longer text is a group of its own."""
    start = characters = 0
    for index, text in enumerate(texts):
        if index > start and (index - start == most or characters + len(text) > most_characters):
            yield texts[start:index]
            start, characters = index, 0
        characters += len(text)
    if start < len(texts):
        yield texts[start:]
