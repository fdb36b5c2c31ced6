"""What the demo remembers in its folder: its user's API key, and where it runs while it does."""

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
    """A demo that runs: the addresses of both services, the project's id, the API key of Label Studio's user."""

    label_studio: str
    backend: str
    project: int
    api_key: str


def open_folder(folder: Path) -> str:
    """Make the demo's folder, for this user alone, and return the API key in it, made up the first time."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / KEY
    if not path.exists():
        path.write_text(secrets.token_hex(20), encoding="utf-8")
    return path.read_text(encoding="utf-8")


@contextmanager
def announced(demo: RunningDemo, folder: Path) -> Iterator[None]:
    """Say where the demo runs until the end of the with block."""
    path = folder / RUNNING
    path.write_text(json.dumps(asdict(demo)) + "\n", encoding="utf-8")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def find_running(folder: Path) -> RunningDemo:
    """Return the demo that runs; raises DemoError if none is announced."""
    try:
        return RunningDemo(**json.loads((folder / RUNNING).read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise DemoError(
            "the demo does not run: start it with `make demo` in another terminal, and wait until it is ready"
        ) from None
