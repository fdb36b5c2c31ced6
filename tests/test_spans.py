"""Overlaps are the ones that a comparison of each place with each other finds."""

from hypothesis import given
from hypothesis import strategies as st

from huggingface_ner.spans import Places, Span, overlapping

SPANS = st.lists(
    st.builds(lambda start, length: Span(start, start + length, "A"), st.integers(0, 12), st.integers(1, 8)),
    max_size=8,
)


def overlap(one: Span, other: Span) -> bool:
    return one.start < other.end and other.start < one.end


@given(SPANS.map(sorted), SPANS)
def test_the_spans_that_overlap_others_are_found(spans: list[Span], others: list[Span]) -> None:
    assert overlapping(spans, others) == [
        [index for index, span in enumerate(spans) if overlap(span, other)] for other in others
    ]


@given(SPANS, SPANS)
def test_places_overlap_what_one_of_them_overlaps(spans: list[Span], others: list[Span]) -> None:
    places = Places((span.start, span.end) for span in spans)
    for other in others:
        assert places.overlap(other.start, other.end) == any(overlap(span, other) for span in spans)


@given(SPANS, SPANS)
def test_places_overlap_what_is_shorter_than_one_of_them(spans: list[Span], others: list[Span]) -> None:
    places = Places((span.start, span.end) for span in spans)
    for other in others:
        longer = [span for span in spans if span.end - span.start > other.end - other.start]
        assert places.longer_overlap(other.start, other.end) == any(overlap(span, other) for span in longer)
