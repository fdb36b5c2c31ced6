"""The models that this process serves, loaded off the request path."""

import logging
import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from huggingface_ner.settings import Settings, shared_settings
from huggingface_ner.spans import TaggedText

if TYPE_CHECKING:
    from huggingface_ner.tagging.tagger import Tagger

PACKAGED_ENCODER = "all-MiniLM-L6-v2"
SECONDS_TO_RETRY = 30.0

logger = logging.getLogger(__name__)


class NotReadyError(RuntimeError):
    """There is no model to predict with; the message says why.

    retry_after: seconds after which it makes sense to ask again.
    """

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class PoolState:
    """What ``/health`` shows: ``state``, the version that answers, and a ``reason`` where something is amiss."""

    state: Literal["loading", "ready", "failed"]
    model_version: str
    reason: str | None = None


class TaggerPool:
    """Loads the baseline in a background thread and lets one request at a time use it.

    A baseline that a person has set is tried again every SECONDS_TO_RETRY; the default one gives way to the
    packaged encoder, which predicts nothing until it is trained.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._state = PoolState("loading", _version(settings.baseline_model_name))
        self._tagger: Tagger | None = None
        self._settled = threading.Event()
        self._stop = threading.Event()
        self._tagging = threading.Lock()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to load; returns at once, and does nothing when called again."""
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._load_until_ready, name="load-model", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Stop trying to load."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    @property
    def state(self) -> PoolState:
        """What is served now."""
        return self._state

    @property
    def model_version(self) -> str:
        """The version that predictions carry: changes exactly when the model does."""
        return self._state.model_version

    def wait(self, timeout: float) -> PoolState:
        """Wait, at most so many seconds, until the first attempt to load has ended."""
        self._settled.wait(timeout)
        return self._state

    def labels(self) -> tuple[str, ...]:
        """Return the entity types of the model; raises NotReadyError."""
        tagger = self._ready_tagger()
        return tagger.labels if tagger else ()

    def tag(self, texts: list[str]) -> list[TaggedText]:
        """Return each text's spans and score, in order; raises NotReadyError."""
        tagger = self._ready_tagger()
        if tagger is None:
            return [TaggedText([], 0.0) for _ in texts]
        with self._tagging:  # one batch at a time keeps every core busy; two would fight for them
            return tagger.tag_scored(texts)

    def _ready_tagger(self) -> "Tagger | None":
        state = self._state
        if state.state == "loading":
            raise NotReadyError("the model is still loading; try again in a few seconds", 5.0)
        if state.state == "failed":
            raise NotReadyError(f"no model: {state.reason}", SECONDS_TO_RETRY)
        return self._tagger

    def _load_until_ready(self) -> None:
        while not self._stop.is_set():
            self._load()
            self._settled.set()
            if self._state.state == "ready":
                break
            self._stop.wait(SECONDS_TO_RETRY)

    def _load(self) -> None:
        name = self._settings.baseline_model_name
        try:
            # here and not above, so that the server answers before torch is imported
            from huggingface_ner.tagging import threads  # noqa: PLC0415
            from huggingface_ner.tagging.tagger import Tagger  # noqa: PLC0415

            threads.share_cores(self._settings.workers)
            self._tagger = Tagger.load(name, device=self._settings.device)
            self._state = PoolState("ready", _version(name))
            logger.info("serving %s: %s", name, ", ".join(self._tagger.labels))
        except Exception as error:  # whatever it is, the server stays up and says so
            if self._settings.baseline_is_set:
                logger.error("BASELINE_MODEL_NAME=%s cannot be loaded: %s", name, error)
                self._state = PoolState("failed", _version(name), str(error))
            else:
                reason = (
                    f"the default baseline cannot be loaded ({error}): predictions stay empty until a model is "
                    f"trained from the packaged encoder, {PACKAGED_ENCODER}; to predict at once, set "
                    "BASELINE_MODEL_NAME to the folder of a fine-tuned model"
                )
                logger.warning("%s", reason)
                self._state = PoolState("ready", PACKAGED_ENCODER, reason)


@lru_cache(maxsize=1)
def shared_pool() -> TaggerPool:
    """Return this process's pool, loading."""
    pool = TaggerPool(shared_settings())
    pool.start()
    return pool


def _version(name: str) -> str:
    """Return a model's name as a version: Label Studio trims blanks on one side only."""
    return "_".join(name.split())
