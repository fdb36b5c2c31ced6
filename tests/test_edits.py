import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huggingface_ner.edits import Edits, count_edits
from huggingface_ner.spans import Span

ANNA, PARIS = Span(0, 4, "PER"), Span(10, 15, "LOC")


@pytest.mark.parametrize(
    ("gold", "suggested", "edits"),
    [
        ([], [], Edits()),
        ([ANNA, PARIS], [], Edits(missing=2)),
        ([], [ANNA, PARIS], Edits(to_delete=2)),
        ([ANNA, PARIS], [ANNA, PARIS], Edits(exact=2)),
        ([ANNA], [Span(0, 4, "LOC")], Edits(to_mend=1)),
        ([ANNA], [Span(3, 9, "PER")], Edits(to_mend=1)),
        ([ANNA], [Span(4, 9, "PER")], Edits(missing=1, to_delete=1)),
        # one suggestion overlaps two entities and becomes one of them
        ([ANNA, PARIS], [Span(0, 15, "PER")], Edits(missing=1, to_mend=1)),
        # two suggestions overlap one entity: one is corrected, the other is deleted
        ([PARIS], [Span(10, 12, "LOC"), Span(13, 15, "LOC")], Edits(to_delete=1, to_mend=1)),
        # an exact suggestion needs no edit, and a suggestion that overlaps it is deleted
        ([ANNA], [ANNA, Span(0, 2, "PER")], Edits(to_delete=1, exact=1)),
        # the first suggestion overlaps both entities, the second one only the first: both can be corrected
        ([ANNA, PARIS], [Span(2, 12, "PER"), Span(0, 2, "PER")], Edits(to_mend=2)),
        # one entity is inside another, which one control allows
        ([ANNA, Span(0, 9, "ORG")], [Span(0, 9, "ORG")], Edits(missing=1, exact=1)),
        ([ANNA, ANNA], [ANNA, ANNA], Edits(exact=1)),
        ([ANNA], [Span(0, 4, "PER", score=0.3)], Edits(exact=1)),
    ],
)
def test_edits_are_counted_by_kind(gold: list[Span], suggested: list[Span], edits: Edits) -> None:
    assert count_edits(gold, suggested) == edits


def test_the_cost_is_the_edits_per_gold_span() -> None:
    edits = count_edits([ANNA, PARIS], [Span(0, 3, "PER"), Span(20, 22, "PER")])
    assert (edits.total, edits.entities, edits.cost) == (3, 2, 1.5)
    assert Edits(to_delete=1).cost is None
    assert edits + Edits(exact=2) == Edits(missing=1, to_delete=1, to_mend=1, exact=2)


def _overlap(span: Span | None, other: Span) -> bool:
    return span is not None and span.start < other.end and other.start < span.end


def _fewest(gold: Sequence[Span], suggested: Sequence[Span]) -> int:
    """Try every way to turn suggested spans into gold spans, and return the fewest edits.

    A suggested span that is paired with None is deleted.
    """
    wanted, found = [*(set(gold) - set(suggested))], [*(set(suggested) - set(gold))]
    choices = itertools.permutations([*wanted, *[None] * len(found)], len(found))
    mended = max(sum(map(_overlap, choice, found)) for choice in choices)
    return len(wanted) + len(found) - mended


SPANS = st.lists(
    st.tuples(st.integers(0, 6), st.integers(1, 4), st.sampled_from("AB")).map(
        lambda drawn: Span(drawn[0], drawn[0] + drawn[1], drawn[2])
    ),
    max_size=4,
)


@given(SPANS, SPANS)
def test_no_way_takes_fewer_edits(gold: list[Span], suggested: list[Span]) -> None:
    edits = count_edits(gold, suggested)
    assert edits.total == _fewest(gold, suggested)
    assert edits.entities == len(set(gold))
    assert edits.to_delete + edits.to_mend + edits.exact == len(set(suggested))
