import os
import socket
import subprocess
import sys

import pytest

from demo import DemoError
from demo.serve import read_port
from tests import ROOT
from tests.server.service import free_port


def test_ports_are_chosen_by_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABEL_STUDIO_PORT", "8081")
    monkeypatch.setenv("PORT", "")
    assert read_port("LABEL_STUDIO_PORT", 8080) == 8081
    assert read_port("PORT", 9090) == 9090


@pytest.mark.parametrize("value", ["0", "65536", "-1", "http"])
def test_what_is_no_port_is_named(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", value)
    with pytest.raises(DemoError, match=f"PORT={value}: must be the number of a port"):
        read_port("PORT", 9090)


def test_nothing_is_started_where_a_port_is_taken() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        environment = {**os.environ, "LABEL_STUDIO_PORT": str(free_port()), "PORT": str(port)}
        ended = subprocess.run(
            [sys.executable, "-m", "demo.serve"],
            check=False,
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
        )
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert f"demo: port {port} cannot be used" in ended.stderr
    assert "Traceback" not in ended.stderr
