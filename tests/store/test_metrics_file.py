from pathlib import Path

import pytest

from huggingface_ner.store.metrics_file import METRICS, read_metrics, write_metrics


def test_what_was_written_is_read(tmp_path: Path) -> None:
    for label in ("PER", "Orté 😀"):
        metrics = {"f1": 0.5, "labels": {label: {"gold": 3}}}
        write_metrics(tmp_path, metrics)
        assert read_metrics(tmp_path) == metrics
    assert "Orté 😀" in (tmp_path / METRICS).read_text(encoding="utf-8"), (
        "letters are not escaped, because people read the file too"
    )
    assert [path.name for path in tmp_path.iterdir()] == [METRICS]


def test_missing_metrics_are_damage_unless_the_version_is_gone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert read_metrics(tmp_path / "gone") == {}
    assert caplog.text == ""
    assert read_metrics(tmp_path) == {}
    assert f"{tmp_path / METRICS} cannot be read" in caplog.text
