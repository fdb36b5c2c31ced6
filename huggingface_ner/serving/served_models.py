"""The models that this process serves, loaded off the request path."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from huggingface_ner.engines import cores
from huggingface_ner.errors import UnavailableError
from huggingface_ner.serving.baseline import RETRY_INTERVAL, Baseline, BaselineState
from huggingface_ner.serving.batcher import Batcher
from huggingface_ner.serving.prediction_cache import PredictionCache
from huggingface_ner.serving.project_models import ProjectModels
from huggingface_ner.settings import Settings, shared_settings
from huggingface_ner.spans import TaggedText
from huggingface_ner.store.versions import Version, project_store, serving_versions

if TYPE_CHECKING:
    from huggingface_ner.serving.engine_preparer import EnginePreparer
    from huggingface_ner.tagging.tagger import Tagger

# The folder in MODEL_DIR for the prepared engines of models whose own folder has none.
ENGINES = ".engines"
# The worker that published a version may try engines on it for at most this many seconds after the publication.
TRIAL_TIMEOUT = 600.0
# Seconds that a request waits for a project's model that is not in memory; Label Studio waits 100 s for an answer.
LOAD_TIMEOUT = 30.0


class NotReadyError(UnavailableError):
    """There is no model to predict with; the message says why."""


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model that answers for a project.

    version: the ``model_version`` of its predictions.
    tagger: None for an encoder that has not been trained, which finds nothing.
    """

    version: str
    tagger: "Tagger | None"
    _cache: PredictionCache
    _batcher: Batcher

    @property
    def labels(self) -> tuple[str, ...]:
        """The model's entity types."""
        return self.tagger.labels if self.tagger else ()

    @property
    def is_calibrated(self) -> bool:
        """Whether the scores of the model's spans are calibrated."""
        return self.tagger is not None and self.tagger.is_calibrated

    def tag(self, texts: list[str], is_connected: Callable[[], bool] = lambda: True) -> list[TaggedText]:
        """Return each text's spans and score, in order.

        is_connected: returns whether the client is still connected. Raises OverloadedError, ClientGoneError.
        """
        tagger = self.tagger
        if tagger is None:
            return [TaggedText([], 0.0) for _ in texts]
        return self._cache.get_or_tag(
            self.version, texts, lambda some: self._batcher.submit(tagger, some, is_connected)
        )


