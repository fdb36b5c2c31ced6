"""One model for all projects, for predictions made without a server: those that are pushed or written to files."""

from collections.abc import Callable
from dataclasses import dataclass

from huggingface_ner.spans import TaggedText
from huggingface_ner.tagging.tagger import Tagger


@dataclass(frozen=True, slots=True)
class SingleModel:
    """A model that only this process uses: it has no cache, and no other requests share its batches.

    version: the model version that its predictions carry.
    """

    version: str
    tagger: Tagger

    def model_for(self, project_id: int | None) -> "SingleModel":
        """Return this object for every project."""
        return self

    def model_version(self, project_id: int | None, timeout: float) -> str:
        """Return ``version`` for every project."""
        return self.version

    @property
    def labels(self) -> tuple[str, ...]:
        """The model's entity types."""
        return self.tagger.labels

    @property
    def is_calibrated(self) -> bool:
        """Whether the scores of the model's spans are calibrated."""
        return self.tagger.is_calibrated

    def tag(self, texts: list[str], is_connected: Callable[[], bool] = lambda: True) -> list[TaggedText]:
        """Return each text's spans and score, in order; no client waits, so ``is_connected`` is not called."""
        return self.tagger.tag(texts)
