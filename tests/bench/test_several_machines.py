"""bench/several_machines.py says so if it cannot show anything."""

import os
import shutil

import pytest

from bench import several_machines


@pytest.mark.parametrize("missing", ["root", "ip"])
def test_without_namespaces_it_says_what_is_missing(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["several_machines"])
    monkeypatch.setattr(os, "geteuid", lambda: 1000 if missing == "root" else 0)
    monkeypatch.setattr(shutil, "which", lambda name: None if missing == "ip" else f"/sbin/{name}")
    assert several_machines.main() == 2
    assert "nothing was tested: network namespaces need root and the command ip" in capsys.readouterr().err


def test_an_unknown_fault_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["several_machines", "--rounds", "flood"])
    with pytest.raises(SystemExit):
        several_machines.main()
    assert "choose from kill-worker, partition" in capsys.readouterr().err
