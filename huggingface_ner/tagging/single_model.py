"""One model that answers for every project, for predictions that no server makes: pushed ones and files."""

from collections.abc import Callable
from dataclasses import dataclass

from huggingface_ner.spans import TaggedText
from huggingface_ner.tagging.tagger import Tagger


@dataclass(frozen=True, slots=True)
class SingleModel:
    """A model in this process alone, without a cache and without other requests to share batches with.

    version: what its predictions carry.
    """

    version: str
    tagger: Tagger

    def model_for(self, project_id: int | None) -> "SingleModel":
        """Return itself."""
        return self

    def model_version(self, project_id: int | None, timeout: float) -> str:
        """Return ``version``."""
        return self.version

    @property
    def labels(self) -> tuple[str, ...]:
        """The model's entity types."""
        return self.tagger.labels

    def tag(self, texts: list[str], is_connected: Callable[[], bool] = lambda: True) -> list[TaggedText]:
        """Return each text's spans and score, in order; no client waits, so ``is_connected`` is not called."""
        return self.tagger.tag(texts)
