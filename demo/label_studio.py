"""A Label Studio of its own: the real one, from an environment beside ours, since its pins differ."""

import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMAND = ROOT / ".venv-label-studio" / "bin" / "label-studio"
# The first start makes the database: half a minute, more where the cores are busy.
SECONDS_TO_START = 180.0
SECONDS_TO_STOP = 20.0


class LabelStudioError(RuntimeError):
    """Label Studio does not start; the message says why."""


@dataclass(frozen=True, slots=True)
class LabelStudioServer:
    """A Label Studio that runs.

    url: its address. user, password: whom to sign in as. token: that user's legacy API token.
    """

    url: str
    user: str
    password: str
    token: str


@contextmanager
def label_studio(
    folder: Path, port: int, *, user: str, password: str, token: str, **environment: str
) -> Iterator[LabelStudioServer]:
    """Run Label Studio on SQLite in a folder, for this machine alone, until the end of the with block.

    token: 40 hexadecimal digits. environment: more of its settings. Its log is label_studio.log in the folder.
    Raises LabelStudioError where it is not installed, or does not answer in SECONDS_TO_START.
    """
    if not COMMAND.exists():
        raise LabelStudioError(f"{COMMAND}: Label Studio is not installed; `make demo` does it")
    folder.mkdir(parents=True, exist_ok=True)
    url = f"http://localhost:{port}"
    log = folder / "label_studio.log"
    chosen = {
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder),
        "LABEL_STUDIO_HOST": url,
        # a backend on this machine is at a private address
        "ML_BLOCK_LOCAL_IP": "false",
        "SSRF_PROTECTION_ENABLED": "false",
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
        # it asks and tells nobody
        "COLLECT_ANALYTICS": "False",
        "LATEST_VERSION_CHECK": "False",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        **environment,
    }
    command = [str(COMMAND), "start", "--no-browser", "--internal-host", "127.0.0.1", "--port", str(port)]
    command += ["--username", user, "--password", password, "--user-token", token]
    with log.open("ab") as written:
        process = subprocess.Popen(  # noqa: S603 - our own command
            command, env={**os.environ, **chosen}, stdout=written, stderr=written, process_group=0
        )
    try:
        _wait_until_up(url, process, log)
        yield LabelStudioServer(url, user, password, token)
    finally:
        process.terminate()
        try:
            process.wait(SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_up(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < until:
        if process.poll() is not None:
            raise LabelStudioError(f"Label Studio has ended with status {process.returncode}: see {log}")
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5):  # noqa: S310 - our own server
                return
        except (OSError, urllib.error.URLError):
            time.sleep(0.3)
    raise LabelStudioError(f"{url}: Label Studio does not answer after {SECONDS_TO_START:.0f} s: see {log}")
