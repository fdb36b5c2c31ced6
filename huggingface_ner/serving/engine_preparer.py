"""Switches models from PyTorch to their engines; a worker has chosen the engine, or engines are tried here."""

import fcntl
import hashlib
import json
import logging
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
import weakref
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from huggingface_hub import try_to_load_from_cache

from huggingface_ner.engine_kinds import EnginePreference
from huggingface_ner.engines.choice import choose
from huggingface_ner.engines.hardware import resolve_device
from huggingface_ner.engines.prepared import is_tried
from huggingface_ner.serving.memory import give_memory_back
from huggingface_ner.store.files import ASIDE, delete_leftovers, folder_aside, place_folder
from huggingface_ner.tagging.loading import load_prepared, load_unprepared
from huggingface_ner.tagging.tagger import Tagger

if TYPE_CHECKING:
    from collections.abc import Mapping

# Maximum number of prepared engines on disk; the oldest are removed.
MAX_KEPT = 5
POLL_INTERVAL = 0.5
# Niceness of the process that tries engines, so that requests have priority.
NICENESS = 10

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Untried:
    """A model that runs with PyTorch until an engine has been chosen.

    tagger: a weak reference, so that the model can be freed meanwhile. place: the folder for its engine, if it is
    tried here. tried_until: see EnginePreparer.load.
    """

    tagger: weakref.ref[Tagger]
    name_or_path: str | Path
    place: Path
    tried_until: float


class EnginePreparer:
    """Loads taggers; a model runs with PyTorch until its engine has been chosen.

    folder: stores the engines of models whose own folders we do not write to.
    Trials run in a process of low priority, because exporting takes memory and uses every core.
    """

    def __init__(self, folder: Path, preference: EnginePreference, device: str) -> None:
        self._folder = folder
        self._preference = preference
        self._device = device
        self._untried: queue.SimpleQueue[_Untried | None] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def load(self, name_or_path: str | Path, tried_until: float = 0.0) -> Tagger:
        """Return a tagger that can serve at once; raises ModelError.

        tried_until: until when another process may be trying engines on the model, in seconds since 1970. Until
        then, engines are not tried here. The engine that the other process puts into the model's folder is used.
        """
        prepared = self._load_prepared(name_or_path, Path(name_or_path))
        if prepared is not None:
            return prepared
        place = self._place(name_or_path)
        prepared = None if place is None else self._load_prepared(name_or_path, place)
        if prepared is not None:
            return prepared
        tagger = load_unprepared(name_or_path, self._device, self._preference)
        place = place or self._place(name_or_path)  # loading may have downloaded the model
        if place is not None and choose(self._preference, resolve_device(self._device), ()) is None:
            self._change_later(_Untried(weakref.ref(tagger), name_or_path, place, tried_until))
        return tagger

    def close(self) -> None:
        """Stop trying engines."""
        self._stop.set()
        self._untried.put(None)
        if self._thread is not None:
            self._thread.join()

    def _change_later(self, untried: _Untried) -> None:
        with self._starting:
            self._untried.put(untried)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="prepare-engine", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        waiting: list[_Untried] = []
        while not self._stop.is_set():
            with suppress(queue.Empty):
                untried = self._untried.get(timeout=POLL_INTERVAL if waiting else None)
                waiting += [] if untried is None else [untried]
            waiting = [each for each in waiting if not self._stop.is_set() and not self._settle(each)]

    def _settle(self, untried: _Untried) -> bool:
        """Switch a model to its engine, and return whether nothing is left to do for the model."""
        tagger, name_or_path = untried.tagger(), untried.name_or_path
        if tagger is None:  # nothing uses the model any more
            return True
        try:
            prepared = self._load_prepared(name_or_path, Path(name_or_path))
            if prepared is None:
                if time.time() < untried.tried_until and not is_tried(Path(name_or_path)):
                    return False
                prepared = self._prepare(name_or_path, untried.place)
        except Exception as error:  # for example a full disk or a read-only volume; PyTorch still serves
            logger.warning(
                "%s: no engine could be prepared (%s); %s stays in use", name_or_path, error, tagger.choice.kind
            )
            return True
        if prepared is not None:
            tagger.take_engine_of(prepared)
            give_memory_back()
            logger.info("%s: now runs on %s: %s", name_or_path, prepared.choice.kind, prepared.choice.reason)
        return True

    def _load_prepared(self, name_or_path: str | Path, folder: Path) -> Tagger | None:
        return load_prepared(name_or_path, self._device, self._preference, folder)

    def _prepare(self, name_or_path: str | Path, place: Path) -> Tagger | None:
        """Try engines, unless another process has already done so, and load the chosen engine."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # one server process tries engines for all of them
            prepared = self._load_prepared(name_or_path, place)
            if prepared is not None:
                return prepared
            with folder_aside(self._folder) as aside:
                self._run(name_or_path, aside)
                place_folder(aside, place)
            self._prune()
        return self._load_prepared(name_or_path, place)

    def _run(self, name_or_path: str | Path, into: Path) -> None:
        arguments = json.dumps(
            {
                "model_folder": str(name_or_path),
                "into": str(into),
                "device": self._device,
                "niceness": NICENESS,
                "preference": asdict(self._preference),
            }
        )
        command = [sys.executable, "-m", "huggingface_ner.tagging.engine_trials", arguments]
        environment: Mapping[str, str] = {
            **os.environ,
            "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        }
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603
            try:
                while True:
                    try:
                        _, errors = process.communicate(timeout=POLL_INTERVAL)
                        break
                    except subprocess.TimeoutExpired:
                        if self._stop.is_set():
                            raise InterruptedError("the service is stopping") from None
            finally:
                process.kill()
        if process.returncode:
            raise RuntimeError((errors.strip().splitlines() or ["killed"])[-1])

    def _place(self, name_or_path: str | Path) -> Path | None:
        """Return the folder for a model's engine; None if the model has no files on this machine.

        The folder's name is a hash of the paths, sizes and times of the model's files, and of the versions of the
        libraries.
        """
        config = Path(name_or_path) / "config.json"
        if not config.is_file():
            try:
                cached = try_to_load_from_cache(str(name_or_path), "config.json")
            except ValueError:  # not a valid name on the Hub
                return None
            if not isinstance(cached, str):
                return None
            config = Path(cached)
        files = sorted(file for file in config.parent.iterdir() if file.suffix in (".json", ".safetensors"))
        stats = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
        stamp = repr((stats, version("onnxruntime"), version("openvino"), version("torch")))
        return self._folder / hashlib.sha256(stamp.encode()).hexdigest()[:16]

    def _prune(self) -> None:
        delete_leftovers(self._folder)
        kept = [path for path in self._folder.iterdir() if path.is_dir() and not path.name.startswith(ASIDE)]
        for path in sorted(kept, key=lambda path: path.stat().st_mtime)[:-MAX_KEPT]:
            shutil.rmtree(path, ignore_errors=True)
