"""The demo's state in its folder: the API key of its user and, while the demo runs, its addresses."""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from demo import DemoError

KEY = "api_key"
RUNNING = "running.json"


@dataclass(frozen=True, slots=True)
class RunningDemo:
    """A running demo: the addresses of both services, the project's id, and the API key of Label Studio's user."""

    label_studio: str
    backend: str
    project: int
    api_key: str


def open_folder(folder: Path) -> str:
    """Make the demo's folder, readable by this user only; return the API key in it, which the first call makes."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / KEY
    if not path.exists():
        path.write_text(secrets.token_hex(20), encoding="utf-8")
    return path.read_text(encoding="utf-8")


@contextmanager
def announced(demo: RunningDemo, folder: Path) -> Iterator[None]:
    """Store where the demo runs, for ``find_running``, until the end of the with block."""
    path = folder / RUNNING
    path.write_text(json.dumps(asdict(demo)) + "\n", encoding="utf-8")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def find_running(folder: Path) -> RunningDemo:
    """Return the running demo; raises DemoError if none is running."""
    try:
        return RunningDemo(**json.loads((folder / RUNNING).read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise DemoError(
            "the demo does not run: start it with `make demo` in another terminal, and wait until it is ready"
        ) from None
