"""deploy/healthcheck.sh says what `python -m huggingface_ner health` says, without Python."""

import base64
import os
import re
import socket
import subprocess
import time
from pathlib import Path

import pytest
from flask import Flask

from huggingface_ner.jobs import worker_health
from huggingface_ner.server import auth
from huggingface_ner.settings import Settings
from tests import ROOT
from tests.answering import answering
from tests.server.service import free_port

SCRIPT = ROOT / "deploy" / "healthcheck.sh"


def check(*arguments: str, **environment: str) -> int:
    """Return the exit status of the script."""
    given = {"PATH": os.environ["PATH"], **environment}
    return subprocess.run([str(SCRIPT), *arguments], env=given, check=False, capture_output=True).returncode


@pytest.mark.parametrize(("status", "expected"), [(200, 0), (401, 1), (500, 1), (503, 1)])
def test_the_server_is_up_if_it_answers_200(status: int, expected: int) -> None:
    with answering(status) as port:
        assert check("server", PORT=str(port)) == expected


def test_the_server_is_down_if_nobody_answers() -> None:
    assert check("server", PORT=str(free_port())) == 1


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1", "localhost"])
def test_the_host_that_the_server_listens_on_is_asked(host: str) -> None:
    with answering(200) as port:
        assert check("server", HOST=host, PORT=str(port)) == 0


@pytest.mark.parametrize("path", ["p4ss", "/nowhere/p4ss", "/"])
def test_a_password_given_as_the_name_of_its_file_is_not_shown(path: str) -> None:
    environment = {"PATH": os.environ["PATH"], "BASIC_AUTH_USER": "user", "BASIC_AUTH_PASS_FILE": path}
    ran = subprocess.run([str(SCRIPT), "server"], env=environment, check=False, capture_output=True, text=True)
    assert ran.returncode == 1
    assert ran.stderr == "BASIC_AUTH_PASS_FILE: cannot be read\n"


def test_the_route_can_be_chosen() -> None:
    seen: list[tuple[str, str]] = []
    with answering(200, seen) as port:
        assert check("server", PORT=str(port)) == 0
        assert check("server", "/ready", PORT=str(port)) == 0
    assert [path for path, _ in seen] == ["/health", "/ready"]


@pytest.mark.parametrize(
    "password", ["p", "\ufeffp", "with blanks and $1 'quotes' \"both\" \\ %s", "Zürich", "x" * 200]
)
@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "\r\n\r\n"])
@pytest.mark.parametrize("in_file", [True, False])
def test_the_credentials_are_those_that_the_server_wants(
    tmp_path: Path, password: str, ending: str, in_file: bool
) -> None:
    environment = {"BASIC_AUTH_USER": "user"}
    if in_file:
        file = tmp_path / "password"
        file.write_bytes(f"{password}{ending}".encode())
        environment["BASIC_AUTH_PASS_FILE"] = str(file)
    else:
        environment["BASIC_AUTH_PASS"] = password
    seen: list[tuple[str, str]] = []
    with answering(200, seen) as port:
        assert check("server", PORT=str(port), **environment) == 0
    ((_, sent),) = seen
    settings = Settings.model_validate({name.lower(): value for name, value in environment.items()})
    assert base64.b64decode(sent.removeprefix("Basic ")) == auth.expected(settings)
    app = Flask(__name__)
    auth.install(app, settings)
    app.before_request_funcs[None].append(lambda: ("passed", 200))
    assert app.test_client().get("/health", headers={"Authorization": sent}).data == b"passed"


def test_a_worker_is_up_until_its_last_heartbeat_is_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_health, "gettempdir", lambda: str(tmp_path))
    assert check("worker", TMPDIR=str(tmp_path)) == 1
    worker_health.beat()
    assert check("worker", TMPDIR=str(tmp_path)) == 0
    (file,) = tmp_path.iterdir()
    other = tmp_path / f"{worker_health.PREFIX}another-host-{os.getpid()}"
    other.touch()
    for age, expected in ((worker_health.HEALTH_TTL - 10, 0), (worker_health.HEALTH_TTL + 10, 1)):
        at = time.time() - age
        os.utime(file, (at, at))
        assert check("worker", TMPDIR=str(tmp_path)) == expected


def test_a_killed_worker_is_down_at_once(tmp_path: Path) -> None:
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    (tmp_path / f"{worker_health.PREFIX}{socket.gethostname()}-{ended.pid}").touch()
    assert check("worker", TMPDIR=str(tmp_path)) == 1


def test_other_arguments_are_refused_with_the_usage() -> None:
    ran = subprocess.run([str(SCRIPT), "both"], check=False, capture_output=True, text=True)
    assert ran.returncode == 2
    assert re.search(r"healthcheck.sh server .*\n.*healthcheck.sh worker", ran.stderr)
