"""The tasks of a project, as Label Studio counts them in its events and answers."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huggingface_ner.label_studio.task_counts import FIELDS, TaskCounts, read_task_counts
from tests import recorded, recorded_names


@pytest.mark.parametrize("name", recorded_names("webhook_"))
def test_every_recorded_event_has_them(name: str) -> None:
    project = recorded(name)["request"]["body"]["project"]
    counts = read_task_counts(project)
    assert counts is not None
    assert (counts.in_all, counts.predictions) == (project["task_number"], project["total_predictions_number"])
    # the event of a bulk creation is sent before Label Studio takes its tasks as finished
    done = max(project["finished_task_number"], project["num_tasks_with_annotations"])
    assert counts.left == project["task_number"] - done


def test_the_recorded_answer_has_them() -> None:
    assert read_task_counts(recorded("api/project")["body"]) == TaskCounts(80, 50, 0, 1)


@pytest.mark.parametrize(
    ("tasks", "without_truth", "finished", "truth", "expected"),
    [
        (80, 50, 50, 0, (50, 0, 30)),
        (80, 50, 53, 0, (50, 3, 27)),  # three tasks were skipped for good
        (80, 50, 20, 0, (50, 0, 30)),  # most annotated tasks wait for a second annotator
        (80, 47, 50, 3, (50, 0, 30)),  # three tasks have only an annotation that is ground truth
        (80, 50, 50, 3, (50, 0, 30)),  # three annotated tasks have one more annotation, the ground truth
        (80, 47, 55, 3, (50, 5, 30 - 5)),
        (0, 0, 0, 0, (0, 0, 0)),
        (1, 5, 5, 0, (1, 0, 0)),
    ],
)
def test_tasks_are_annotated_skipped_or_left(
    tasks: int, without_truth: int, finished: int, truth: int, expected: tuple[int, int, int]
) -> None:
    counts = read_task_counts(dict(zip(FIELDS, (tasks, without_truth, finished, truth, 9), strict=True)))
    assert counts is not None
    assert (counts.annotated, counts.skipped, counts.left) == expected


VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.just(2**31))


@given(st.lists(VALUES, min_size=len(FIELDS), max_size=len(FIELDS)))
def test_any_other_value_is_not_a_count(values: list[Any]) -> None:
    counts = read_task_counts(dict(zip(FIELDS, values, strict=True)))
    if counts is not None:
        assert counts.annotated + counts.skipped + counts.left == counts.in_all
        assert TaskCounts.from_dict(counts.as_dict()) == counts
    is_valid = all(
        type(value) in (int, float) and float(value).is_integer() and 0 <= value < 2**31 for value in values
    )
    assert (counts is not None) == is_valid


@pytest.mark.parametrize(
    "stored", [{}, {"in_all": 3}, {"in_all": "3", "annotated": 1, "skipped": 0, "predictions": 0}]
)
def test_counts_that_were_not_stored_completely_are_not_known(stored: dict[str, Any]) -> None:
    assert TaskCounts.from_dict(stored) is None
