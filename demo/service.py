"""The demo's services: starts their processes, waits until they answer, and stops them."""

import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from demo import ROOT, DemoError

# Seconds for a service to stop. The backend stops its server, its worker and its queue one after the other.
STOP_TIMEOUT = 60.0
POLL_INTERVAL = 0.3
ANSWER_TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class Service:
    """A service that was started. log: its log file."""

    name: str
    log: Path
    process: "subprocess.Popen[bytes]"

    def check(self) -> None:
        """Raise DemoError if it has ended by itself."""
        status = self.process.poll()
        if status is not None:
            raise DemoError(f"{self.name} has ended with status {status}: see {self.log}")

    def wait_until_up(self, url: str, seconds: float) -> None:
        """Wait until an address answers with success; raises DemoError if it does not within ``seconds``."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.check()
            try:
                with urllib.request.urlopen(url, timeout=ANSWER_TIMEOUT):  # noqa: S310 - our own service
                    return
            except OSError:  # HTTP statuses other than success too
                time.sleep(POLL_INTERVAL)
        raise DemoError(f"{self.name} does not answer at {url} after {seconds:.0f} s: see {self.log}")


@contextmanager
def started(name: str, command: Sequence[str], environment: Mapping[str, str], log: Path) -> Iterator[Service]:
    """Run a command until the end of the with block; its output is appended to the log."""
    with log.open("ab") as written:
        process = subprocess.Popen(  # noqa: S603 - our own command
            command,
            cwd=ROOT,
            env=environment,
            stdout=written,
            stderr=written,
            # so Ctrl-C reaches only the demo, which stops the services one after the other
            process_group=0,
        )
    try:
        yield Service(name, log, process)
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def check_port(port: int, variable: str) -> None:
    """Raise DemoError if a port of this machine is already in use.

    variable: the environment variable that chooses the port.
    """
    with socket.socket() as probe:
        # a port that was closed a moment ago counts as free
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise DemoError(
                f"port {port} cannot be used ({error.strerror}): stop what listens there, or choose another: "
                f"`{variable}={port + 1} make demo`"
            ) from error
