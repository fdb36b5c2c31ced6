from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from huggingface_ner.jobs.allowed_jobs import MAX_VERSION_LENGTH
from huggingface_ner.store.version_names import is_version_name, new_name, published_at, sort_key

NOW = datetime(2026, 11, 26, 3, 17, 0, tzinfo=UTC)
OLD = "20261122-101200-77b7"


@pytest.mark.parametrize(
    ("known", "metrics", "begins"),
    [
        (set(), {"f1": 0.754, "tasks": 120}, "v1-F1-0.75-120-tasks-"),
        ({OLD}, {"f1": 1.0, "tasks": 1}, "v2-F1-1.00-1-task-"),
        ({"v6-12-tasks-20261122-101200-77b7"}, {"f1": None, "tasks": 12}, "v7-12-tasks-"),
        ({OLD, "v9-20261122-101200-77b7"}, {}, "v10-"),
        ({"current", "x"}, {"f1": float("nan"), "tasks": -1}, "v1-"),
        (set(), {"f1": 5.0, "tasks": "120"}, "v1-"),
        (set(), {"f1": 0.0, "tasks": 0}, "v1-F1-0.00-0-tasks-"),
    ],
)
def test_a_name_tells_number_f1_and_tasks(known: set[str], metrics: dict[str, Any], begins: str) -> None:
    name = new_name(known, metrics, NOW)
    assert name.startswith(f"{begins}20261126-031700-")
    assert len(name) == len(f"{begins}20261126-031700-7b16")


def test_older_names_and_newer_ones_are_sorted_by_their_time() -> None:
    begins = ("", "v2-", "v10-F1-0.50-", "")
    names = [f"{begin}20261122-10120{second}-77b7" for second, begin in enumerate(begins)]
    assert sorted(sorted(names), key=sort_key) == names
    same_second = [f"v{number}-20261122-101200-{10 - number:04x}" for number in range(1, 11)]
    assert sorted(sorted(same_second), key=sort_key) == same_second
    assert [published_at(name) for name in names] == [1795342320.0 + second for second in range(4)]


@pytest.mark.parametrize("text", ["", "x", "current", "..", f"v0-{OLD}", f"{OLD}/", f" {OLD}", f"v1-F1-0.7-{OLD}"])
def test_other_texts_are_not_names(text: str) -> None:
    assert not is_version_name(text)
    assert published_at(text) is None


def test_a_time_that_never_was_is_not_known() -> None:
    assert is_version_name("20269999-999999-77b7")
    assert published_at("20269999-999999-77b7") is None


@given(
    known=st.frozensets(st.text()),
    f1=st.one_of(st.none(), st.floats(), st.integers()),
    tasks=st.one_of(st.none(), st.integers(), st.text()),
)
@example(known=frozenset(), f1=-0.0, tasks=None)
def test_every_new_name_is_one_without_blanks(known: frozenset[str], f1: object, tasks: object) -> None:
    """Label Studio trims blanks in some places only; file systems and the queue limit the length of names."""
    name = new_name(known, {"f1": f1, "tasks": tasks}, NOW)
    assert is_version_name(name)
    assert name.isascii()
    assert not set(name) & set(" /\\")
    assert len(name) < min(100, MAX_VERSION_LENGTH)
    assert name not in known
