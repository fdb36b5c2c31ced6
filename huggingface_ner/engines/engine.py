"""The interface of engines, which turn token windows into tag probabilities, and how to add an engine.

To add an engine called NAME, add a file, ``huggingface_ner/engines/NAME_engine.py``, and the name in
``engine_kinds.EngineName``; CONTRIBUTING lists the other places. The file has

- a class with the members of ``Engine``, which runs a model,
- a class with the methods of ``EngineFamily``: where the engine is fast, what it writes, how it is loaded,
- ``FAMILY``, an instance of the latter class.

Every process imports the file, so the file imports the engine's library only inside these methods. The setting
``INFERENCE_ENGINE`` then accepts the name. Once the engine's kinds are in ``choice.FASTEST_FIRST``, the engine is
compared with PyTorch in float32, and its prepared files are kept beside a model.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from huggingface_ner.engine_kinds import EngineKind
from huggingface_ner.engines.layouts import Batch, Layout, LogProbabilities


class Engine(Protocol):
    """Runs a token-classification model; one call at a time."""

    @property
    def kind(self) -> EngineKind:
        """The engine's library and precision."""

    @property
    def layout(self) -> Layout:
        """How the windows of a batch are laid out for the engine: ``layouts.Packed`` or ``layouts.Padded``."""

    @property
    def tokens_per_batch(self) -> int:
        """How many tokens, padding included, the engine should get in one batch."""

    def log_probabilities(self, batch: Batch) -> list[LogProbabilities]:
        """Return the log-probabilities of each window, [its tokens, tags]; the windows are given as token ids."""


@dataclass(frozen=True, slots=True)
class EngineSource:
    """The model and the files from which an engine is made.

    name_or_path: the fine-tuned model's folder, or its Hub name. device: "cpu" or "cuda".
    pad_id: the token id of padding. windows: token ids of texts like those that the engine will read, for
    ``prepare``.
    folder: the folder of the files that the engine needs besides the model; ``EngineFamily.prepare`` writes them,
    and ``load`` reads them.
    """

    name_or_path: str | Path
    device: str
    pad_id: int
    folder: Path
    windows: Batch = ()


class EngineFamily(Protocol):
    """A library that runs models, in one or more precisions."""

    def offers(self, device: str) -> Sequence[EngineKind]:
        """Return the kinds that are likely to be fast on this machine; empty if there are none.

        device: "cpu" or "cuda". This method must not import the library, because processes that use another engine
        call it too. Offered kinds are tried on each model in the order of choice.FASTEST_FIRST. The first kind
        whose spans agree with those of PyTorch in float32 is used. PyTorch in float32 itself need not be offered.
        """

    def prepare(self, kind: EngineKind, source: EngineSource) -> Sequence[str]:
        """Write the files that ``load`` needs for an offered kind into the source's folder; return their names.

        Other kinds of the same model write into the same folder, so kinds whose files differ need different names.
        Files that exist already may be used. This may take from seconds to a minute, and is never called in a
        request. If it raises an exception, the kind is not used.
        """

    def load(self, kind: EngineKind, source: EngineSource) -> Engine:
        """Return an engine with its own weights, from the model and the files that ``prepare`` wrote.

        Raises FileNotFoundError if the files do not exist, and ModelError if the model cannot be used.
        """
