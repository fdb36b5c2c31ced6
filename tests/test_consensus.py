"""Several annotations give the same consensus as a simple count with fractions."""

from collections import Counter
from fractions import Fraction
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huggingface_ner.consensus import Agreement, Ballot, decide, is_contested

Ballots = list[Ballot[str]]
BALLOTS = st.lists(
    st.builds(
        Ballot,
        st.one_of(st.none(), st.integers(1, 4)),
        st.frozensets(st.sampled_from("abcd"), max_size=3),
        st.booleans(),
    ),
    min_size=1,
    max_size=5,
)


def ballot(annotator: int | None, marks: str, *, truth: bool = False) -> Ballot[str]:
    return Ballot(annotator, frozenset(marks), truth)


def ranks(*tasks: Ballots) -> dict[int, int]:
    agreement = Agreement()
    for task in tasks:
        agreement.add(task)
    return agreement.ranks()


@pytest.mark.parametrize(
    ("ballots", "marks", "source"),
    [
        ([ballot(1, "ab")], "ab", 0),
        ([ballot(1, "ab"), ballot(2, "ab")], "ab", 1),
        ([ballot(1, "ab"), ballot(2, "bc"), ballot(3, "c")], "bc", 2),
        ([ballot(1, "a"), ballot(2, "a"), ballot(3, ""), ballot(4, "")], "", 3),
        ([ballot(1, "a", truth=True), ballot(2, "b"), ballot(3, "b")], "a", 0),
        ([ballot(1, "a", truth=True), ballot(2, "b", truth=True), ballot(3, "c")], "b", 1),
        ([ballot(1, "a"), ballot(2, "b")], "b", 1),
        ([ballot(None, "a"), ballot(2, "b")], "b", 1),
        ([ballot(1, "a"), ballot(1, "")], "", 1),
    ],
)
def test_what_counts(ballots: Ballots, marks: str, source: int) -> None:
    decision = decide(ballots, {})
    assert (decision.marks, decision.source) == (frozenset(marks), source)


def test_of_two_the_one_who_agrees_more_is_followed() -> None:
    contested = [ballot(1, "a"), ballot(2, "b")]
    other = [ballot(1, "x"), ballot(3, "x")]
    assert decide(contested, ranks(contested)).marks == {"b"}
    assert decide(contested, ranks(contested, other)).marks == {"a"}
    assert decide(contested, ranks(contested, other, [ballot(2, "x"), ballot(3, "x")])).marks == {"b"}, (
        "both agree equally often"
    )
    assert decide(contested, ranks(contested, other)).outvoted == {"b"}
    more = [ballot(1, "x"), ballot(3, "y")]
    assert decide(contested, ranks(contested, other, more, [ballot(2, "xy"), ballot(3, "x")])).marks == {"b"}


def test_what_is_taken_off_leaves_no_trace() -> None:
    agreement = Agreement()
    agreement.add([ballot(1, "a"), ballot(2, "b")])
    agreement.add([ballot(1, "a"), ballot(3, "a")])
    agreement.add([ballot(1, "a"), ballot(3, "a")], -1)
    assert agreement.f1_by_annotator() == {1: 0.0, 2: 0.0}
    agreement.add([ballot(1, "a"), ballot(2, "b")], -1)
    assert agreement.f1_by_annotator() == agreement.ranks() == {}


@given(BALLOTS)
def test_a_mark_counts_as_the_rule_says(ballots: Ballots) -> None:
    decision = decide(ballots, {})
    truths = [one for one in ballots if one.is_ground_truth]
    if truths:
        assert decision.marks == truths[-1].marks
        assert decision.outvoted == frozenset()
        return
    everything = frozenset().union(*(one.marks for one in ballots))
    assert decision.outvoted == everything - decision.marks
    if is_contested(ballots):
        assert decision.marks == ballots[1].marks
        return
    for mark in everything:
        share = Fraction(sum(mark in one.marks for one in ballots), len(ballots))
        assert (mark in decision.marks) == (share > Fraction(1, 2))


@given(st.lists(BALLOTS, max_size=6))
def test_agreement_is_f1_over_shared_tasks(tasks: list[Ballots]) -> None:
    agreement = Agreement()
    common, marks = Counter[int](), Counter[int]()
    for task in tasks:
        agreement.add(task)
        for one, other in combinations(task, 2):
            if one.annotator is not None and other.annotator is not None and one.annotator != other.annotator:
                for annotator in (one.annotator, other.annotator):
                    common[annotator] += len(one.marks & other.marks)
                    marks[annotator] += len(one.marks) + len(other.marks)
    expected = {annotator: 2 * common[annotator] / count for annotator, count in marks.items() if count}
    assert agreement.f1_by_annotator() == pytest.approx(expected)
    found = agreement.ranks()
    for first, second in combinations(expected, 2):
        assert (found[first] > found[second]) == (expected[first] > expected[second])
