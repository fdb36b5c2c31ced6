import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from huggingface_ner.store.files import (
    STALE_AFTER,
    delete_folder,
    delete_leftovers,
    folder_aside,
    make_folder,
    place_folder,
    replaced_file,
)


class Stop(BaseException):
    """Stands in for a kill, because no code handles this exception."""


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files and folders that were synced, in order."""
    opened: dict[int, Path] = {}
    paths: list[Path] = []
    system_open, fsync = os.open, os.fsync

    def record_open(path: Path, flags: int) -> int:
        handle = system_open(path, flags)
        opened[handle] = path
        return handle

    def record_fsync(handle: int) -> None:
        paths.append(opened[handle])
        fsync(handle)

    monkeypatch.setattr(os, "open", record_open)
    monkeypatch.setattr(os, "fsync", record_fsync)
    return paths


def _place(path: Path, text: str) -> None:
    with folder_aside(path.parent) as aside:
        (aside / "inner").mkdir()
        (aside / "inner" / "model").write_text(text)
        place_folder(aside, path)


def test_a_folder_is_synced_before_it_gets_its_name_and_its_parent_after(
    tmp_path: Path, synced: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    renamed = Path.rename
    at_rename: list[set[str]] = []

    def rename(path: Path, target: Path) -> Path:
        at_rename.append({each.name for each in synced})
        return renamed(path, target)

    monkeypatch.setattr(Path, "rename", rename)
    _place(tmp_path / "new" / "model", "1")
    assert (tmp_path / "new" / "model" / "inner" / "model").read_text() == "1"
    (before,) = at_rename
    assert {"inner", "model", tmp_path.name} < before, "the folder above the new parent is synced too"
    assert synced[-1] == tmp_path / "new"


def test_a_file_is_synced_before_it_gets_its_name_and_its_folder_after(tmp_path: Path, synced: list[Path]) -> None:
    with replaced_file(tmp_path / "current") as file:
        file.write_text("1")
        assert not (tmp_path / "current").exists()
    assert (tmp_path / "current").read_text() == "1"
    assert [path.parent for path in synced] == [tmp_path, tmp_path.parent]


def _fsync(handle: int) -> None:
    raise Stop


def _rename(path: Path, target: Path) -> None:
    raise Stop


@pytest.mark.parametrize(("owner", "name", "stop"), [(os, "fsync", _fsync), (Path, "rename", _rename)])
def test_a_stop_leaves_the_old_folder_and_nothing_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, stop: Callable[..., None]
) -> None:
    _place(tmp_path / "model", "old")
    monkeypatch.setattr(owner, name, stop)
    with pytest.raises(Stop):
        _place(tmp_path / "model", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (tmp_path / "model" / "inner" / "model").read_text() == "old"


def test_a_stop_between_the_renames_puts_the_old_folder_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _place(tmp_path / "model", "old")
    renamed, targets = Path.rename, list[Path]()

    def rename(path: Path, target: Path) -> Path:
        targets.append(target)
        if len(targets) == 2:
            raise Stop
        return renamed(path, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(Stop):
        _place(tmp_path / "model", "new")
    assert targets[1:] == [tmp_path / "model"] * 2
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (tmp_path / "model" / "inner" / "model").read_text() == "old"


def test_a_folder_takes_the_place_of_another(tmp_path: Path) -> None:
    _place(tmp_path / "model", "old")
    _place(tmp_path / "model", "new")
    assert (tmp_path / "model" / "inner" / "model").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    delete_folder(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "current").write_text("old")

    def write_half() -> None:
        with replaced_file(tmp_path / "current") as file:
            file.write_text("new")
            raise Stop

    with pytest.raises(Stop):
        write_half()
    assert [path.name for path in tmp_path.iterdir()] == ["current"]
    assert (tmp_path / "current").read_text() == "old"


def test_a_folder_that_is_there_is_made_again_without_a_sync(tmp_path: Path, synced: list[Path]) -> None:
    make_folder(tmp_path / "a" / "b")
    assert set(synced) == {tmp_path, tmp_path / "a"}
    synced.clear()
    make_folder(tmp_path / "a" / "b")
    assert synced == []


def test_old_leftovers_go_and_young_ones_stay(tmp_path: Path) -> None:
    old, young = (".new-00000001", ".new-0000000a", "model", "model-file"), (".new-00000002", ".new-0000000b")
    for name in (*old, *young):
        path = tmp_path / name
        if name.endswith(("1", "2", "model")):
            path.mkdir()
        else:
            path.touch()
        if name in old:
            os.utime(path, (0, path.stat().st_mtime - STALE_AFTER - 1))
    delete_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [*young, "model", "model-file"]


def test_leftovers_of_other_users_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(path)

    left = tmp_path / ".new-00000001"
    left.touch()
    os.utime(left, (0, 0))
    monkeypatch.setattr(Path, "unlink", refuse)
    delete_leftovers(tmp_path)
    assert left.exists()
