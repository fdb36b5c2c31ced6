"""The demo's Label Studio: the real one, from a separate environment, because its pins differ from ours."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from demo import ROOT, DemoError
from demo.service import Service, started

COMMAND = ROOT / ".venv-label-studio" / "bin" / "label-studio"
# The first start makes the database. This takes half a minute, or longer if the cores are busy.
START_TIMEOUT = 180.0


@dataclass(frozen=True, slots=True)
class LabelStudioServer:
    """A running Label Studio.

    url: its address. user, password: for signing in. token: the legacy API token of that user.
    """

    url: str
    user: str
    password: str
    token: str
    service: Service


@contextmanager
def label_studio(
    folder: Path, port: int, *, user: str, password: str, token: str, **environment: str
) -> Iterator[LabelStudioServer]:
    """Run Label Studio with SQLite, reachable from this machine only, until the end of the with block.

    folder: for its data and its log, label_studio.log. token: 40 hexadecimal digits. environment: further settings
    of Label Studio. Raises DemoError if it is not installed, or does not answer within START_TIMEOUT.
    """
    if not COMMAND.exists():
        raise DemoError(f"{COMMAND}: Label Studio is not installed; `make demo` installs it")
    folder.mkdir(parents=True, exist_ok=True)
    url = f"http://localhost:{port}"
    chosen = {
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder),
        "LABEL_STUDIO_HOST": url,
        # the first start makes this user
        "LABEL_STUDIO_USERNAME": user,
        "LABEL_STUDIO_PASSWORD": password,
        "LABEL_STUDIO_USER_TOKEN": token,
        # a backend on this machine has a private address
        "ML_BLOCK_LOCAL_IP": "false",
        "SSRF_PROTECTION_ENABLED": "false",
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
        # no telemetry
        "COLLECT_ANALYTICS": "False",
        "LATEST_VERSION_CHECK": "False",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        **environment,
    }
    command = [str(COMMAND), "start", "--no-browser", "--internal-host", "127.0.0.1", "--port", str(port)]
    log = folder / "label_studio.log"
    with started("Label Studio", command, {**os.environ, **chosen}, log) as service:
        service.wait_until_up(f"{url}/health", START_TIMEOUT)
        yield LabelStudioServer(url, user, password, token, service)
