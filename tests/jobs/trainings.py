"""Helpers for tests of real workers: a queue, a stand-in of Label Studio, and workers in their own processes."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.jobs.redis_connection import connect
from huggingface_ner.settings import Settings
from huggingface_ner.store.versions import ModelStore, project_store
from tests import ROOT
from tests.label_studio_api import LEGACY_TOKEN, LabelStudioApi

END_TIMEOUT = 120.0
# Code that every process runs first: it lets the process wait at a step, so that it can be killed there.
STANDS_STILL = """
import os, time

def wait_before(owner, name):
    do = getattr(owner, name)
    def slow(*arguments, **keywords):
        time.sleep(20)
        return do(*arguments, **keywords)
    setattr(owner, name, slow)

if os.environ.get("STANDS_STILL_AT") == "starting" and "HUGGINGFACE_NER_RUN_ID" in os.environ:
    time.sleep(5)
if os.environ.get("STANDS_STILL_AT") == "training":  # a tenth of a second at each step
    from huggingface_ner.jobs import run_reporter
    run_reporter.REPORT_INTERVAL = 0.05
    report = run_reporter.Reporter.__call__
    def report_slowly(self, progress):
        report(self, progress)
        time.sleep(0.1 if progress.step else 0)
    run_reporter.Reporter.__call__ = report_slowly
if os.environ.get("STANDS_STILL_AT") == "attempts":
    from huggingface_ner.jobs import runs
    runs.RETRY_DELAYS = (0.0, 0.0)
if os.environ.get("STANDS_STILL_AT") == "saving":
    from huggingface_ner.store import files
    wait_before(files, "place_folder")
if os.environ.get("STANDS_STILL_AT") == "publishing":
    from huggingface_ner.store.versions import ModelStore
    wait_before(ModelStore, "_point_to")
"""


class Trainings:
    """A queue, a stand-in of Label Studio, and the environment of a worker that uses both."""

    def __init__(self, redis_url: str, api: LabelStudioApi, baseline: Path, folder: Path) -> None:
        self.environment = {
            "REDIS_URL": redis_url,
            "MODEL_DIR": str(folder / "models"),
            "BASELINE_MODEL_NAME": str(baseline),
            "LABEL_STUDIO_HOST": api.url,
            "LABEL_STUDIO_API_KEY": LEGACY_TOKEN,
            "NUM_TRAIN_EPOCHS": "1",
            "LEARNING_RATE": "2e-2",
            "F1_TOLERANCE": "1",  # the few held-out tasks differ between runs, so any model could be refused
        }
        self.settings = Settings(redis_url=redis_url, model_dir=folder / "models", label_studio_host=api.url)
        self.queue = TrainingQueue(connect(redis_url, timeout=5), self.settings)
        self.log = folder / "log"
        self._folder = folder
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        (folder / "sitecustomize.py").write_text(STANDS_STILL)

    @contextmanager
    def worker(self, stands_still_at: str = "") -> Iterator[psutil.Process]:
        environment = {**os.environ, **self.environment, "STANDS_STILL_AT": stands_still_at}
        environment["PYTHONPATH"] = os.pathsep.join([str(self._folder), str(ROOT)])
        environment["TMPDIR"] = str(self.temporary)
        command = [sys.executable, "-m", "huggingface_ner", "worker"]
        with self.log.open("ab") as log:
            process = psutil.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            yield process
            process.terminate()
            assert process.wait(20) == 0, self.log.read_text()
        except psutil.NoSuchProcess:
            pass
        finally:
            kill([*children(process), process])

    def store(self, project_id: int = 7) -> ModelStore:
        return project_store(self.settings.models_folder, project_id)

    def state(self, project_id: int = 7) -> str:
        return str(self.queue.status(project_id)["state"])

    def phase(self) -> str | None:
        phase: str | None = self.queue.status(7).get("run", {}).get("phase")
        return phase

    def ended(self, project_id: int = 7) -> dict[str, Any]:
        """Wait until all requests are answered; returns the outcome of the last run."""
        self.until(lambda: self.state(project_id) in ("idle", "parked"))
        return dict(self.queue.status(project_id)["last"])

    def until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + END_TIMEOUT
        while not condition():
            assert time.monotonic() < end, self.log.read_text() if self.log.exists() else "no log"
            time.sleep(0.05)


def children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return list(process.children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(processes, timeout=10)
