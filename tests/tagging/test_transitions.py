import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from huggingface_ner.tagging.transitions import PREFIXES, SMOOTHING, WEIGHT, count_weights, spread

SEQUENCES = st.lists(st.lists(st.sampled_from(PREFIXES), max_size=8), max_size=8)


def test_the_weights_are_those_of_the_counts() -> None:
    # the transitions are O-O twice, O-B twice, B-I once, B-O once, and I-O once
    weights = count_weights(["OOBIO", "OOB", "BO", "", "B"])
    pairs = 7 + 9 * SMOOTHING
    o_to_b = ((2 + SMOOTHING) / (4 + 3 * SMOOTHING)) / ((2 + 3 * SMOOTHING) / pairs)
    b_to_i = ((1 + SMOOTHING) / (2 + 3 * SMOOTHING)) / ((1 + 3 * SMOOTHING) / pairs)
    i_to_i = (SMOOTHING / (1 + 3 * SMOOTHING)) / ((1 + 3 * SMOOTHING) / pairs)
    assert weights[0][1] == pytest.approx(WEIGHT * math.log(o_to_b), abs=1e-4)
    assert weights[1][2] == pytest.approx(WEIGHT * math.log(b_to_i), abs=1e-4)
    assert weights[2][2] == pytest.approx(WEIGHT * math.log(i_to_i), abs=1e-4)
    assert weights[1][2] > 0 > weights[2][2]


def test_without_transitions_there_is_nothing_to_add() -> None:
    assert count_weights(["O", "B", ""]) == ((0.0,) * 3,) * 3


@given(SEQUENCES)
def test_weights_are_finite_and_do_not_depend_on_the_order_of_the_texts(sequences: list[list[str]]) -> None:
    weights = count_weights(sequences)
    assert np.isfinite(weights).all()
    assert count_weights(reversed(sequences)) == weights


@given(SEQUENCES)
def test_what_follows_more_often_than_by_chance_is_raised(sequences: list[list[str]]) -> None:
    weights = np.array(count_weights(sequences))
    pairs = [pair for sequence in sequences for pair in itertools.pairwise(sequence)]
    counts = np.array([[pairs.count((before, after)) + SMOOTHING for after in PREFIXES] for before in PREFIXES])
    by_chance = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    assert weights == pytest.approx(WEIGHT * np.log(counts / by_chance), abs=1e-4)


def test_all_labels_have_the_weights_of_their_prefixes() -> None:
    weights = count_weights(["OOBIO", "OOB"])
    for_tags = spread(weights, "OBIBI")
    assert for_tags.shape == (5, 5)
    for row, before in enumerate("OBIBI"):
        for column, after in enumerate("OBIBI"):
            expected = weights[PREFIXES.index(before)][PREFIXES.index(after)]
            assert for_tags[row, column] == pytest.approx(expected, abs=1e-6)
