"""The baseline, which answers for projects that have no version: how it is loaded, and its state."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from huggingface_ner.engines.stand_in import baseline_name, stand_in

if TYPE_CHECKING:
    from huggingface_ner.tagging.tagger import Tagger

# Seconds between two attempts to load a baseline that the user has set.
RETRY_INTERVAL = 30.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BaselineState:
    """The state that ``/health`` shows, the version that answers, and a ``reason`` if something is wrong."""

    state: Literal["loading", "ready", "failed"]
    model_version: str
    reason: str | None = None


class Baseline:
    """Loads the baseline in a thread.

    If the user has set the baseline and it cannot be loaded, loading is tried again every RETRY_INTERVAL. If the
    default baseline cannot be loaded, the model of ``stand_in`` replaces it, and predicts nothing until it is
    trained.

    name, is_set: BASELINE_MODEL_NAME, and whether the user has set it.
    load: returns the baseline's tagger; may raise any exception.
    """

    def __init__(self, name: str, *, is_set: bool, load: "Callable[[str], Tagger]") -> None:
        self._name = name
        self._is_set = is_set
        self._load = load
        self._state = BaselineState("loading", _version(name))
        self._tagger: Tagger | None = None
        self._tried = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._load_until_ready, name="load-model", daemon=True)

    def start(self) -> None:
        """Start loading; call this only once."""
        self._thread.start()

    def close(self) -> None:
        """Stop trying to load, and wait until the current attempt has ended."""
        self._stop.set()
        self._thread.join()

    def wait(self, timeout: float) -> BaselineState:
        """Wait at most ``timeout`` seconds until the first attempt to load has ended, and return the state."""
        self._tried.wait(timeout)
        return self._state

    @property
    def state(self) -> BaselineState:
        """The state that ``/health`` shows now."""
        return self._state

    @property
    def tagger(self) -> "Tagger | None":
        """The baseline's tagger; None unless it is loaded."""
        return self._tagger

    def _load_until_ready(self) -> None:
        while not self._stop.is_set():
            self._try_to_load()
            self._tried.set()
            if self._state.state == "ready":
                break
            self._stop.wait(RETRY_INTERVAL)

    def _try_to_load(self) -> None:
        try:
            self._tagger = self._load(self._name)
        except Exception as error:  # whatever the error is, the server stays up and reports it
            self._state = self._state_after(error)
        else:
            self._state = BaselineState("ready", _version(self._name))
            logger.info("serving %s: %s", self._name, ", ".join(self._tagger.labels))

    def _state_after(self, error: Exception) -> BaselineState:
        """Log a failed attempt to load, and return the state after it: "ready" if there is a stand-in."""
        replacement = stand_in(is_set=self._is_set)
        if replacement is None:
            logger.error("BASELINE_MODEL_NAME=%s cannot be loaded: %s", self._name, error)
            return BaselineState("failed", _version(self._name), str(error))
        reason = (
            f"Projects without a training have no model: {self._name} could not be loaded ({error}). Their first "
            f"training makes one from the packaged encoder, {baseline_name(replacement)}; until then, only known "
            "mentions are suggested. To have a model now, set BASELINE_MODEL_NAME to the folder of a trained NER "
            "model."
        )
        logger.warning("%s", reason)
        return BaselineState("ready", baseline_name(replacement), reason)


def _version(name: str) -> str:
    """Return a model's name as a version, with blanks replaced: Label Studio trims them in some places only."""
    return "_".join(name.split())
