from pathlib import Path

import pytest

from demo import replay
from demo.news import read_news
from demo.replay import HEADER, ROUNDS, Round, main
from demo.state import RunningDemo, announced
from tests.server.service import free_port


def test_rows_stand_under_their_headings() -> None:
    row = str(Round(20, 179, 0.5, 0.625, 0.5555, 62.4, "published"))
    assert row.split() == ["20", "179", "0.500", "0.625", "0.555", "62", "published"]
    for heading, value in zip(("annotated", "F1", "seconds"), ("20", "0.555", "62"), strict=True):
        end = HEADER.index(heading) + len(heading)
        assert row[:end].endswith(value)


def test_the_last_round_leaves_tasks_to_score_on() -> None:
    assert list(ROUNDS) == sorted(ROUNDS)
    assert len(read_news()) - ROUNDS[-1] >= 30


def test_without_a_demo_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(replay, "FOLDER", tmp_path)
    assert main() == 1
    assert "demo-replay: the demo does not run: start it with `make demo`" in capsys.readouterr().err


def test_a_demo_that_was_killed_is_asked_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(replay, "FOLDER", tmp_path)
    nowhere = f"http://localhost:{free_port()}"
    with announced(RunningDemo(nowhere, nowhere, 1, "0" * 40), tmp_path):
        assert main() == 1
    assert "does the demo still run?" in capsys.readouterr().err
