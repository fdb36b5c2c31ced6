import os
import socket
import sys
from pathlib import Path

import pytest

from demo import DemoError
from demo.service import check_port, started
from huggingface_ner.processes import is_running
from tests.server.service import free_port

SLEEP = "import time; time.sleep(60)"


def test_a_port_that_is_taken_is_named_with_the_variable_that_chooses_another() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(DemoError, match=rf"port {port} .*`LABEL_STUDIO_PORT={port + 1} make demo`"):
            check_port(port, "LABEL_STUDIO_PORT")


def test_a_free_port_is_fine() -> None:
    check_port(free_port(), "PORT")


def test_a_service_ends_with_the_block_and_what_it_says_is_kept(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    command = [sys.executable, "-c", f"print('said', flush=True); {SLEEP}"]
    with started("it", command, os.environ, log) as service:
        service.check()
        while not log.read_text().endswith("said\n"):
            service.check()
    assert not is_running(service.process.pid)
    assert log.read_text() == "before\nsaid\n"


def test_a_service_that_has_ended_is_told_with_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with started("it", [sys.executable, "-c", "raise SystemExit(3)"], os.environ, log) as service:
        service.process.wait()
        with pytest.raises(DemoError, match=f"it has ended with status 3: see {log}"):
            service.wait_until_up("http://localhost:1/", 5.0)


def test_a_service_that_does_not_answer_is_told(tmp_path: Path) -> None:
    url = f"http://localhost:{free_port()}/"
    with (
        started("it", [sys.executable, "-c", SLEEP], os.environ, tmp_path / "log") as service,
        pytest.raises(DemoError, match="does not answer"),
    ):
        service.wait_until_up(url, 0.5)
    assert not is_running(service.process.pid)
