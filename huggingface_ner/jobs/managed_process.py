"""A child process that is started again when it ends, each time after a longer pause."""

import logging
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import Self

STOP_TIMEOUT = 30.0
# Minimum seconds between two starts. The interval doubles with each restart, up to the maximum. It is short again
# after the process has run for longer than the maximum.
RESTART_INTERVAL = 5.0
MAX_RESTART_INTERVAL = 60.0

logger = logging.getLogger(__name__)


class Backoff:
    """Says when something that has ended may be started again.

    restarts: how many restarts in a row there were.
    """

    def __init__(self) -> None:
        self.restarts = 0
        self._started = time.monotonic()
        self._has_ended = False

    def may_restart(self) -> bool:
        """Return whether it may be started again now; call this as soon as it has ended, and then repeatedly."""
        age = time.monotonic() - self._started
        if not self._has_ended and age > MAX_RESTART_INTERVAL:
            self.restarts = 0
        self._has_ended = True
        doubled: float = RESTART_INTERVAL * 2 ** min(self.restarts, 10)
        return age > min(doubled, MAX_RESTART_INTERVAL)

    def restarted(self) -> int:
        """Note that it is started again now; return how many restarts in a row there were, with this one."""
        self.restarts += 1
        self._started = time.monotonic()
        self._has_ended = False
        return self.restarts


class ManagedProcess:
    """A child process, during the with block.

    name: for the log. The process has a process group of its own, so a Ctrl-C does not reach it: the parent stops
    its children in order. Its standard input is a pipe that ends when the parent does.
    """

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self._name = name
        self._command = command
        self._environment = environment
        self._backoff = Backoff()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
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
        self._process.communicate()

    @property
    def returncode(self) -> int | None:
        """The exit status; negative if a signal has ended the process, None while it runs."""
        return self._process.returncode if self._process else None

    def is_running(self) -> bool:
        """Return whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def has_failed(self) -> bool:
        """Return whether the process has ended by itself; a process that was killed has not failed."""
        return not self.is_running() and (self.returncode or 0) >= 0

    def restart_if_ended(self) -> None:
        """Start the process again if it has ended and the interval since its last start is over."""
        if self.is_running() or not self._backoff.may_restart():
            return
        how, restarts = _how(self.returncode), self._backoff.restarted()
        logger.error("%s has ended with %s; starting it again (restart %d in a row)", self._name, how, restarts)
        try:
            self._start()
        except OSError as error:  # for example, memory is short
            logger.error("%s cannot be started: %s", self._name, error)

    def _start(self) -> None:
        if self._process is not None:
            self._process.communicate()  # closes its pipe
        self._process = subprocess.Popen(  # noqa: S603
            self._command, env=self._environment, stdin=subprocess.PIPE, process_group=0
        )


def _how(returncode: int | None) -> str:
    if returncode is not None and returncode < 0:
        return f"signal {-returncode} ({signal.strsignal(-returncode)})"
    return f"status {returncode}"
