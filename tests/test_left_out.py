import json
from collections.abc import Sequence
from itertools import repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huggingface_ner.left_out import LEARNING_REASONS, MAX_LABELS, OTHER_LABELS, READING_REASONS, LeftOut, Reason

REASONS: list[Reason] = [*READING_REASONS, *LEARNING_REASONS]
USED: tuple[Reason, ...] = ("part_of_word", "crosses_border", "outvoted")
LABELS = st.text(max_size=5) | st.none() | st.just("\ud83d")
COUNTED = st.lists(st.tuples(st.sampled_from(REASONS), LABELS), max_size=20)


def _left_out(counted: Sequence[tuple[Reason, str | None]], used: int = 0) -> LeftOut:
    left_out = LeftOut(regions_seen=used + len(counted))
    for reason, label in counted:
        left_out.add(reason, label)
    return left_out


def test_people_read_one_sentence() -> None:
    left_out = _left_out([*repeat(("inside", "Organisation"), 18), *repeat(("inside", "Ort"), 18)], used=68)
    assert left_out.summary() == (
        "36 of 104 regions were not used: 18 Organisation and 18 Ort lie inside too many longer regions"
    )
    left_out.add("unknown_label", "Firma")
    left_out.tasks["not_fetched"] += 2
    left_out.tasks["unreadable"] += 1
    left_out.tasks["skipped"] += 5
    assert left_out.summary().endswith(
        "; 1 Firma has a label that is not in the labelling config; 2 tasks could not be fetched; 1 task could "
        "not be read"
    )


def test_labels_without_an_example_are_named() -> None:
    left_out = _left_out([("inside", "Ort"), ("unknown_label", "Firma")], used=3)
    left_out.add_labels(["Person", "Ort", "Firma", "Person\ud83d"], {"Person": 1, "Ort": 1})
    assert left_out.labels == ["Ort", "Firma", "Person?"]
    assert left_out.summary().endswith("; no examples of Ort, Firma, Person?")
    left_out.merge(LeftOut(labels=["Ort", "A", "B"]))
    assert left_out.summary().endswith("; no examples of Ort, Firma, Person?, A and 1 other label")
    assert LeftOut.from_dict(left_out.as_dict()).labels == left_out.only([]).labels == left_out.labels


def test_one_region_is_one() -> None:
    assert (
        _left_out([("blank", "PER")], used=1).summary() == "1 of 2 regions was not used: 1 PER selects only blanks"
    )


def test_regions_learned_as_whole_words_are_told_but_not_left_out() -> None:
    left_out = _left_out([*repeat(("part_of_word", "LOC"), 3), ("part_of_word", "PER")], used=9)
    told = "3 LOC and 1 PER begin or end inside a word and were learned as whole words"
    assert left_out.summary() == told
    left_out.add("blank", "ORG")
    assert left_out.summary() == f"1 of 13 regions was not used: 1 ORG selects only blanks; {told}"
    assert left_out.as_dict()["regions_left_out"] == 1
    assert _left_out([("part_of_word", "LOC")]).summary() == (
        "1 LOC begins or ends inside a word and was learned as the whole word"
    )


def test_nothing_left_out_is_nothing_to_tell() -> None:
    assert _left_out([], used=7).summary() == ""


def test_many_labels_are_told_in_part() -> None:
    left_out = _left_out([("unknown_label", f"L{number:03}") for number in range(200)] + [("no_label", None)])
    assert "1 L000, 1 L001, 1 L002, 1 L003 and 196 others have labels" in left_out.summary()
    assert left_out.summary().endswith("; 1 has no label")
    labels = left_out.as_dict()["regions"]["unknown_label"]
    assert len(labels) == MAX_LABELS + 1
    assert labels[OTHER_LABELS] == 150


@given(COUNTED, st.integers(0, 9))
def test_the_counts_survive_their_file(counted: list[tuple[Reason, str | None]], used: int) -> None:
    left_out = _left_out(counted, used)
    left_out.tasks["skipped"] += used
    saved = json.dumps(left_out.as_dict(), ensure_ascii=False).encode()
    read = LeftOut.from_dict(json.loads(saved))
    assert read.as_dict() == left_out.as_dict()
    assert read.regions_left_out == sum(reason not in USED for reason, _ in counted) <= read.regions_seen


@given(COUNTED, COUNTED)
def test_counts_add_up(one: list[tuple[Reason, str | None]], other: list[tuple[Reason, str | None]]) -> None:
    both = _left_out(one)
    both.merge(_left_out(other))
    assert both == _left_out(one + other)
    apart = both.only(READING_REASONS).regions + both.only(LEARNING_REASONS).regions
    assert apart == both.regions


@pytest.mark.parametrize(
    "saved", [None, [], {"regions": 3}, {"regions": {"blank": {"A": "x"}}, "tasks": [1]}, {"labels": 3}]
)
def test_a_damaged_file_counts_nothing(saved: object) -> None:
    assert LeftOut.from_dict(saved) == LeftOut()
