"""The interface of engines, from token windows to tag probabilities, and how to add one.

A further engine, NAME, is a file, ``huggingface_ner/engines/NAME_engine.py``, and a name in
``engine_kinds.EngineName``; CONTRIBUTING lists what to add besides. The file has

- a class with the members of ``Engine``, which runs a model,
- a class with the methods of ``EngineFamily``: where the engine is fast, what it writes, how it is loaded,
- ``FAMILY``, an instance of the latter class.

The file is imported by every process, so it imports its library inside these methods. The name is enough for
``INFERENCE_ENGINE=NAME``, for the trials against PyTorch in float32, and to keep prepared files beside a model.
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
        """Its library and precision."""

    @property
    def layout(self) -> Layout:
        """How the windows of a batch are laid out for it: ``layouts.Packed`` or ``layouts.Padded``."""

    @property
    def tokens_per_batch(self) -> int:
        """How many tokens, padding included, to give it at once."""

    def log_probabilities(self, batch: Batch) -> list[LogProbabilities]:
        """Return [its tokens, tags] for each window, given as token ids."""


@dataclass(frozen=True, slots=True)
class EngineSource:
    """What an engine is made of.

    name_or_path: the fine-tuned model's folder, or its Hub name. device: "cpu" or "cuda".
    pad_id: the token id that fills rows up.
    folder: where ``EngineFamily.prepare`` writes what the engine needs beside the model, and ``load`` reads it.
    """

    name_or_path: str | Path
    device: str
    pad_id: int
    folder: Path


class EngineFamily(Protocol):
    """A library that runs models, in one or more precisions."""

    def offers(self, device: str) -> Sequence[EngineKind]:
        """Return the kinds that are likely to be fast on this machine; empty if there are none.

        device: "cpu" or "cuda". Must not import the library: this is called in processes that another engine
        serves, too. Offered kinds are tried on each model in the order of choice.FASTEST_FIRST; the first whose
        spans agree with those of PyTorch in float32 serves. PyTorch in float32 itself need not be offered.
        """

    def prepare(self, kind: EngineKind, source: EngineSource) -> Sequence[str]:
        """Write what ``load`` needs of an offered kind into the source's folder, and return the files' names.

        Other kinds of the same model write into the same folder, so each name has to contain its kind; files that
        are there already may be used. May take seconds to a minute, off the request path. If it raises anything,
        the kind is not used.
        """

    def load(self, kind: EngineKind, source: EngineSource) -> Engine:
        """Return an engine with its own weights, from the model and the files that ``prepare`` wrote.

        Raises FileNotFoundError if the files are not there, and ModelError.
        """
