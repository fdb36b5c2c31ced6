"""Token windows to tag probabilities: the interface of engines."""

from typing import Protocol

from huggingface_ner.engine_kinds import EngineKind
from huggingface_ner.engines.layouts import Batch, Layout, LogProbabilities


class Engine(Protocol):
    """Runs a token-classification model; one call at a time."""

    @property
    def kind(self) -> EngineKind:
        """Which of the engines it is."""

    @property
    def layout(self) -> Layout:
        """How it gets its windows."""

    @property
    def tokens_per_batch(self) -> int:
        """How many tokens, padding included, to give it at once."""

    def log_probabilities(self, batch: Batch) -> list[LogProbabilities]:
        """Return [its tokens, tags] for each window, given as token ids."""
