"""A damaged file is never treated as a missing one, is logged once, and does not affect other projects."""

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from huggingface_ner.store.metrics_file import METRICS, read_metrics
from huggingface_ner.store.mistakes_file import MISTAKES, read_mistakes
from huggingface_ner.store.pointer import MAX_DELAY
from huggingface_ner.store.review_file import REVIEW, read_review
from huggingface_ner.store.versions import (
    ACTIVATION_DELAY,
    ModelStore,
    project_store,
    project_stores,
    serving_versions,
)
from tests.store.publishing import errors, publish

pytestmark = pytest.mark.usefixtures("ascending_names")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"version": "../../etc", "since": 0}',
        b"\xff",
        b"{}",
        b"[]",
        b"[" * 99999,
        b'{"version": "v2-6-tasks-20261126-031700-7b16", "since": "NaN"}',
    ],
)
def test_the_newest_version_serves_if_the_pointer_is_damaged(
    tmp_path: Path, store: ModelStore, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    caplog.set_level(logging.INFO)
    names = [publish(store), publish(store)]
    pointer = tmp_path / "3" / "current"
    good = pointer.read_bytes()
    pointer.write_bytes(content)
    for _ in range(3):  # each request opens the store anew
        assert project_store(tmp_path, 3).serving_version() == names[1]
    assert store.current() == names[1]
    current = store.current_version()
    assert current is not None
    assert current.name == names[1]
    assert serving_versions(tmp_path) == {3: names[1]}
    (error,) = errors(caplog)
    assert f"{pointer} cannot be read" in error
    assert names[1] in error
    pointer.write_bytes(good)
    assert store.current() == names[1]
    assert f"{pointer} is all right again" in caplog.text
    pointer.write_bytes(content)
    store.pointer()
    assert len(errors(caplog)) == 2, "damage is logged again if the file was readable in between"


@given(st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_version_serves_whatever_is_in_its_files(tmp_path: Path, content: bytes) -> None:
    store = project_store(tmp_path, 4)
    name = store.versions()[0].name if store.versions() else publish(store)
    (tmp_path / "4" / "current").write_bytes(content)
    (tmp_path / "4" / name / "metrics.json").write_bytes(content)
    assert store.current() == name
    assert [version.name for version in store.versions()] == [name]


def test_the_next_version_repairs_the_pointer_and_serves_after_the_delay(
    tmp_path: Path, store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    first = publish(store)
    (tmp_path / "3" / "current").write_bytes(b"")
    second = publish(store)
    assert store.serving_version() == first
    now += ACTIVATION_DELAY
    assert store.serving_version() == second


def test_a_damaged_pointer_before_the_first_version_is_logged(
    tmp_path: Path, store: ModelStore, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "3" / "current").mkdir(parents=True)
    assert store.pointer() is None
    (error,) = errors(caplog)
    assert "the baseline is used" in error


@pytest.mark.parametrize("is_link", [False, True])
def test_the_newest_version_serves_if_the_pointer_is_lost(
    tmp_path: Path,
    store: ModelStore,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    is_link: bool,
) -> None:
    names = [publish(store), publish(store)]
    pointer = tmp_path / "3" / "current"
    pointer.unlink()
    if is_link:
        pointer.symlink_to(tmp_path / "nothing")
    assert store.pointer() is None, "a version gets its pointer a moment after it is placed"
    later = time.time() + MAX_DELAY + 1
    monkeypatch.setattr(time, "time", lambda: later)
    for _ in range(2):
        assert store.serving_version() == names[1]
        assert serving_versions(tmp_path) == {3: names[1]}
    (error,) = errors(caplog)
    assert f"{pointer} cannot be read" in error
    assert names[1] in error


def test_a_folder_without_versions_has_no_lost_pointer(
    tmp_path: Path, store: ModelStore, caplog: pytest.LogCaptureFixture
) -> None:
    assert store.pointer() is None
    (tmp_path / "3").mkdir()
    assert store.pointer() is None
    assert not errors(caplog)


def test_the_version_before_a_missing_one_is_used_instead(
    tmp_path: Path, store: ModelStore, caplog: pytest.LogCaptureFixture
) -> None:
    names = [publish(store) for _ in range(3)]
    (tmp_path / "3" / names[2]).rename(tmp_path / "elsewhere")
    for _ in range(2):
        current = store.current_version()
        assert current is not None
        assert current.name == names[1]
    (error,) = errors(caplog)
    assert f"{names[2]} is missing" in error
    assert [version.name for version in store.fallbacks("20200101-000000-0000")] == [names[1], names[0]]


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff", b"[" * 99999])
def test_a_version_with_damaged_metrics_still_exists(
    tmp_path: Path, store: ModelStore, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    name = publish(store)
    metrics = tmp_path / "3" / name / "metrics.json"
    metrics.write_bytes(content)
    for _ in range(2):
        assert [(version.name, version.metrics) for version in store.versions()] == [(name, {})]
    (error,) = errors(caplog)
    assert str(metrics) in error


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"3", b"null", b"\xff", b"[" * 100_000])
@pytest.mark.parametrize(
    ("name", "read", "consequence"),
    [
        (METRICS, read_metrics, "its scores are unknown; the version itself can be used"),
        (MISTAKES, read_mistakes, "the mistakes of this version are not shown"),
        (REVIEW, read_review, "the annotations to review are not shown"),
    ],
)
def test_a_damaged_file_of_a_version_is_logged_and_counts_as_empty(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    name: str,
    read: Callable[[Path], Mapping[str, Any]],
    consequence: str,
    content: bytes,
) -> None:
    caplog.set_level(logging.INFO)
    file = tmp_path / name
    file.write_bytes(content)
    for _ in range(2):
        assert read(tmp_path) == {}
    (error,) = errors(caplog)
    assert error.startswith(str(file))
    assert error.endswith(f": {consequence}")
    file.write_bytes(b'{"tasks": 3}')
    assert read(tmp_path) == {"tasks": 3}
    assert f"{file} is all right again" in caplog.text


def test_a_project_that_cannot_be_read_affects_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    names = {number: publish(project_store(tmp_path, number)) for number in (1, 2, 3)}
    (tmp_path / "2" / "current").write_bytes(b"")
    list_folder = Path.iterdir

    def fail(path: Path) -> object:
        if path == tmp_path / "2":
            raise OSError(5, "Input/output error", str(path))
        return list_folder(path)

    monkeypatch.setattr(Path, "iterdir", fail)
    monkeypatch.setattr(time, "time", lambda: tmp_path.stat().st_mtime + 2 * ACTIVATION_DELAY)
    for _ in range(2):
        assert serving_versions(tmp_path) == {1: names[1], 3: names[3]}
    (error,) = errors(caplog)
    assert "Input/output error" in error
    assert str(tmp_path / "2") in error


def test_only_folders_of_projects_are_stores(tmp_path: Path) -> None:
    publish(project_store(tmp_path, 12))
    (tmp_path / "7").touch()
    for name in ("007", "a", "1a", "١"):
        (tmp_path / name).mkdir()
    assert list(project_stores(tmp_path)) == [12]
    assert project_stores(tmp_path / "gone") == {}