class ServedModels:
    """Serves each project's own model, or the baseline if it has none; both are loaded in the background.

    on_load: called after a model has been loaded, before it is used.
    """

    def __init__(self, settings: Settings, on_load: Callable[[], object] = lambda: None) -> None:
        self._settings = settings
        self._on_load = on_load
        self._baseline = Baseline(
            settings.baseline_model_name, is_set=settings.baseline_is_set, load=self._load_baseline
        )
        self._cache = PredictionCache(settings.cached_spans)
        self._batcher = Batcher(settings.max_waiting_texts)
        self._preparer: EnginePreparer | None = None
        self._starting = threading.Lock()
        self._is_started = False
        self._projects = ProjectModels(
            partial(project_store, settings.models_folder), self._load_version, settings.models_in_memory
        )

    def start(self) -> None:
        """Start loading in the background; does nothing when called again."""
        with self._starting:
            if not self._is_started:
                self._is_started = True
                self._baseline.start()
                self._projects.start()

    def stop_engines(self) -> None:
        """Stop tagging and trying engines; models that are being loaded are not interrupted."""
        if self._preparer is not None:
            self._preparer.close()
        self._batcher.close()

    def close(self) -> None:
        """Stop loading and tagging."""
        if self._is_started:
            self._baseline.close()
            self._projects.close()
        self.stop_engines()

    @property
    def state(self) -> BaselineState:
        """The baseline's state now."""
        return self._baseline.state

    @property
    def waiting_texts(self) -> int:
        """How many texts are being tagged or wait."""
        return self._batcher.waiting

    @property
    def cached_texts(self) -> int:
        """How many texts were answered from the prediction cache so far."""
        return self._cache.hits

    @property
    def refused_texts(self) -> int:
        """How many texts were refused so far because too many waited."""
        return self._batcher.refused

    def wait(self, timeout: float) -> BaselineState:
        """Wait at most ``timeout`` seconds for the first attempt to load the baseline."""
        return self._baseline.wait(timeout)

    def model_for(self, project_id: int | None, timeout: float = LOAD_TIMEOUT) -> ServedModel:
        """Return the model that answers for a project now: the baseline, if the project has no version.

        Raises NotReadyError if the model is not in memory and is not loaded within ``timeout`` seconds.
        """
        if project_id is not None:
            try:
                own = self._projects.model_for(project_id, timeout)
            except TimeoutError as error:
                raise NotReadyError(f"{error}; try again in a few seconds", 5.0) from error
            if own is not None and own.version is not None:
                return ServedModel(own.version, own.tagger, self._cache, self._batcher)
        state = self._baseline.state
        if state.state == "loading":
            raise NotReadyError("the model is still loading; try again in a few seconds", 5.0)
        if state.state == "failed":
            raise NotReadyError(f"no model: {state.reason}", RETRY_INTERVAL)
        return ServedModel(state.model_version, self._baseline.tagger, self._cache, self._batcher)

    def model_version(self, project_id: int | None, timeout: float) -> str:
        """Return the version that a project's predictions carry; waits up to ``timeout`` seconds for a model."""
        until = time.monotonic() + timeout
        if project_id is not None:
            try:
                own = self._projects.model_for(project_id, timeout)
            except TimeoutError:
                own_version = project_store(self._settings.models_folder, project_id).serving_version()
            else:
                own_version = own.version if own else None
            if own_version is not None:
                return own_version
        return self.wait(max(until - time.monotonic(), 0.0)).model_version

    def versions(self) -> list[str]:
        """Return all versions that serve now: the baseline's and each project's own."""
        served = [self.state.model_version]
        for project_id, name in serving_versions(self._settings.models_folder).items():
            loaded = self._projects.loaded(project_id, name)
            served.append(name if loaded is None else loaded.version or self.state.model_version)
        return list(dict.fromkeys(served))

    def engines(self) -> dict[str, str]:
        """Return the engine of each model in memory, by its version, and why it was chosen."""
        taggers = self._projects.taggers()
        baseline = self._baseline.tagger
        if baseline is not None:
            taggers[self.state.model_version] = baseline
        return {version: f"{tagger.choice.kind}: {tagger.choice.reason}" for version, tagger in taggers.items()}

    def passed_over(self) -> dict[str, str]:
        """Return the versions that should serve but do not, and the reason for each."""
        return self._projects.passed_over()

    def _load_version(self, version: Version) -> "Tagger":
        return self._load(version.folder, version.folder.stat().st_mtime + TRIAL_TIMEOUT)

    def _load_baseline(self, name: str) -> "Tagger":
        cores.share_cores(self._settings.workers)
        return self._load(name)

    def _load(self, model: str | Path, trial_until: float = 0.0) -> "Tagger":
        tagger = self._engine_preparer().load(model, trial_until)
        self._on_load()
        return tagger

    def _engine_preparer(self) -> "EnginePreparer":
        # imported here, because the server answers before this import ends
        from huggingface_ner.serving.engine_preparer import EnginePreparer  # noqa: PLC0415

        with self._starting:
            if self._preparer is None:
                settings = self._settings
                self._preparer = EnginePreparer(
                    settings.model_dir / ENGINES, settings.engine_preference, settings.device
                )
            return self._preparer


@lru_cache(maxsize=1)
def shared_models() -> ServedModels:
    """Return this process's models, which load in the background."""
    models = ServedModels(shared_settings())
    models.start()
    return models
