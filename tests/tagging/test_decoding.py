import itertools
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from numpy.typing import NDArray

from huggingface_ner.tagging.decoding import TagScheme, decode
from huggingface_ner.tagging.transitions import Weights

SCHEMES = {
    "IO": ["O", "I-PER", "I-LOC"],
    "plain": ["O", "PER", "LOC"],
    "BIO": ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"],
    "IOE": ["O", "I-PER", "E-PER"],
    "BIOES": ["O", "B-PER", "I-PER", "E-PER", "S-PER"],
    "BILOU": ["U-PER", "L-PER", "I-PER", "B-PER", "O"],
    "BIE": ["O", "B-PER", "I-PER", "E-PER"],
    "no O": ["B-PER", "I-PER"],
}


OURS = TagScheme.bio(["PER", "LOC"])


def _log(rows: list[list[float]]) -> NDArray[np.float32]:
    weights = np.array(rows, dtype=np.float32)
    log: NDArray[np.float32] = np.log(weights / weights.sum(axis=1, keepdims=True))
    return log


def _one_hot(scheme: TagScheme, tags: list[str]) -> NDArray[np.float32]:
    return _log([[0.96 if name == tag else 0.01 for name in scheme.names] for tag in tags])


def _distributions(tags: int) -> st.SearchStrategy[NDArray[np.float32]]:
    """Draw the log-probabilities of one to four words."""
    rows = st.integers(1, 4).flatmap(
        lambda words: st_numpy.arrays(np.float32, (words, tags), elements=st.floats(0.0625, 16, width=32))
    )
    return rows.map(lambda weights: np.log(weights / weights.sum(axis=1, keepdims=True)))


def _conlleval(tags: Sequence[str]) -> set[tuple[int, int, str]]:
    """Read a tag sequence as the script conlleval does, with its two tests for the borders of a chunk."""
    chunks = set()
    start = 0
    before, label_before = "O", ""
    for word, tag in enumerate([*tags, "O"]):
        prefix, _, label = tag.partition("-")
        changes = before != "O" and prefix != "O" and label != label_before
        ends = (before in "BI" and prefix in "BSO") or before in "ES" or changes
        begins = prefix in "BS" or (before in "OES" and prefix in "IE") or changes
        if before != "O" and ends:
            chunks.add((start, word, label_before))
        if prefix != "O" and begins:
            start = word
        before, label_before = prefix, label
    return chunks


def _iob2(tags: Sequence[str]) -> set[tuple[int, int, str]]:
    """Read a tag sequence strictly: an entity is a B and each I of the same label directly after it."""
    chunks = set()
    for start, tag in enumerate(tags):
        if tag[0] == "B":
            end = start + 1
            while end < len(tags) and tags[end] == f"I-{tag[2:]}":
                end += 1
            chunks.add((start, end, tag[2:]))
    return chunks


@pytest.mark.parametrize(
    ("names", "tags", "spans"),
    [
        ("BIO", ["B-PER", "I-PER", "O", "B-LOC"], [(0, 2, "PER"), (3, 4, "LOC")]),
        ("BIO", ["B-PER", "B-PER", "I-PER"], [(0, 1, "PER"), (1, 3, "PER")]),
        ("IO", ["I-PER", "I-PER", "I-LOC", "O"], [(0, 2, "PER"), (2, 3, "LOC")]),
        ("BIOES", ["S-PER", "B-PER", "I-PER", "E-PER", "S-PER"], [(0, 1, "PER"), (1, 4, "PER"), (4, 5, "PER")]),
        # without S, an entity of one word has the tag B or E
        ("BIE", ["B-PER", "B-PER", "I-PER", "E-PER", "B-PER"], [(0, 1, "PER"), (1, 4, "PER"), (4, 5, "PER")]),
        ("BIE", ["E-PER", "O", "B-PER", "E-PER", "E-PER"], [(0, 1, "PER"), (2, 4, "PER"), (4, 5, "PER")]),
    ],
)
def test_tags_become_spans(names: str, tags: list[str], spans: list[tuple[int, int, str]]) -> None:
    scheme = TagScheme.from_names(SCHEMES[names])
    found, score = decode(_one_hot(scheme, tags), scheme)
    assert [(span.start, span.end, span.label) for span in found] == spans
    assert score == pytest.approx(0.96 / (0.95 + 0.01 * len(scheme.names)), abs=0.01)


