from pathlib import Path

import pytest

from demo import DemoError
from demo.state import RunningDemo, announced, find_running, open_folder

DEMO = RunningDemo("http://localhost:8080", "http://localhost:9090", 1, "an API key")


def test_a_demo_is_found_while_it_runs(tmp_path: Path) -> None:
    with announced(DEMO, tmp_path):
        assert find_running(tmp_path) == DEMO
    with pytest.raises(DemoError, match="does not run: start it with `make demo`"):
        find_running(tmp_path)


def test_a_demo_that_fails_runs_no_more(tmp_path: Path) -> None:
    with pytest.raises(KeyError), announced(DEMO, tmp_path):
        raise KeyError
    with pytest.raises(DemoError):
        find_running(tmp_path)


def test_the_api_key_is_made_up_once_in_a_folder_for_its_user_alone(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "demo"
    api_key = open_folder(folder)
    assert len(bytes.fromhex(api_key)) == 20
    assert open_folder(folder) == api_key
    assert folder.stat().st_mode & 0o077 == 0
