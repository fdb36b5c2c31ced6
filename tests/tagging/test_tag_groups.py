"""Heads with several tag groups, whose outputs lie side by side."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from huggingface_ner.engines.layouts import LogProbabilities
from huggingface_ner.tagging.decoding import decode
from huggingface_ner.tagging.tag_groups import TagGroups
from huggingface_ner.tagging.transitions import count_weights

GROUPS = TagGroups.bio([["PER", "LOC"], ["CLAIM"], ["PER"]])


def test_each_output_has_a_name_of_its_own() -> None:
    assert GROUPS.names == [
        *("O", "B-PER", "I-PER", "B-LOC", "I-LOC"),
        *("2/O", "2/B-CLAIM", "2/I-CLAIM"),
        *("3/O", "3/B-PER", "3/I-PER"),
    ]
    assert GROUPS.labels == ("PER", "LOC", "CLAIM")
    assert GROUPS.columns == (slice(0, 5), slice(5, 8), slice(8, 11))
    assert GROUPS.size == 11


def test_each_group_has_the_weights_of_its_transitions() -> None:
    first, second = count_weights(["OBIIO"]), count_weights(["OBOBO"])
    groups = TagGroups.bio([["PER", "LOC"], ["PER"]], [first, second])
    assert [scheme.weights for scheme in groups.schemes] == [first, second]
    assert [scheme.weights for scheme in GROUPS.schemes] == [None] * 3


@given(st.integers(0, 2**32 - 1), st.integers(0, 8), st.floats(-50, 50))
def test_a_group_decides_as_a_head_of_its_own_would(seed: int, words: int, further_apart: float) -> None:
    logits = np.random.default_rng(seed).normal(0, 4, (words, GROUPS.size))
    own, scores = [], []
    for scheme, columns in zip(GROUPS.schemes, GROUPS.columns, strict=True):
        spans, score = decode(_log_softmax(logits[:, columns]), scheme)
        own += spans
        scores.append(score)
    # a group has its own distribution, however large its logits are compared with those of another group
    logits[:, GROUPS.columns[1]] += further_apart
    found, score = GROUPS.decode(_log_softmax(logits))
    best = {}
    for span in sorted(own, key=lambda span: span.score):
        best[span.start, span.end, span.label] = span.score
    assert [(span.start, span.end, span.label) for span in found] == sorted(best)
    assert [span.score for span in found] == pytest.approx([best[key] for key in sorted(best)], abs=1e-4)
    assert score == pytest.approx(np.prod(scores) ** (1 / 3), abs=1e-4)


@given(st.integers(0, 2**32 - 1))
def test_one_group_is_decoded_as_ever(seed: int) -> None:
    (scheme,) = (groups := TagGroups.bio([["PER", "LOC"]])).schemes
    log_probabilities = _log_softmax(np.random.default_rng(seed).normal(0, 3, (6, groups.size)))
    assert groups.decode(log_probabilities) == decode(log_probabilities, scheme)
    assert groups.names == scheme.names


def _log_softmax(logits: npt.NDArray[np.float64]) -> LogProbabilities:
    total: npt.NDArray[np.float64] = np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    return (logits - total).astype(np.float32)
