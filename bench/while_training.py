"""Measure how the service answers during trainings, and how much memory several trainings take.

    python -m bench.while_training --trainings 10
    python -m bench.while_training --trainings 3 --projects 2 --device cuda

Runs ``serve`` with its embedded queue and worker, the packaged encoder and a stand-in for Label Studio with the
short texts of examples/news. Several projects are trained at the same time, each by a worker of its own. Prints
the milliseconds that /health, /setup and /predict take while idle and during the trainings, and the memory (MB) of
the server's processes and of the workers' processes (proportional set size) and of the GPU (all that is in use).
"""

import argparse
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import psutil

from bench.corpus import short_news
from bench.devices import add_device, device_name, gpu_megabytes
from bench.memory import families, megabytes
from huggingface_ner.jobs.redis_connection import running_queue_url
from huggingface_ner.settings import Settings
from tests.label_studio_api import LEGACY_TOKEN, serve_label_studio_api
from tests.server.service import ask, free_port, wait

POLL_INTERVAL = 0.05
SECONDS_IDLE = 15.0
SECONDS_AFTER = 10.0  # until the new version is in use and the memory of the old one is freed
# Seconds; a request fails if it takes longer.
TIMEOUT = 60.0


class Watch:
    """Sends requests and measures memory in the background; the results belong to the current ``phase``.

    tasks: their predictions are requested, for each project in turn. workers: the processes of further workers.
    """

    def __init__(
        self,
        url: str,
        config: str,
        tasks: list[dict[str, Any]],
        projects: list[int],
        service: psutil.Process,
        workers: Sequence[psutil.Process],
        device: str,
    ) -> None:
        self.phase = "start"
        self.seconds: dict[tuple[str, str], list[float]] = {}
        self.peak: dict[tuple[str, str], float] = {}
        self.now: dict[str, float] = {}
        self._url = url
        self._config = config
        self._tasks = tasks
        self._projects = projects
        self._service = service
        self._workers = workers
        self._device = device
        self.ended = threading.Event()
        self._threads = [threading.Thread(target=measure, daemon=True) for measure in (self._ask, self._weigh)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop sending requests and measuring memory."""
        self.ended.set()
        for thread in self._threads:
            thread.join()

    def predict(self, project: int, number: int) -> Any:
        """Request the predictions of a text that was not requested before, so the answer is not in the cache."""
        text = self._tasks[number % len(self._tasks)]["data"]["text"]
        task = {"id": number, "data": {"text": f"{text} {number}"}}
        body = {"tasks": [task], "project": f"{project}.1", "label_config": self._config}
        return ask(f"{self._url}/predict", body, TIMEOUT)[1]

    def _ask(self) -> None:
        for number in count(1):
            project = self._projects[number % len(self._projects)]
            setup = {"project": f"{project}.1", "schema": self._config}
            for route, request in (
                ("/health", lambda: ask(f"{self._url}/health", None, TIMEOUT)),
                ("/setup", lambda setup=setup: ask(f"{self._url}/setup", setup, TIMEOUT)),
                ("/predict", lambda project=project, number=number: self.predict(project, number)),
            ):
                phase, began = self.phase, time.perf_counter()
                request()
                self.seconds.setdefault((phase, route), []).append(time.perf_counter() - began)
                if self.ended.wait(POLL_INTERVAL):
                    return

    def _weigh(self) -> None:
        while not self.ended.is_set():
            phase = self.phase
            used = {name: megabytes(members) for name, members in families(self._service).items()}
            used["worker"] += megabytes([each for worker in self._workers for each in _family(worker)])
            if self._device == "cuda":
                used["GPU"] = gpu_megabytes()
            self.now = used
            for name, memory in used.items():
                self.peak[phase, name] = max(self.peak.get((phase, name), 0.0), memory)
            time.sleep(0.3)

    def shown_peak(self, phase: str) -> str:
        """Return the peaks of memory in a phase, for people."""
        return _shown({name: memory for (during, name), memory in self.peak.items() if during == phase})


def _family(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def _shown(used: dict[str, float]) -> str:
    return "  ".join(f"{name} {memory:.0f}" for name, memory in used.items())


def _train(url: str, project: int) -> str:
    ask(f"{url}/webhook", {"action": "START_TRAINING", "project": {"id": project}}, TIMEOUT)
    while True:
        status = ask(f"{url}/training?project={project}", None, TIMEOUT)[1]
        if status["state"] in ("idle", "parked"):
            last = status["last"]
            reason = "" if last["status"] == "published" else f" ({last['reason']})"
            return f"project {project} {last['status']} in {last['seconds']:.0f} s{reason}"
        time.sleep(0.5)


def main() -> None:
    """Train while the server gets requests all the time; print the answer times and the memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--trainings", type=int, default=1, help="trainings of each project (default: %(default)s)"
    )
    parser.add_argument("--projects", type=int, default=1, help="number of projects (default: %(default)s)")
    add_device(parser)
    options = parser.parse_args()
    print(device_name(options.device), flush=True)
    config, tasks = short_news()
    projects = list(range(1, options.projects + 1))
    with serve_label_studio_api() as api, TemporaryDirectory() as folder:
        port = free_port()
        environment = {
            **os.environ,
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "DEVICE": options.device,
            "MODEL_DIR": folder,
            "HF_HUB_OFFLINE": "1",
            "LABEL_STUDIO_HOST": api.url,
            "LABEL_STUDIO_API_KEY": LEGACY_TOKEN,
            "LOG_LEVEL": "WARNING",
            "BASELINE_MODEL_NAME": "",
            "F1_TOLERANCE": "1",
        }
        command = [sys.executable, "-m", "huggingface_ner"]
        service = psutil.Popen([*command, "serve"], env=environment)
        started = [service]
        try:
            url = f"http://127.0.0.1:{port}"
            wait(f"{url}/ready")
            queue = running_queue_url(Settings(model_dir=Path(folder)))
            started += [
                psutil.Popen([*command, "worker"], env={**environment, "REDIS_URL": queue}) for _ in projects[1:]
            ]
            watch = Watch(url, config, tasks, projects, service, started[1:], options.device)
            watch.phase = "idle"
            time.sleep(SECONDS_IDLE)
            print(f"before: {_shown(watch.now)}", flush=True)
            for number in range(1, options.trainings + 1):
                for project in projects:
                    api.add(project, config, tasks[number:])  # different tasks each time
                watch.phase = "training"
                watch.peak.clear()
                with ThreadPoolExecutor(len(projects)) as threads:
                    outcomes = [threads.submit(_train, url, project) for project in projects]
                print(f"training {number}: {', '.join(outcome.result() for outcome in outcomes)}", end="; ")
                print(f"peak: {watch.shown_peak('training')}", end="; ")
                watch.phase = "after"
                time.sleep(SECONDS_AFTER)
                print(f"after: {_shown(watch.now)}", flush=True)
            watch.close()
            for project in projects:
                version = watch.predict(project, 0)["results"][0]["model_version"]
                print(f"project {project} has suggestions of {version}")
            print(f"{'':18}{'requests':>10}{'p50':>8}{'p95':>8}{'p99':>8}{'max':>8}")
            for (phase, route), seconds in sorted(watch.seconds.items()):
                if phase in ("idle", "training"):
                    shown = "".join(f"{1000 * np.percentile(seconds, p):8.1f}" for p in (50, 95, 99, 100))
                    print(f"{phase:9}{route:9}{len(seconds):10}{shown}")
        finally:
            for process in reversed(started):
                with suppress(psutil.NoSuchProcess):
                    process.terminate()
            for process in started:
                try:
                    process.wait(30)
                except (psutil.TimeoutExpired, subprocess.TimeoutExpired):
                    process.kill()


if __name__ == "__main__":
    main()
