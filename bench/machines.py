"""Simulates machines on one Linux machine: each is a network namespace on a bridge. Needs root and iproute2.

Each machine has its own address. All machines share the files of this machine.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

PREFIX = "ner-"
SWITCH = f"{PREFIX}switch"
# No machine has this hardware address, so packets that are sent to it are lost without an answer.
NOBODY = "02:00:00:00:00:99"


class MachinesError(Exception):
    """Machines cannot be simulated here; the message says why."""


class Machine:
    """A network namespace, and the process that runs in it."""

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.address = f"10.77.0.{number}"
        self.namespace = f"{PREFIX}{name}"
        self._process: subprocess.Popen[bytes] | None = None
        self._command: tuple[Sequence[str], Mapping[str, str], Path] | None = None

    def start(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        """Start a command on this machine; ``restart`` starts it again."""
        self._command = command, environment, log
        self.restart()

    def restart(self) -> None:
        """Start the command again."""
        assert self._command is not None
        command, environment, log = self._command
        with log.open("ab") as written:
            self._process = subprocess.Popen(
                ["ip", "netns", "exec", self.namespace, *command],
                env={**os.environ, **environment},
                stdout=written,
                stderr=written,
                start_new_session=True,
            )

    def kill(self) -> None:
        """Kill all processes of this machine, like a power failure."""
        pids = {int(pid) for pid in _run("ip", "netns", "pids", self.namespace).split()}
        for pid in pids - {os.getpid()}:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def stop(self) -> int:
        """Stop the command as an operator does; return its exit status."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(60)

    def processes(self) -> list[psutil.Process]:
        """Return the processes that the command has started."""
        if self._process is None:
            return []
        with suppress(psutil.NoSuchProcess):
            return list(psutil.Process(self._process.pid).children(recursive=True))
        return []

    @contextmanager
    def cut_off(self, other: "Machine") -> Iterator[None]:
        """Lose all packets that this machine sends to another one, during the with block."""
        place = ("neigh", "replace", other.address, "lladdr", NOBODY, "dev", "eth0", "nud", "permanent")
        _run("ip", "-n", self.namespace, *place)
        try:
            yield
        finally:
            _run("ip", "-n", self.namespace, "neigh", "del", other.address, "dev", "eth0")


@contextmanager
def machines(names: Sequence[str]) -> Iterator[dict[str, Machine]]:
    """Make machines that can reach each other, and remove them after the with block; raises MachinesError."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        raise MachinesError("network namespaces need root and the command ip (Debian: apt-get install iproute2)")
    made = {name: Machine(name, number) for number, name in enumerate(names, start=2)}
    _delete_all()
    try:
        _run("ip", "netns", "add", SWITCH)
        _run("ip", "-n", SWITCH, "link", "add", "bridge", "type", "bridge")
        _run("ip", "-n", SWITCH, "link", "set", "bridge", "up")
        for machine in made.values():
            _connect(machine)
        yield made
    except subprocess.CalledProcessError as error:
        raise MachinesError(f"{' '.join(error.cmd)}: {error.stderr.strip()}") from error
    finally:
        for machine in made.values():
            with suppress(subprocess.CalledProcessError):
                machine.kill()
        _delete_all()


def _connect(machine: Machine) -> None:
    port = f"port-{machine.name}"
    _run("ip", "netns", "add", machine.namespace)
    _run(
        "ip", "-n", SWITCH, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", machine.namespace
    )
    _run("ip", "-n", SWITCH, "link", "set", port, "master", "bridge", "up")
    _run("ip", "-n", machine.namespace, "address", "add", f"{machine.address}/24", "dev", "eth0")
    for device in ("lo", "eth0"):
        _run("ip", "-n", machine.namespace, "link", "set", device, "up")


def _delete_all() -> None:
    for line in _run("ip", "netns", "list").splitlines():
        name = line.split()[0]
        if name.startswith(PREFIX):
            _run("ip", "netns", "delete", name)


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