def test_an_illegal_sequence_gives_way_to_the_best_legal_one() -> None:
    # the best tags by themselves, O I-PER, are illegal; B-PER I-PER is the most probable legal sequence
    found, _ = decode(_log([[50, 45, 1, 1, 1], [10, 1, 85, 1, 1]]), OURS)
    assert [(span.start, span.end, span.label) for span in found] == [(0, 2, "PER")]


@pytest.mark.parametrize("names", SCHEMES)
@given(data=st.data())
def test_the_path_is_the_best_of_all_legal_ones(names: str, data: st.DataObject) -> None:
    scheme = TagScheme.from_names(SCHEMES[names])
    log_probabilities = data.draw(_distributions(len(scheme.tags)))
    words = len(log_probabilities)
    _, score = decode(log_probabilities, scheme)
    best = max(
        sum(log_probabilities[word, tag] for word, tag in enumerate(path))
        for path in itertools.product(range(len(scheme.tags)), repeat=words)
        if scheme.starts[path[0]]
        and scheme.ends[path[-1]]
        and all(scheme.transitions[pair] for pair in itertools.pairwise(path))
    )
    assert score == pytest.approx(np.exp(best / words), rel=1e-3)


WEIGHTS = st.lists(st.integers(-32, 32).map(lambda number: number / 16), min_size=9, max_size=9).map(
    lambda drawn: ((drawn[0], drawn[1], drawn[2]), (drawn[3], drawn[4], drawn[5]), (drawn[6], drawn[7], drawn[8]))
)


@given(WEIGHTS, _distributions(len(OURS.tags)))
def test_the_path_with_weights_is_the_best_of_all_legal_ones(
    weights: Weights, log_probabilities: NDArray[np.float32]
) -> None:
    scheme = TagScheme.bio(["PER", "LOC"], weights)
    prefixes = ["OBI".index(prefix) for prefix, _ in scheme.tags]

    def value(path: Sequence[int]) -> float:
        gains = (weights[prefixes[before]][prefixes[after]] for before, after in itertools.pairwise(path))
        return float(sum(log_probabilities[word, tag] for word, tag in enumerate(path)) + sum(gains))

    best = max(
        (
            path
            for path in itertools.product(range(len(scheme.tags)), repeat=len(log_probabilities))
            if scheme.starts[path[0]] and all(scheme.transitions[pair] for pair in itertools.pairwise(path))
        ),
        key=value,
    )
    spans, score = decode(log_probabilities, scheme)
    chosen = [scheme.ids["O", ""]] * len(log_probabilities)
    for span in spans:
        chosen[span.start] = scheme.ids["B", span.label]
        chosen[span.start + 1 : span.end] = [scheme.ids["I", span.label]] * (span.end - span.start - 1)
    assert value(chosen) == pytest.approx(value(best), abs=1e-4)
    # the weights do not affect the score
    assert score == pytest.approx(
        np.exp(np.mean([log_probabilities[pair] for pair in enumerate(chosen)])), rel=1e-3
    )


def test_weights_decide_where_the_model_is_unsure_and_no_score_has_them() -> None:
    unsure = _log([[2, 92, 2, 2, 2], [50, 2, 44, 2, 2]])
    ((short,), _) = decode(unsure, OURS)
    assert (short.start, short.end) == (0, 1)
    ((long,), score) = decode(unsure, TagScheme.bio(["PER", "LOC"], ((0, 0, 0), (0, 0, 0.5), (0, 0, 0))))
    assert (long.start, long.end) == (0, 2)
    assert long.score == pytest.approx(0.92 * 0.44)
    assert score == pytest.approx((0.92 * 0.44) ** 0.5)


def test_a_spans_score_is_the_probability_that_it_ends_there() -> None:
    ((span,), _) = decode(_log([[10, 80, 10], [60, 10, 30]]), TagScheme.bio(["PER"]))
    assert span.score == pytest.approx(0.8 * 0.7)


