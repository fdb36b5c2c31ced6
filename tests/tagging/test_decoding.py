import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from numpy.typing import NDArray

from huggingface_ner.tagging.decoding import TagScheme, decode

SCHEMES = {
    "IO": ["O", "I-PER", "I-LOC"],
    "plain": ["O", "PER", "LOC"],
    "BIO": ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"],
    "BIOES": ["O", "B-PER", "I-PER", "E-PER", "S-PER"],
    "BILOU": ["U-PER", "L-PER", "I-PER", "B-PER", "O"],
    "no O": ["B-PER", "I-PER"],
}


def _log(rows: list[list[float]]) -> NDArray[np.float32]:
    weights = np.array(rows, dtype=np.float32)
    log: NDArray[np.float32] = np.log(weights / weights.sum(axis=1, keepdims=True))
    return log


def _one_hot(scheme: TagScheme, tags: list[str]) -> NDArray[np.float32]:
    return _log([[0.96 if name == tag else 0.01 for name in scheme.names] for tag in tags])


@pytest.mark.parametrize(
    ("names", "tags", "spans"),
    [
        ("BIO", ["B-PER", "I-PER", "O", "B-LOC"], [(0, 2, "PER"), (3, 4, "LOC")]),
        ("BIO", ["B-PER", "B-PER", "I-PER"], [(0, 1, "PER"), (1, 3, "PER")]),
        ("IO", ["I-PER", "I-PER", "I-LOC", "O"], [(0, 2, "PER"), (2, 3, "LOC")]),
        ("BIOES", ["S-PER", "B-PER", "I-PER", "E-PER", "S-PER"], [(0, 1, "PER"), (1, 4, "PER"), (4, 5, "PER")]),
    ],
)
def test_tags_become_spans(names: str, tags: list[str], spans: list[tuple[int, int, str]]) -> None:
    scheme = TagScheme.from_names(SCHEMES[names])
    found, score = decode(_one_hot(scheme, tags), scheme)
    assert [(span.start, span.end, span.label) for span in found] == spans
    assert score == pytest.approx(0.96 / (0.95 + 0.01 * len(scheme.names)), abs=0.01)


def test_an_illegal_sequence_gives_way_to_the_best_legal_one() -> None:
    scheme = TagScheme.from_names(SCHEMES["BIO"])
    # the best tags by themselves, O I-PER, are illegal; B-PER I-PER is the most probable legal sequence
    found, _ = decode(_log([[50, 45, 1, 1, 1], [10, 1, 85, 1, 1]]), scheme)
    assert [(span.start, span.end, span.label) for span in found] == [(0, 2, "PER")]


@pytest.mark.parametrize("names", SCHEMES)
@given(data=st.data())
def test_the_path_is_the_best_of_all_legal_ones(names: str, data: st.DataObject) -> None:
    scheme = TagScheme.from_names(SCHEMES[names])
    words = data.draw(st.integers(1, 4))
    rows = data.draw(
        st_numpy.arrays(np.float32, (words, len(scheme.tags)), elements=st.floats(0.0625, 16, width=32))
    )
    log_probabilities = np.log(rows / rows.sum(axis=1, keepdims=True))
    _, score = decode(log_probabilities, scheme)
    best = max(
        sum(log_probabilities[word, tag] for word, tag in enumerate(path))
        for path in itertools.product(range(len(scheme.tags)), repeat=words)
        if scheme.starts[path[0]]
        and scheme.ends[path[-1]]
        and all(scheme.transitions[pair] for pair in itertools.pairwise(path))
    )
    assert score == pytest.approx(np.exp(best / words), rel=1e-3)


def test_a_spans_score_is_the_probability_that_it_ends_there() -> None:
    scheme = TagScheme.from_names(["O", "B-PER", "I-PER"])
    ((span,), _) = decode(_log([[10, 80, 10], [60, 10, 30]]), scheme)
    assert span.score == pytest.approx(0.8 * 0.7)


def test_a_text_without_words_is_certain() -> None:
    assert decode(np.zeros((0, 3), dtype=np.float32), TagScheme.bio(["PER"])) == ([], 1.0)


def test_labels_may_hold_any_character() -> None:
    scheme = TagScheme.bio(["Date-of Birth", "B-side"])
    assert TagScheme.from_names(scheme.names) == scheme
