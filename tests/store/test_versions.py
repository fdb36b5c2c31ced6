import errno
import os
import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from huggingface_ner.store.versions import ACTIVATION_DELAY, ModelStore, StoreError, delete_stale_leftovers


def _writes(text: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / "inner").mkdir()
        (folder / "inner" / "model").write_text(text)

    return write


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "3", keep=3)


def _publish(store: ModelStore, number: int) -> str:
    return store.publish(_writes(str(number)), {"f1": number}).name


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give versions ascending names, even within the same second."""
    numbers = iter(range(1000))
    monkeypatch.setattr(secrets, "token_hex", lambda size: f"{next(numbers):0{2 * size}x}")


def test_before_the_first_there_is_nothing(store: ModelStore) -> None:
    assert (store.versions(), store.current(), store.pointer()) == ([], None, None)


@pytest.mark.usefixtures("clock")
def test_the_last_published_serves_and_the_last_few_are_kept(store: ModelStore, tmp_path: Path) -> None:
    names = [_publish(store, number) for number in range(5)]
    assert [version.name for version in store.versions()] == names[2:]
    assert store.current() == names[4]
    assert [version.metrics["f1"] for version in store.fallbacks(names[4])] == [4, 3, 2]
    assert [version.metrics["f1"] for version in store.fallbacks(names[3])] == [3, 2]
    assert (store.versions()[-1].folder / "inner" / "model").read_text() == "4"
    assert {path.name for path in (tmp_path / "3").iterdir()} == {*names[2:], "current"}


@pytest.mark.usefixtures("clock")
def test_a_new_version_serves_once_every_process_has_had_time_to_load_it(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def serving() -> str | None:
        pointer = store.pointer()
        assert pointer is not None
        return pointer.serving_version()

    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    first = _publish(store, 1)
    assert serving() is None
    now += ACTIVATION_DELAY
    assert serving() == first
    second = _publish(store, 2)
    third = _publish(store, 3)
    assert serving() == first, "the version in use stays, however many are published meanwhile"
    now += ACTIVATION_DELAY
    assert serving() == third
    store.remove(second)


def test_a_folder_is_added_to_a_version_completely_or_not_at_all(store: ModelStore, tmp_path: Path) -> None:
    name = _publish(store, 1)
    version = store.version(name)
    assert version is not None

    def fail(aside: Path) -> dict[str, object]:
        _writes("added")(aside)
        raise OSError(errno.ENOSPC, "full")

    with pytest.raises(OSError, match="full"):
        store.add(version, "inner", fail)
    assert (version.folder / "inner" / "model").read_text() == "1"

    def write(aside: Path) -> dict[str, object]:
        _writes("added")(aside)
        return {"more": 2}

    store.add(version, "inner", write)
    assert store.versions()[0].metrics == {"f1": 1, "more": 2}
    assert (version.folder / "inner" / "model").read_text() == "added", "the new folder replaces the old one"

    def lose(aside: Path) -> dict[str, object]:
        shutil.rmtree(version.folder)
        return write(aside)

    with pytest.raises(FileNotFoundError):
        store.add(version, "inner", lose)
    assert store.versions() == [], "a version that was removed does not come back"
    assert [path.name for path in (tmp_path / "3").iterdir()] == ["current"]


@pytest.mark.usefixtures("clock")
def test_an_older_version_can_be_used_and_is_not_pruned(store: ModelStore) -> None:
    names = [_publish(store, number) for number in range(3)]
    store.use(names[0])
    assert store.current() == names[0]
    for name in (names[0], "../x", "20200101-000000-0000"):
        with pytest.raises(StoreError, match=name):
            store.remove(name)
    with pytest.raises(StoreError, match="existing versions"):
        store.use("current")
    store.remove(names[2])
    assert [version.name for version in store.versions()] == names[:2]


@pytest.mark.usefixtures("clock")
def test_a_full_disk_leaves_the_serving_version(store: ModelStore, tmp_path: Path) -> None:
    name = _publish(store, 1)

    def fail(folder: Path) -> None:
        (folder / "half").write_text("x")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        store.publish(fail, {})
    assert store.current() == name
    assert {path.name for path in (tmp_path / "3").iterdir()} == {name, "current"}


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("step", ["rename", "replace"])
def test_a_stop_at_any_step_leaves_the_serving_version(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    name = _publish(store, 1)
    with monkeypatch.context() as patch:

        def stop(path: Path, target: Path) -> None:
            raise KeyboardInterrupt

        patch.setattr(Path, step, stop)
        with pytest.raises(KeyboardInterrupt):
            _publish(store, 2)
    assert store.current() == name
    assert store.versions()[0].metrics == {"f1": 1}


@pytest.mark.usefixtures("clock")
def test_leftovers_of_a_killed_writer_are_deleted_later(store: ModelStore, tmp_path: Path) -> None:
    _publish(store, 1)
    old, young = tmp_path / "3" / ".new-00000001", tmp_path / "3" / ".new-00000002"
    old.mkdir()
    young.mkdir()
    os.utime(old, (0, 0))
    _publish(store, 2)
    assert (old.exists(), young.exists()) == (False, True)


def test_leftovers_of_a_killed_removal_are_deleted_later(tmp_path: Path) -> None:
    project, removed = tmp_path / "3" / ".new-00000001", tmp_path / ".new-00000002"
    claim, young = tmp_path / ".new-00000003", tmp_path / ".new-00000004"
    name = _publish(ModelStore(tmp_path / "3"), 1)
    metrics, others = tmp_path / "3" / name / ".new-00000005", tmp_path / ".new-mails"
    for folder in (project, removed, young, others):
        folder.mkdir()
    for file in (removed / "metrics.json", claim, metrics):
        file.touch()
    for left in (project, removed, claim, metrics, others):
        os.utime(left, (0, 0))
    delete_stale_leftovers(tmp_path)
    assert [path for path in (project, removed, claim, young, metrics) if path.exists()] == [young]
    assert others.exists(), "only names that this package makes are deleted"
    assert ModelStore(tmp_path / "3").current() == name
