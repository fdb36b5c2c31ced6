"""Measure what PREDICT_AFTER_TRAINING costs in a project with many tasks, with the real Label Studio.

    python -m bench.predict_after_training --tasks 20000 [--predict auto] [--corpus CORPUS]

Starts Label Studio (`make demo` installs it) with SQLite, imports sentences, annotates some of them, starts the
service and trains several times. An annotator works all the time: opens a task as the Data Manager does, reads the
project, lists a page of tasks, asks for the next task and submits it, with pauses of 0.3 s. Prints for each phase
the milliseconds of Label Studio's answers (p50, p95, p99, maximum), and the CPU seconds and the peak of the memory
(proportional set size) of Label Studio, of the server and of the worker. A phase "storing" lasts from the end of a
training until all predictions are stored. KEEP_VERSIONS is 2, so the predictions of the first version are deleted
after the third.
"""

import argparse
import itertools
import os
import random
import re
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import psutil
import requests

from bench.corpus import read_corpus, sentences
from bench.memory import families, megabytes
from demo.label_studio import label_studio
from demo.service import started
from huggingface_ner.spans import AnnotatedText, Span
from tests.e2e.studio import Project, Studio
from tests.server.service import ask, free_port

ANNOTATED = 60
TASKS_AT_A_TIME = 1_000
MAX_CHARACTERS = 300
SECONDS_IDLE, SECONDS_AFTER, SECONDS_BETWEEN = 30.0, 20.0, 0.3
POLL_INTERVAL = 0.5
START_TIMEOUT, TIMEOUT = 120.0, 1_200.0
ACCOUNT = {
    "user": "bench@example.org",
    "password": "bench-password-1",
    "token": "0123456789abcdef" * 2 + "01234567",
}
# Lines of the service's log that belong to the figures.
TOLD = re.compile(r"deleted \d+ predictions|tasks have suggestions|WARNING|ERROR|Traceback")


class Annotator:
    """Works in Label Studio in the background; keeps the seconds and the failures of its answers by phase."""

    def __init__(self, project: Project, task_ids: list[int]) -> None:
        self.phase = "start"
        self.seconds: dict[tuple[str, str], list[float]] = {}
        self.failures: dict[tuple[str, str], list[str]] = {}
        self._project = project
        self._task_ids = task_ids
        self._random = random.Random(1)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop working."""
        self._ended.set()
        self._thread.join()

    def _work(self) -> None:
        project, studio = self._project, self._project.studio
        page = f"/api/tasks?project={project.id}&page=1&page_size=30&fields=all"
        while not self._ended.is_set():
            self._time("open a task", partial(project.open, self._random.choice(self._task_ids)))
            self._time("read the project", partial(studio.ask, "GET", f"/api/projects/{project.id}/"))
            self._time("list a page", partial(studio.ask, "GET", page))
            task = self._time("next task", project.next)
            if task is not None:
                result = task["predictions"][0]["result"] if task["predictions"] else []
                self._time("submit", partial(project.submit, task["id"], result))

    def _time(self, name: str, action: Callable[[], Any]) -> Any:
        key, began = (self.phase, name), time.perf_counter()
        answer = None
        try:
            answer = action()
        except (AssertionError, requests.RequestException) as error:
            self.failures.setdefault(key, []).append(str(error)[:200])
        self.seconds.setdefault(key, []).append(time.perf_counter() - began)
        self._ended.wait(SECONDS_BETWEEN)
        return answer


class Meter:
    """Sums the CPU seconds of groups of processes by phase, and keeps the peaks of their memory in MB."""

    def __init__(self, groups: Callable[[], dict[str, list[psutil.Process]]]) -> None:
        self.phase = "start"
        self.cpu: dict[tuple[str, str], float] = {}
        self.peak: dict[tuple[str, str], float] = {}
        self._groups = groups
        self._used: dict[psutil.Process, float] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._measure, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop measuring."""
        self._ended.set()
        self._thread.join()

    def _measure(self) -> None:
        while not self._ended.wait(POLL_INTERVAL):
            for name, members in self._groups().items():
                key = (self.phase, name)
                self.cpu[key] = self.cpu.get(key, 0.0) + sum(map(self._newly_used, members))
                self.peak[key] = max(self.peak.get(key, 0.0), megabytes(members))

    def _newly_used(self, process: psutil.Process) -> float:
        """Return the CPU seconds of a process since the last time."""
        try:
            times = process.cpu_times()
        except psutil.Error:
            return 0.0
        used = float(times.user + times.system)
        newly = used - self._used.get(process, 0.0)
        self._used[process] = used
        return newly


class Phases:
    """Prints the figures of each phase when the next one begins."""

    def __init__(self, annotator: Annotator, meter: Meter, database: Path) -> None:
        self._annotator = annotator
        self._meter = meter
        self._database = database
        self._began = time.monotonic()

    def begin(self, phase: str) -> None:
        """Print the figures of the phase that ends, and begin another one."""
        ended, seconds = self._annotator.phase, time.monotonic() - self._began
        self._annotator.phase = self._meter.phase = phase
        self._began = time.monotonic()
        files = self._database.parent.glob(f"{self._database.name}*")
        size = sum(file.stat().st_size for file in files) / 1e6
        print(f"{ended}: {seconds:.0f} s, database {size:.1f} MB, load {os.getloadavg()[0]:.1f}")
        for (of, name), peak in list(self._meter.peak.items()):
            if of == ended:
                print(f"  {name:18}{self._meter.cpu[of, name]:6.1f} CPU s{peak:8.0f} MB")
        for (of, name), times in sorted(self._annotator.seconds.items()):
            if of == ended:
                shown = "".join(f"{1000 * np.percentile(times, p):8.0f}" for p in (50, 95, 99, 100))
                failures = self._annotator.failures.get((of, name), [])
                print(f"  {name:18}{len(times):6}{shown}  {len(failures)} failed {failures[:1]}")
        sys.stdout.flush()


