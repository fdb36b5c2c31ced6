"""Measure how the service answers during trainings, and how much memory several trainings take.

    python -m bench.while_training --trainings 10

Runs ``serve`` with its embedded queue and worker, the packaged encoder and a stand-in for Label Studio with the
short texts of examples/news. Prints the milliseconds that /health and /setup take while idle and during the
trainings, and the memory (proportional set size, MB) of the server's and the worker's processes.
"""

import argparse
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import psutil

from bench.corpus import short_news
from bench.memory import families, megabytes
from tests.label_studio_api import LEGACY_TOKEN, serve_label_studio_api
from tests.server.service import ask, free_port, wait

POLL_INTERVAL = 0.05
SECONDS_IDLE = 15.0
SECONDS_AFTER = 10.0  # until the new version is in use and the memory of the old one is freed
PROJECT = 1


class Watch:
    """Sends requests and measures memory in the background; the results belong to the current ``phase``."""

    def __init__(self, url: str, config: str, service: psutil.Process) -> None:
        self.phase = "start"
        self.seconds: dict[tuple[str, str], list[float]] = {}
        self.peak: dict[tuple[str, str], float] = {}
        self.now: dict[str, float] = {}
        self._url = url
        self._setup = {"project": f"{PROJECT}.1", "schema": config}
        self._service = service
        self.ended = threading.Event()
        self._threads = [threading.Thread(target=measure, daemon=True) for measure in (self._ask, self._weigh)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop sending requests and measuring memory."""
        self.ended.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        while not self.ended.is_set():
            for route, body in (("/health", None), ("/setup", self._setup)):
                phase, began = self.phase, time.perf_counter()
                ask(f"{self._url}{route}", body)
                self.seconds.setdefault((phase, route), []).append(time.perf_counter() - began)
                time.sleep(POLL_INTERVAL)

    def _weigh(self) -> None:
        while not self.ended.is_set():
            phase = self.phase
            for name, members in families(self._service).items():
                self.now[name] = megabytes(members)
                self.peak[phase, name] = max(self.peak.get((phase, name), 0.0), self.now[name])
            time.sleep(0.3)


def _shown(megabytes: Iterable[float]) -> str:
    server, worker = megabytes
    return f"server {server:.0f}  worker {worker:.0f}"


def _train(url: str) -> dict[str, Any]:
    ask(f"{url}/webhook", {"action": "START_TRAINING", "project": {"id": PROJECT}})
    while True:
        status = ask(f"{url}/training?project={PROJECT}")[1]
        if status["state"] in ("idle", "parked"):
            return dict(status["last"])
        time.sleep(0.5)


def main() -> None:
    """Train while the server gets requests all the time; print the answer times and the memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trainings", type=int, default=1, help="number of trainings (default: %(default)s)")
    options = parser.parse_args()
    config, tasks = short_news()
    with serve_label_studio_api() as api, TemporaryDirectory() as folder:
        port = free_port()
        environment = {
            **os.environ,
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "MODEL_DIR": folder,
            "HF_HUB_OFFLINE": "1",
            "LABEL_STUDIO_HOST": api.url,
            "LABEL_STUDIO_API_KEY": LEGACY_TOKEN,
            "LOG_LEVEL": "WARNING",
            "BASELINE_MODEL_NAME": "",
            "F1_TOLERANCE": "1",
        }
        service = psutil.Popen([sys.executable, "-m", "huggingface_ner", "serve"], env=environment)
        try:
            url = f"http://127.0.0.1:{port}"
            wait(f"{url}/ready")
            watch = Watch(url, config, service)
            watch.phase = "idle"
            time.sleep(SECONDS_IDLE)
            print(f"before: {_shown(watch.now.values())}", flush=True)
            for number in range(1, options.trainings + 1):
                api.add(PROJECT, config, tasks[number:])  # different tasks each time
                watch.phase = "training"
                watch.peak.clear()
                ending = _train(url)
                peaks = _shown(watch.peak["training", name] for name in ("server", "worker"))
                watch.phase = "after"
                time.sleep(SECONDS_AFTER)
                print(
                    f"training {number}: {ending['status']} in {ending['seconds']:.0f} s; peak: {peaks}", end="; "
                )
                print(f"after: {_shown(watch.now.values())}", flush=True)
            watch.close()
            print(f"{'':18}{'requests':>10}{'p50':>8}{'p95':>8}{'p99':>8}{'max':>8}")
            for (phase, route), seconds in sorted(watch.seconds.items()):
                if phase in ("idle", "training"):
                    shown = "".join(f"{1000 * np.percentile(seconds, p):8.1f}" for p in (50, 95, 99, 100))
                    print(f"{phase:9}{route:9}{len(seconds):10}{shown}")
        finally:
            service.terminate()
            try:
                service.wait(30)
            except (psutil.TimeoutExpired, subprocess.TimeoutExpired):
                service.kill()


if __name__ == "__main__":
    main()
