"""Watches servers and workers on several machines: the servers' answers, and the trainings that compute."""

import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path

import psutil
from redis import Redis, RedisError

from bench.machines import Machine
from huggingface_ner.jobs.process import RUN_ID
from tests.server.service import ask

# The files of a complete version.
FILES = {"config.json", "model.safetensors", "metrics.json", "tokenizer.json"}


class Watch:
    """Requests predictions in the background, and watches which trainings compute.

    answers: the counts of answers, by server. unfinished: versions that answered before they were complete.
    twice: runs of one project that computed at the same time. down: servers that the benchmark has killed.
    """

    def __init__(
        self,
        servers: dict[str, Machine],
        workers: dict[str, Machine],
        models: Path,
        projects: Sequence[int],
        config: str,
        redis: Redis,
    ) -> None:
        self.answers: dict[str, Counter[str]] = defaultdict(Counter)
        self.unfinished: set[str] = set()
        self.twice: list[str] = []
        self.down: set[str] = set()
        self._servers, self._workers, self._models = servers, workers, models
        self._projects, self._config, self._redis = projects, config, redis
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(name,), daemon=True) for name in servers]
        self._threads.append(threading.Thread(target=self._look, daemon=True))

    @contextmanager
    def running(self) -> Iterator[None]:
        """Watch during the with block."""
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._ended.set()
            for thread in self._threads:
                thread.join()

    def _ask(self, name: str) -> None:
        while not self._ended.wait(0.2):
            for project in self._projects:
                was_down = name in self.down
                outcome = self._predict(self._servers[name], project)
                if was_down or name in self.down:
                    outcome = f"{outcome} (killed)" if outcome != "200" else outcome
                self.answers[name][outcome] += 1

    def _predict(self, server: Machine, project: int) -> str:
        body = {
            "project": f"{project}.1",
            "label_config": self._config,
            "tasks": [{"id": 1, "data": {"t": "Anna flew ."}}],
        }
        try:
            status, answer = ask(f"http://{server.address}:9090/predict", body, timeout=20.0)
        except (OSError, ValueError, HTTPException) as error:
            return type(error).__name__
        if status == 200:
            version = answer["results"][0]["model_version"]
            folder = self._models / str(project) / version
            if "/" not in version and not {path.name for path in folder.glob("*")} >= FILES:
                self.unfinished.add(f"project {project}: {version}")
        return str(status)

    def _look(self) -> None:
        """Note each time two processes compute for the same project."""
        seconds: dict[int, float] = {}
        while not self._ended.wait(0.5):
            # The environment of a process that was prepared before its run does not contain the run. So no process
            # may be prepared here, and the key that says that a training is expected is deleted.
            with suppress(RedisError):
                for key in self._redis.scan_iter("huggingface-ner:*:expected"):
                    self._redis.delete(key)
            computing: dict[str, list[str]] = defaultdict(list)
            for name, worker in self._workers.items():
                for process in worker.processes():
                    with suppress(psutil.Error):
                        run = run_of(process)
                        used = sum(process.cpu_times()[:2])
                        if run and used - seconds.get(process.pid, used) > 0.1:
                            computing[run.split("-")[1]].append(f"{name}: {run}")
                        seconds[process.pid] = used
            self.twice += [", ".join(each) for each in computing.values() if len(each) > 1]


def run_of(process: psutil.Process) -> str:
    """Return the id of the run for which a worker's process was started; empty if there is none."""
    return "" if "prepared" in process.cmdline() else str(process.environ().get(RUN_ID, ""))
