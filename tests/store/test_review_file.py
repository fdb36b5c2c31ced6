from pathlib import Path
from typing import Any

import pytest

from huggingface_ner.store.review_file import REVIEW, read_review, tasks_to_review, write_review


def test_what_was_written_is_read(tmp_path: Path) -> None:
    assert read_review(tmp_path) == {}
    for task in ("1", "Orté 😀"):
        review = {"dubious": [{"task": task}]}
        write_review(tmp_path, review)
        assert read_review(tmp_path) == review
    assert [path.name for path in tmp_path.iterdir()] == [REVIEW]


def test_tasks_come_once_and_the_most_urgent_first() -> None:
    review = {
        "dubious": [{"task": "5"}, {"task": "3"}, {"task": "5"}, {"task": "4"}],
        "agreement": {"disputed": [{"task": "9"}, {"task": "3"}]},
        "identical": {"texts": [{"ways": [{"tasks": ["7", "8"]}, {"tasks": ["5"]}]}]},
        "contradictions": {"strings": [{"examples": [{"task": "2"}, {"task": "7"}]}]},
    }
    assert tasks_to_review(review) == [5, 9, 3, 4, 7, 8, 2]


@pytest.mark.parametrize(
    "review",
    [
        {},
        {"dubious": None, "agreement": [], "identical": {"texts": [1, {"ways": "x"}]}, "contradictions": "x"},
        {"dubious": [{"task": task} for task in ("", "x", "#3", "-1", "٣", 3, None, ["3"])]},
    ],
)
def test_entries_that_are_not_tasks_are_left_out(review: dict[str, Any]) -> None:
    assert tasks_to_review(review) == []