def test_a_text_without_words_is_certain() -> None:
    assert decode(np.zeros((0, 3), dtype=np.float32), TagScheme.bio(["PER"])) == ([], 1.0)


def test_labels_may_hold_any_character() -> None:
    scheme = TagScheme.bio(["Date-of Birth", "B-side", "O", "[PAD]", "OTHER"])
    assert TagScheme.from_bio_names(scheme.names) == scheme


@pytest.mark.parametrize("names", ["IO", "BIO", "IOE", "no O"])
@given(data=st.data())
def test_other_heads_are_read_as_conlleval_reads(names: str, data: st.DataObject) -> None:
    scheme = TagScheme.from_names(SCHEMES[names])
    log_probabilities = data.draw(_distributions(len(scheme.tags)))
    spans, _ = decode(log_probabilities, scheme)
    path = [scheme.names[tag] for tag in log_probabilities.argmax(axis=1)]
    assert {(span.start, span.end, span.label) for span in spans} == _conlleval(path)


@pytest.mark.parametrize(
    ("scheme", "read"),
    [
        *((TagScheme.from_names(SCHEMES[names]), _conlleval) for names in ("IO", "BIO", "IOE", "no O")),
        (OURS, _iob2),
    ],
)
@given(data=st.data())
def test_a_score_is_the_probability_of_all_sequences_with_the_span(
    scheme: TagScheme, read: Callable[[Sequence[str]], set[tuple[int, int, str]]], data: st.DataObject
) -> None:
    log_probabilities = data.draw(_distributions(len(scheme.tags)))
    probabilities = np.exp(log_probabilities.astype(np.float64))
    spans, _ = decode(log_probabilities, scheme)
    expected = dict.fromkeys(((span.start, span.end, span.label) for span in spans), 0.0)
    for path in itertools.product(range(len(scheme.tags)), repeat=len(probabilities)):
        found = read([scheme.names[tag] for tag in path])
        mass = np.prod([row[tag] for row, tag in zip(probabilities, path, strict=True)])
        for span in found & expected.keys():
            expected[span] += mass
    assert [span.score for span in spans] == pytest.approx(list(expected.values()), abs=1e-5)


@pytest.mark.parametrize("opening", ["B-PER", "I-PER"])
def test_a_sure_word_has_a_sure_span_whichever_tag_opens_it(opening: str) -> None:
    scheme = TagScheme.from_names(SCHEMES["BIO"])
    tags = ["O", opening, "O", opening, "I-PER"]
    rows = [[0.99 if name == tag else 0.0025 for name in scheme.names] for tag in tags]
    spans, _ = decode(_log(rows), scheme)
    assert [(span.start, span.end) for span in spans] == [(1, 2), (3, 5)]
    assert [span.score for span in spans] == pytest.approx([0.99, 0.99**2], abs=0.01)


def test_a_word_that_may_open_with_either_tag_has_the_probability_of_both() -> None:
    ((span,), _) = decode(_log([[2, 49, 49]]), TagScheme.from_names(["O", "B-PER", "I-PER"]))
    assert span.score == pytest.approx(0.98)


@given(data=st.data())
def test_outputs_that_no_word_has_change_nothing(data: st.DataObject) -> None:
    names = SCHEMES["BIO"]
    log_probabilities = data.draw(_distributions(len(names)))
    share = data.draw(st.floats(0.01, 0.99))
    padding = np.full((len(log_probabilities), 1), np.log(share), dtype=np.float32)
    with_padding = np.hstack([padding, log_probabilities + np.float32(np.log(1 - share))])
    expected, score = decode(log_probabilities, TagScheme.from_names(names))
    found, found_score = decode(with_padding, TagScheme.from_names(["[PAD]", *names]))
    assert [(span.start, span.end, span.label) for span in found] == [
        (span.start, span.end, span.label) for span in expected
    ]
    assert [span.score for span in found] == pytest.approx([span.score for span in expected], abs=1e-5)
    assert found_score == pytest.approx(score, abs=1e-5)
