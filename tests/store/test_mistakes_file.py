from pathlib import Path

import pytest

from huggingface_ner.store.mistakes_file import MISTAKES, read_mistakes, write_mistakes


def test_what_was_written_is_read(tmp_path: Path) -> None:
    assert read_mistakes(tmp_path) == {}
    mistakes = {"kinds": [{"gold": "Orté 😀", "count": 3}]}
    write_mistakes(tmp_path, mistakes)
    assert read_mistakes(tmp_path) == mistakes


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"[" * 100_000])
def test_a_damaged_file_is_no_reason_to_fail(
    content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / MISTAKES).write_bytes(content)
    assert read_mistakes(tmp_path) == {}
    assert content == b"[]" or "the mistakes of this version are not shown" in caplog.text
