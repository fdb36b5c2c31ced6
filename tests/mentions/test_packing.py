"""Entries are packed and unpacked without a change, and other bytes are refused."""

import json
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huggingface_ner.label_studio.annotation_entries import (
    MAX_TEXT_CHARACTERS,
    AnnotationEntry,
    EntryText,
    Mention,
)
from huggingface_ner.mentions import packing
from huggingface_ner.mentions.packing import UnreadableEntryError, pack, unpack

TEXTS = st.text(st.characters(exclude_categories=[]), max_size=20)  # with lone surrogates


@st.composite
def entry_texts(draw: st.DrawFn) -> EntryText:
    text = draw(TEXTS)
    layers = tuple(draw(st.lists(st.text(max_size=3), min_size=1, max_size=3, unique=True)))
    mentions = []
    for _ in range(draw(st.integers(0, 3)) if text else 0):
        start = draw(st.integers(0, len(text) - 1))
        end = draw(st.integers(start + 1, len(text)))
        mentions.append(Mention(start, end, draw(st.sampled_from(layers)), draw(TEXTS)))
    return EntryText(text, layers, tuple(mentions))


IDS = st.integers(1, 2**63 - 1)


@given(
    st.builds(
        AnnotationEntry,
        IDS,
        IDS,
        IDS,
        st.booleans(),
        st.booleans(),
        st.lists(entry_texts(), max_size=3).map(tuple),
        st.one_of(st.none(), IDS),
    )
)
def test_an_entry_comes_back_as_it_was(entry: AnnotationEntry) -> None:
    assert unpack(entry.annotation_id, pack(entry)) == entry


def test_an_entry_without_an_annotator_is_read() -> None:
    assert unpack(7, _zipped([1, 2, 0, []])) == AnnotationEntry(7, 1, 2)


def _zipped(value: Any) -> bytes:
    return zlib.compress(json.dumps(value).encode())


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"garbage",
        zlib.compress(b"not JSON"),
        zlib.compress(b"\xff"),
        zlib.compress(b"[" * 100_000),
        pack(AnnotationEntry(1, 1, 1))[:-8],
        *map(
            _zipped,
            [
                None,
                {},
                [],
                [1, 2, 3],
                ["1", 2, 0, []],
                [True, 2, 0, []],
                [1, 2, 0, [], "ada"],
                [1, 2, 0, [], -1],
                [1, 2, 0, [], 1, 2],
                [1, -2, 0, []],
                [1, 2, 0, [[]]],
                [1, 2, 0, [[1, [], []]]],
                [1, 2, 0, [["a", "l", []]]],
                [1, 2, 0, [["a", [1], []]]],
                [1, 2, 0, [["a", ["l"], [[0, 1, 0]]]]],
                [1, 2, 0, [["a", ["l"], [[0, 2, 0, "X"]]]]],
                [1, 2, 0, [["a", ["l"], [[0, 0, 0, "X"]]]]],
                [1, 2, 0, [["a", ["l"], [[-1, 1, 0, "X"]]]]],
                [1, 2, 0, [["a", ["l"], [[0, 1, 1, "X"]]]]],
                [1, 2, 0, [["a", ["l"], [[0, 1, 0, 5]]]]],
                [1, 2, 0, [["a" * (MAX_TEXT_CHARACTERS + 1), ["l"], []]]],
            ],
        ),
    ],
)
def test_other_bytes_are_refused(packed: bytes) -> None:
    with pytest.raises(UnreadableEntryError, match="annotation 7"):
        unpack(7, packed)


@given(st.binary(max_size=50))
def test_any_other_bytes_are_refused(packed: bytes) -> None:
    with pytest.raises(UnreadableEntryError):
        unpack(7, packed)


def test_bytes_that_unpack_to_very_many_are_refused() -> None:
    with pytest.raises(UnreadableEntryError):
        unpack(7, zlib.compress(b"[1,2,0,[]" + b" " * packing.MAX_UNPACKED_BYTES + b"]"))


def test_texts_that_are_too_long_together_are_left_out() -> None:
    text = EntryText("a" * MAX_TEXT_CHARACTERS, ("l",), ())
    packed = pack(AnnotationEntry(1, 1, 1, texts=(text,) * 5))
    assert unpack(1, packed).texts == (text,) * 4
