"""Run Label Studio and the backend, connected, with a project to annotate (`make demo`).

    python -m demo.serve

LABEL_STUDIO_PORT and PORT choose other ports than 8080 and 9090. All data are in results/demo.
"""

import os
import signal
import sys
import time
from contextlib import ExitStack
from types import FrameType

import httpx
from label_studio_sdk.core.api_error import ApiError

from demo import FOLDER, DemoError
from demo.backend import backend
from demo.label_studio import label_studio
from demo.news import read_news
from demo.project import TITLE, connect, set_up_project
from demo.service import check_port
from demo.state import RunningDemo, announced, open_folder

USER = "demo@example.org"
PASSWORD = "learn-by-example"  # noqa: S105 - of a Label Studio that only this machine can reach
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
POLL_INTERVAL = 0.5

READY = """
  Label Studio  {label_studio}
  sign in as    {user}
  password      {password}
  the model     {backend}/projects/{project}

  1. Open the project "{title}" and click Label All Tasks. Mark the entities (keys 1 to 4 choose a label)
     in each task, and submit it.
  2. After every ten annotations, the backend trains. {backend}/projects/{project} shows its
     progress, and how good the model is.
  3. From then on, tasks have suggestions. Correct them if they are wrong, and submit. Each training renews the
     suggestions, and then the label stream begins with the tasks of which the model is least certain.

  To watch a simulated annotator instead, run `make demo-replay` in another terminal.

Ctrl-C stops everything. The next `make demo` continues with the data in {folder}.
To begin again, remove that folder.
"""


def main() -> int:
    """Run the demo until Ctrl-C; return the exit status: 0, or 1 if it cannot start or a service ends."""
    for number in ENDING_SIGNALS:
        signal.signal(number, _stop)
    try:
        _run(read_port("LABEL_STUDIO_PORT", 8080), read_port("PORT", 9090))
    except ApiError as error:
        print(f"demo: Label Studio answers HTTP {error.status_code}: {error.body}", file=sys.stderr)
    except (DemoError, httpx.HTTPError) as error:
        print(f"demo: {error}", file=sys.stderr)
    return 1


def read_port(variable: str, default: int) -> int:
    """Return the port that an environment variable chooses; raises DemoError if it is not one."""
    value = os.environ.get(variable) or str(default)
    if not value.isdecimal() or not 0 < int(value) < 2**16:
        raise DemoError(f"{variable}={value}: must be the number of a port, 1 to 65535")
    return int(value)


def _run(label_studio_port: int, port: int) -> None:
    check_port(label_studio_port, "LABEL_STUDIO_PORT")
    check_port(port, "PORT")
    api_key = open_folder(FOLDER)
    with ExitStack() as stack:
        stack.callback(_say, "stopped")
        _say("starting Label Studio; the first start takes a minute")
        folder = FOLDER / "label_studio"
        server = stack.enter_context(
            label_studio(folder, label_studio_port, user=USER, password=PASSWORD, token=api_key)
        )
        _say("starting the backend")
        ner = stack.enter_context(backend(FOLDER, port, server.url, api_key))
        url = f"http://localhost:{port}"
        project = set_up_project(connect(server.url, api_key), url, read_news())
        stack.enter_context(announced(RunningDemo(server.url, url, project, api_key), FOLDER))
        stack.callback(_say, "stopping")
        _say(
            READY.format(
                label_studio=server.url,
                user=USER,
                password=PASSWORD,
                title=TITLE,
                backend=url,
                project=project,
                folder=FOLDER,
            )
        )
        while True:
            server.service.check()
            ner.check()
            time.sleep(POLL_INTERVAL)


def _say(message: str) -> None:
    print(message, flush=True)


def _stop(number: int, frame: FrameType | None) -> None:
    # ignore further signals, so that nothing interrupts the stopping
    for ending in ENDING_SIGNALS:
        signal.signal(ending, signal.SIG_IGN)
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
