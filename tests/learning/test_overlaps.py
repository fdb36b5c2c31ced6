"""Labels that overlap get different tag groups, and each span is either learned or counted as left out."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from huggingface_ner.learning import overlaps
from huggingface_ner.learning.dataset import word_tags
from huggingface_ner.learning.overlaps import learnable_spans, plan_groups
from huggingface_ner.left_out import LeftOut
from huggingface_ner.spans import AnnotatedText, Span, drop_overlaps
from huggingface_ner.tagging.tag_groups import TagGroups
from huggingface_ner.tagging.windows import TokenizedText

LABELS = ("PER", "LOC", "ORG")
LENGTH = 14


def _spans(labels: Sequence[str] = LABELS) -> st.SearchStrategy[list[Span]]:
    def span(start: int, length: int, label: str) -> Span:
        return Span(start, min(start + length, LENGTH), label)

    return st.lists(
        st.builds(span, st.integers(0, LENGTH - 1), st.integers(1, 9), st.sampled_from(labels)), max_size=12
    )


def _texts(*texts: Sequence[tuple[int, int, str]]) -> list[AnnotatedText]:
    return [AnnotatedText(str(n), "x" * 50, tuple(Span(*span) for span in spans)) for n, spans in enumerate(texts)]


@given(_spans((*LABELS, "DATE")))
def test_without_groups_every_span_is_learned_or_counted_as_before(spans: list[Span]) -> None:
    left_out = LeftOut()
    (kept,) = learnable_spans(spans, [LABELS], left_out)
    assert len(kept) + left_out.regions_left_out == len(spans)
    assert kept == drop_overlaps(dict.fromkeys(span for span in spans if span.label in LABELS))


@given(st.lists(_spans(), max_size=4), st.sampled_from([[LABELS], [["PER"], ["LOC", "ORG"]]]))
def test_perfect_probabilities_give_back_what_is_learned(
    texts: list[list[Span]], layers: list[Sequence[str]]
) -> None:
    groups = TagGroups.bio(
        plan_groups([AnnotatedText(str(n), "", tuple(spans)) for n, spans in enumerate(texts)], layers)
    )
    words = TokenizedText([0] * LENGTH, [(n, n + 1) for n in range(LENGTH)], list(range(LENGTH)))
    assert len(groups.names) == len(set(groups.names)) == groups.size
    for spans in texts:
        left_out = LeftOut()
        learned = learnable_spans(spans, groups.labels_by_group, left_out)
        assert all(one.end <= other.start for kept in learned for one, other in pairwise(kept))
        assert sum(map(len, learned)) + left_out.regions_left_out == len(spans)
        logits = np.full((LENGTH, groups.size), -9.0)
        for kept, scheme, columns in zip(learned, groups.schemes, groups.columns, strict=True):
            logits[np.arange(LENGTH), columns.start + np.array(word_tags(words, kept, scheme, left_out))] = 9.0
        log_probabilities = (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32)
        found, score = groups.decode(log_probabilities)
        expected = sorted({span for kept in learned for span in kept})
        assert [Span(span.start, span.end, span.label) for span in found] == expected
        assert min([score, *(span.score for span in found)]) > 0.99
        # a span is left out only if too many spans overlap
        if len(set(spans)) <= overlaps.MAX_LEVELS:
            assert set(left_out.regions) <= {("duplicate", label) for label in LABELS}


@pytest.mark.parametrize(
    ("texts", "groups"),
    [
        (_texts([(0, 9, "AMT"), (10, 14, "ORG")]), [["AMT", "ORG", "ORT"]]),
        # nested names
        (_texts(*[[(0, 9, "AMT"), (0, 4, "ORG"), (5, 9, "ORT")]] * 3), [["AMT"], ["ORG", "ORT"]]),
        # three levels
        (_texts(*[[(0, 9, "AMT"), (0, 7, "ORG"), (5, 7, "ORT")]] * 3), [["AMT"], ["ORG"], ["ORT"]]),
        # one place with two labels, and a partial overlap
        (
            _texts(*[[(0, 4, "ORG"), (0, 4, "ORT")], [(0, 5, "AMT"), (3, 8, "ORT")]] * 3),
            [["AMT", "ORG"], ["ORT"]],
        ),
        # a label inside itself
        (
            _texts(*[[(0, 9, "ORG"), (0, 4, "ORG"), (1, 2, "ORT")]] * 3),
            [["AMT", "ORG"], ["ORG"], ["ORT"]],
        ),
        # rare overlaps: all other examples of a label stay in one group
        (
            _texts([(0, 9, "AMT"), (0, 4, "ORG"), (1, 3, "ORT")], *[[(0, 4, "ORG"), (5, 9, "ORT")]] * 9),
            [["AMT", "ORG", "ORT"], ["ORG"], ["ORT"]],
        ),
        (
            _texts(*[[(0, 9, "AMT"), (0, 4, "ORG")]] * 3, *[[(0, 9, "AMT"), (10, 14, "ORG")]] * 13),
            [["AMT", "ORG", "ORT"], ["ORG"]],
        ),
    ],
)
def test_labels_that_often_overlap_get_groups_of_their_own(
    texts: list[AnnotatedText], groups: list[list[str]]
) -> None:
    assert plan_groups(texts, [["AMT", "ORG", "ORT"]]) == groups
    left_out = LeftOut()
    for text in texts:
        learnable_spans(text.spans, groups, left_out)
    assert left_out.regions_left_out == 0


def test_layers_are_groups_even_if_nothing_overlaps_and_a_repeated_region_is_no_overlap() -> None:
    texts = _texts([(0, 4, "PER"), (0, 4, "PER"), (5, 9, "CLAIM")])
    assert plan_groups(texts, [["PER", "LOC"], ["CLAIM"]]) == [["PER", "LOC"], ["CLAIM"]]
    # an overlap between two layers divides neither of them
    assert plan_groups(_texts([(0, 4, "PER"), (0, 9, "CLAIM")]), [["PER", "LOC"], ["CLAIM"]]) == [
        ["PER", "LOC"],
        ["CLAIM"],
    ]


def test_the_number_of_groups_is_bounded() -> None:
    labels = [f"L{number}" for number in range(40)]
    texts = _texts(*[[(0, 20, label) for label in labels]] * 3, [(0, 40 - n, "L0") for n in range(20)])
    groups = plan_groups(texts, [labels])
    assert len(groups) == overlaps.MAX_GROUPS * overlaps.MAX_LEVELS
    assert {label for group in groups for label in group} == set(labels)
    left_out = LeftOut()
    learned = learnable_spans(texts[0].spans, groups, left_out)
    assert sum(map(len, learned)) == len(groups)
    assert left_out.regions_left_out == len(labels) - len(groups)
    left_out = LeftOut()
    learned = learnable_spans(texts[-1].spans, groups, left_out)
    assert sum(map(len, learned)) == overlaps.MAX_LEVELS
    assert left_out.regions == {("inside", "L0"): 20 - overlaps.MAX_LEVELS}
