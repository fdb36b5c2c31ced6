from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huggingface_ner.learning.held_out import (
    HELD_OUT_SHARE,
    MAX_HELD_OUT,
    MIN_TASKS_FOR_HELD_OUT,
    divide,
    held_out_once,
    split_by_id,
)
from huggingface_ner.store.split_file import Split

SALTS = st.sampled_from(["", "http://localhost:8080/projects/1/data", "Zürich \ud83d"])


def _task_ids(count: int, first: int = 1) -> set[str]:
    return {str(number) for number in range(first, first + count)}


def _after(sizes: list[int], salt: str = "") -> list[Split]:
    """Return the splits of successive trainings with these numbers of tasks."""
    splits = [Split()]
    for size in sizes:
        splits.append(divide(_task_ids(size), splits[-1], HELD_OUT_SHARE, salt))
    return splits[1:]


@pytest.mark.parametrize(
    ("tasks", "held_out"),
    [(1, 0), (19, 0), (20, 4), (22, 4), (23, 5), (40, 8), (999, 200), (1000, 200), (5000, 200)],
)
def test_a_fifth_is_held_out(tasks: int, held_out: int) -> None:
    (split,) = _after([tasks])
    assert (len(split.held_out), len(split.learned)) == (held_out, tasks - held_out)


@given(st.lists(st.integers(5, 60), min_size=1, max_size=15), SALTS)
def test_it_is_exactly_a_fifth_however_a_project_grows(steps: list[int], salt: str) -> None:
    sizes = list(accumulate(steps))
    for size, split in zip(sizes, _after(sizes, salt), strict=True):
        wanted = min(round(size / 5), MAX_HELD_OUT) if size >= MIN_TASKS_FOR_HELD_OUT else 0
        assert len(split.held_out) == wanted
        assert split.held_out | split.learned == _task_ids(size)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=40))
def test_what_a_training_just_before_has_learned_is_made_up_for(steps: list[int]) -> None:
    """After a training with 19 tasks, only the 20th can be held out; later tasks follow, up to a fifth of all."""
    sizes = list(accumulate(steps, initial=17))
    splits = _after(sizes)
    for (size, split), (more, later) in pairwise(zip(sizes, splits, strict=True)):
        if more >= MIN_TASKS_FOR_HELD_OUT:
            wanted = round(more / 5)
            assert len(later.held_out) == min(wanted, len(split.held_out) + more - size)


@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.lists(st.integers(0, 10_000), max_size=60)), min_size=1, max_size=12
    ),
    SALTS,
)
def test_each_task_keeps_its_part_as_tasks_come_and_go(steps: list[tuple[int, list[int]]], salt: str) -> None:
    """A task stays held out or learned, except that never more than half of the tasks are held out."""
    split, tasks, last = Split(), set[str](), 0
    for added, deleted in steps:
        tasks |= _task_ids(added, last + 1)
        last += added
        tasks -= {sorted(tasks)[place % len(tasks)] for place in deleted if tasks}
        before, split = split, divide(tasks, split, HELD_OUT_SHARE, salt)
        held_out, learned = split.held_out & tasks, split.learned & tasks
        assert not split.held_out & split.learned
        assert held_out | learned == tasks
        assert not held_out & before.learned
        assert split.learned >= before.learned
        released = before.held_out - split.held_out
        assert not released or (len(before.held_out & tasks) > len(tasks) // 2 and not held_out - before.held_out)
        if not before.held_out and len(tasks) < MIN_TASKS_FOR_HELD_OUT:
            assert not held_out
            continue
        wanted = min(max(round(len(tasks) / 5), 1), len(tasks) - 1) if tasks else 0
        new = tasks - before.held_out - before.learned
        kept = min(len(before.held_out & tasks), max(wanted, len(tasks) // 2))
        assert len(held_out) == max(kept, min(wanted, kept + len(new)))


def test_a_task_that_is_annotated_again_keeps_its_part() -> None:
    first, without, again = _after([100, 60, 100])
    assert again.learned == without.learned == first.learned
    assert again.held_out == first.held_out


def test_projects_with_the_same_ids_hold_out_different_tasks() -> None:
    (one,), (other,) = (
        _after([100], "http://localhost:8080/projects/1/data"),
        _after([100], "http://else/projects/1"),
    )
    assert one.held_out != other.held_out
    assert len(one.held_out) == len(other.held_out) == 20


def test_a_training_without_held_out_tasks_learns_from_all() -> None:
    first = divide(_task_ids(100), Split(), HELD_OUT_SHARE, "")
    everything = divide(_task_ids(100), first, 0.0, "")
    assert not everything.held_out
    assert everything.learned == _task_ids(100)
    later = divide(_task_ids(130), everything, HELD_OUT_SHARE, "")
    assert len(later.held_out) == 26
    assert later.held_out <= _task_ids(30, 101)


def test_a_training_of_no_project_is_the_same_each_time() -> None:
    assert len(held_out_once(_task_ids(30), 0.2)) == 6
    assert held_out_once(_task_ids(30), 0.2) == held_out_once(_task_ids(30), 0.2)
    assert len(held_out_once(_task_ids(100), 0.9)) == 90
    assert len(held_out_once(_task_ids(20), 0.01)) == 1
    assert held_out_once(_task_ids(10), 0.2) == held_out_once(_task_ids(100), 0.0) == set()


def test_a_version_of_an_older_release_has_not_learned_what_is_held_out() -> None:
    """Release 0.2.0 held out these three of the tasks 1 to 40, and of 5000 the 200 with the lowest hashes."""
    split = split_by_id(_task_ids(40))
    assert split.held_out == {"8", "9", "39"}
    assert split.learned == _task_ids(40) - split.held_out
    assert len(split_by_id(_task_ids(5000)).held_out) == MAX_HELD_OUT
