import json
from pathlib import Path
from typing import Any

import pytest

from huggingface_ner.intervals import share_interval
from huggingface_ner.store.history import (
    HISTORY,
    MAX_ENTRIES,
    Entry,
    SuggestionCounts,
    merged,
    newest_with_suggestions,
    read_history,
    write_history,
)
from huggingface_ner.store.versions import project_store

SCORES: dict[str, Any] = {"correct": 3, "predicted": 4, "gold": 5}


def _metrics(tasks: int) -> dict[str, Any]:
    return {**SCORES, "tasks": tasks, "labels": {"PER": {**SCORES, "f1": 0.6}}}


def test_versions_that_were_deleted_stay_in_the_history(tmp_path: Path) -> None:
    store = project_store(tmp_path, 7, keep=2)
    published = [store.publish(lambda folder: None, _metrics(tasks)).name for tasks in range(10, 60, 10)]
    assert len(store.versions()) < len(published)
    history = store.history()
    assert sorted(entry.tasks for entry in history) == [10, 20, 30, 40, 50]
    assert {entry.version for entry in history} == set(published)
    assert history[0].labels["PER"].gold == 5
    spare = next(name for name in published if name != store.current() and (store.folder(name)).is_dir())
    pointer = store.pointer()
    if pointer is not None and spare not in (pointer.version, pointer.serving_version()):
        store.remove(spare)
    assert len(store.history()) == 5


def test_versions_of_an_older_release_are_in_the_history(tmp_path: Path) -> None:
    """Older releases published versions without a history."""
    store = project_store(tmp_path, 7)
    store.publish(lambda folder: None, _metrics(10))
    (tmp_path / "7" / HISTORY).unlink()
    assert [entry.tasks for entry in store.history()] == [10]


def _suggestions(tasks: int, exact: int = 3) -> SuggestionCounts:
    return SuggestionCounts(tasks=tasks, exact=exact, to_mend=1, to_delete=0, missing=2)


def test_counts_of_suggestions_outlive_the_versions(tmp_path: Path) -> None:
    store = project_store(tmp_path, 7, keep=1)
    first = store.publish(lambda folder: None, _metrics(10)).name
    second = store.publish(lambda folder: None, _metrics(20)).name
    store.note_suggestions({first: _suggestions(4), "20260101-000000-0000": _suggestions(9)})
    for tasks in (30, 40, 50):
        store.publish(lambda folder: None, _metrics(tasks))
    assert store.version(first) is None
    known = {entry.version: entry.suggestions for entry in store.history()}
    assert known[first] == _suggestions(4)
    assert known[second] is None
    assert len(known) == 5, "an unknown version has no entry"
    newest = newest_with_suggestions(store.history())
    assert newest is not None
    assert newest.version == first


def test_counts_are_replaced_unless_tasks_were_deleted(tmp_path: Path) -> None:
    store = project_store(tmp_path, 7)
    name = store.publish(lambda folder: None, _metrics(10)).name
    for found, kept in ((4, 4), (3, 4), (0, 4), (4, 4), (5, 5)):
        store.note_suggestions({name: _suggestions(found, exact=found)} if found else {})
        (entry,) = store.history()
        assert entry.suggestions == _suggestions(kept, exact=kept)
    store.note_suggestions({name: _suggestions(5, exact=2)})
    assert store.history()[0].suggestions == _suggestions(5, exact=2), "an annotation was changed"


def test_the_share_accepted_has_an_interval() -> None:
    told = SuggestionCounts(tasks=41, exact=292, to_mend=60, to_delete=60, missing=33).as_dict()
    assert (told["suggested"], told["accepted"], round(told["share"], 2)) == (412, 292, 0.71)
    assert told["interval"] == share_interval(292, 412)
    nothing = SuggestionCounts(tasks=2, exact=0, to_mend=0, to_delete=0, missing=5)
    assert nothing.share is None
    assert newest_with_suggestions([Entry(version="v", tasks=2, suggestions=nothing)]) is None


def test_a_version_without_scores_is_in_the_history_and_a_damaged_one_is_not() -> None:
    found = merged(
        {},
        [
            ("20260101-000000-0000", {"tasks": 5}),
            ("20260102-000000-0000", {}),
            ("20260103-000000-0000", {"tasks": "x"}),
        ],
    )
    assert [(entry.tasks, entry.overall) for entry in found.values()] == [(5, None)]
    assert Entry.of("v", {"tasks": 5, "labels": {"PER": 3}}) is None


@pytest.mark.parametrize("content", [b"", b"{}", b"[3]", b'"x"', b"\xff", b"[" * 100_000])
def test_a_damaged_history_is_reported_and_replaced(
    content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = project_store(tmp_path, 7)
    store.publish(lambda folder: None, _metrics(10))
    (tmp_path / "7" / HISTORY).write_bytes(content)
    assert [entry.tasks for entry in store.history()] == [10]
    assert content == b"{}" or "the learning curve begins with the versions kept" in caplog.text
    store.publish(lambda folder: None, _metrics(20))
    assert json.loads((tmp_path / "7" / HISTORY).read_bytes())[-1]["tasks"] in (10, 20)
    assert len(read_history(tmp_path / "7")) == 2


def test_the_history_stays_small(tmp_path: Path) -> None:
    versions = {
        f"2026{number:04}-000000-0000": Entry(version=f"2026{number:04}-000000-0000", tasks=number)
        for number in range(MAX_ENTRIES + 1)
    }
    write_history(tmp_path, versions)
    kept = [entry.tasks for entry in read_history(tmp_path).values()]
    assert len(kept) < MAX_ENTRIES
    assert (kept[0], kept[-1]) == (0, MAX_ENTRIES)
