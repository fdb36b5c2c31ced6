"""The next process deletes the temporary folders of killed processes, and no other folders."""

import fcntl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from huggingface_ner.temporary_folders import delete_leftover_folders, temporary_folder
from tests import ROOT

PREFIX = "huggingface-ner-test-"
HOLD = f"""
import sys
from huggingface_ner.temporary_folders import temporary_folder
with temporary_folder("{PREFIX}") as folder:
    (folder / "texts").write_text("a text")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@contextmanager
def other_process() -> Iterator[tuple["subprocess.Popen[str]", Path]]:
    """Start another process that has a temporary folder until it is ended."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().strip())
        process.kill()


def test_a_folder_is_deleted_at_the_end(temporary: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        _fail_in(temporary)
    assert not list(temporary.iterdir())


def _fail_in(temporary: Path) -> None:
    with temporary_folder(PREFIX) as folder:
        assert folder.parent == temporary
        (folder / "texts").write_text(str(1 / 0))


def test_a_killed_process_leaves_nothing_for_the_next(temporary: Path) -> None:
    with other_process() as (process, left):
        process.kill()
        process.wait()
        assert (left / "texts").exists()
        with temporary_folder(PREFIX) as folder:
            assert list(temporary.iterdir()) == [folder]


def test_folders_in_use_or_of_others_are_kept(temporary: Path) -> None:
    other = temporary / "somebody-elses"
    other.mkdir()
    with other_process() as (_, used), temporary_folder(PREFIX) as own:
        delete_leftover_folders(PREFIX)
        assert (used / "texts").exists()
        assert sorted(temporary.iterdir()) == sorted([other, used, own])


def test_a_folder_that_is_deleted_before_it_is_locked_is_made_again(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = fcntl.flock
    deleted: list[Path] = []

    def late(handle: int, operation: int) -> None:
        if not deleted:
            deleted.extend(temporary.iterdir())
            deleted[0].rmdir()
        lock(handle, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    with temporary_folder(PREFIX) as folder:
        assert folder.is_dir()
        assert folder not in deleted
