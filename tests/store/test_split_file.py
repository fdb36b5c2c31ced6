from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huggingface_ner.store.split_file import SPLIT, Split, read_split, write_split
from huggingface_ner.store.versions import project_store

IDS = st.frozensets(
    st.one_of(st.integers(0, 300).map(str), st.text(max_size=5), st.sampled_from(["007", "-1", "²", "#3"]))
)


@given(IDS, IDS, st.sampled_from(["", "20261126-024000-abcd"]))
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, held_out: frozenset[str], learned: frozenset[str], since: str
) -> None:
    folder = tmp_path_factory.mktemp("project") / "7"
    assert read_split(folder) is None
    split = Split(held_out, learned - held_out, since)
    write_split(folder, split)
    assert read_split(folder) == split


def test_a_long_run_of_tasks_takes_little_room(tmp_path: Path) -> None:
    tasks = {str(number) for number in range(1, 100_001)}
    held_out = frozenset(str(number) for number in range(5, 1001, 5))
    write_split(tmp_path, Split(held_out, frozenset(tasks) - held_out))
    assert (tmp_path / SPLIT).stat().st_size < 10_000


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff",
        b"[" * 100_000,
        b'{"held_out": [[1]], "learned": [], "since": ""}',
        b'{"held_out": [[1, "x"]], "learned": [], "since": ""}',
        b'{"held_out": [3], "learned": [], "since": ""}',
        b'{"held_out": {}, "learned": [true], "since": ""}',
    ],
)
def test_a_damaged_split_is_reported_and_replaced(
    content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = project_store(tmp_path, 7)
    store.write_split(Split(frozenset("1")))
    (tmp_path / "7" / SPLIT).write_bytes(content)
    assert store.split() is None
    assert "the next version is published without a comparison" in caplog.text
    store.write_split(Split(frozenset("2")))
    assert store.split() == Split(frozenset("2"))


def test_a_range_that_is_too_long_is_not_read(tmp_path: Path) -> None:
    """A file that somebody has edited must not take all memory."""
    (tmp_path / SPLIT).write_bytes(b'{"held_out": [[1, 1000000000000]], "learned": [], "since": ""}')
    assert read_split(tmp_path) is None