def main() -> None:
    """Train several times in a project with many tasks, and print the figures of each phase."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=20_000, help="number of tasks (default: %(default)s)")
    parser.add_argument("--trainings", type=int, default=3, help="number of trainings (default: %(default)s)")
    parser.add_argument(
        "--predict", default="true", help="the value of PREDICT_AFTER_TRAINING (default: %(default)s)"
    )
    parser.add_argument("--corpus", type=Path, help="folder of a corpus (default: examples/news)")
    options = parser.parse_args()
    texts = [one for text in read_corpus(options.corpus, "train") for one in sentences(text)]
    texts = [text for text in texts if len(text.text) <= MAX_CHARACTERS]
    with TemporaryDirectory() as name, ExitStack() as stack:
        folder, port = Path(name), free_port()
        server = stack.enter_context(label_studio(folder / "label_studio", free_port(), **ACCOUNT))
        studio = stack.enter_context(Studio(server))
        began = time.monotonic()
        project, task_ids = import_tasks(studio, texts, options.tasks)
        print(f"imported {options.tasks} tasks in {time.monotonic() - began:.0f} s", flush=True)
        url, log = f"http://127.0.0.1:{port}", folder / "service.log"
        environment = {
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "MODEL_DIR": str(folder / "models"),
            "HF_HUB_OFFLINE": "1",
            "BASELINE_MODEL_NAME": "",
            "LABEL_STUDIO_HOST": server.url,
            "LABEL_STUDIO_API_KEY": server.token,
            "START_TRAINING_EACH_N_UPDATES": "0",
            "F1_TOLERANCE": "1",
            "KEEP_VERSIONS": "2",
            "PREDICT_AFTER_TRAINING": options.predict,
        }
        command = [sys.executable, "-m", "huggingface_ner", "serve"]
        service = stack.enter_context(started("the service", command, {**os.environ, **environment}, log))
        service.wait_until_up(f"{url}/ready", START_TIMEOUT)
        project.connect(url)
        ours, theirs = psutil.Process(service.process.pid), psutil.Process(server.service.process.pid)
        annotator = stack.enter_context(closing(Annotator(project, task_ids[ANNOTATED:])))
        meter = stack.enter_context(
            closing(Meter(lambda: {"Label Studio": [theirs, *theirs.children(recursive=True)], **families(ours)}))
        )
        phases = Phases(annotator, meter, folder / "label_studio" / "label_studio.sqlite3")
        phases.begin("warming up")
        time.sleep(SECONDS_AFTER)
        phases.begin("idle")
        time.sleep(SECONDS_IDLE)
        for number in range(1, options.trainings + 1):
            phases.begin(f"training {number}")
            version = train(project, url)
            phases.begin(f"storing {number}")
            if options.predict != "false":
                wait(url, project, partial(is_stored, version))
            phases.begin(f"after {number}")
            time.sleep(SECONDS_AFTER)
        phases.begin("end")
        print(*(line for line in log.read_text(encoding="utf-8").splitlines() if TOLD.search(line)), sep="\n")


def import_tasks(studio: Studio, texts: list[AnnotatedText], number: int) -> tuple[Project, list[int]]:
    """Return a new project with tasks, of which the first are annotated, and the ids of its tasks."""
    inner = "".join(
        f'<Label value="{label}"/>' for label in sorted({s.label for text in texts for s in text.spans})
    )
    labels = f'<Labels name="label" toName="text">{inner}</Labels>'
    project = studio.project("many tasks", f'<View>{labels}<Text name="text" value="$text"/></View>')
    chosen = list(itertools.islice(itertools.cycle(texts), number))
    task_ids: list[int] = []
    for start in range(0, number, TASKS_AT_A_TIME):
        task_ids += project.add(*({"text": text.text} for text in chosen[start : start + TASKS_AT_A_TIME]))
    for task_id, text in zip(task_ids[:ANNOTATED], chosen, strict=False):
        project.submit(task_id, [region(text.text, span) for span in text.spans])
    return project, task_ids


def region(text: str, span: Span) -> dict[str, Any]:
    """Return a region as Label Studio's page saves it."""
    value = {"start": span.start, "end": span.end, "text": text[span.start : span.end], "labels": [span.label]}
    return {"from_name": "label", "to_name": "text", "type": "labels", "origin": "manual", "value": value}


def train(project: Project, url: str) -> str:
    """Start a training, and return the published version when the training has ended."""
    before = ask(f"{url}/training?project={project.id}")[1].get("last")
    project.studio.ask("POST", f"/api/ml/{project.backend_id}/train", {})
    status = wait(url, project, lambda status: status["state"] == "idle" and status.get("last") != before)
    return str(status["last"]["version"])


def is_stored(version: str, status: dict[str, Any]) -> bool:
    """Return whether all predictions of a version are stored."""
    suggestions = status.get("suggestions", {})
    return bool(suggestions.get("version") == version and suggestions["state"] == "complete")


def wait(url: str, project: Project, is_reached: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Wait until the status of the project's training is as desired; return it."""
    until = time.monotonic() + TIMEOUT
    while True:
        status: dict[str, Any] = ask(f"{url}/training?project={project.id}")[1]
        if is_reached(status):
            return status
        assert status["state"] != "parked", status
        assert status.get("suggestions", {}).get("state") != "failed", status
        assert time.monotonic() < until, status
        time.sleep(POLL_INTERVAL)


if __name__ == "__main__":
    main()
