import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huggingface_ner.learning.spool import Spool
from huggingface_ner.spans import AnnotatedText, Span, Vote

VOTES = (Vote(1, (Span(0, 4, "PER"),), is_ground_truth=True), Vote(None, ()))
TEXTS = [
    AnnotatedText(str(n // 2), f"text {n}\n😀", (Span(0, 4, "PER"), Span(5, 6, "LOC")), n, votes=VOTES[: n % 3])
    for n in range(10)
]


def _fill(spool: Spool) -> Spool:
    for text in TEXTS:
        spool.add(text)
    return spool


def test_texts_come_back_by_task(tmp_path: Path) -> None:
    with _fill(Spool(tmp_path / "texts")) as spool:
        learned, held_out = spool.split({"1", "3"})
        assert list(held_out) == [TEXTS[2], TEXTS[3], TEXTS[6], TEXTS[7]]
        assert learned[0:3] == [TEXTS[0], TEXTS[1], TEXTS[4]]
        assert (learned[5], len(learned), spool.spans) == (TEXTS[9], 6, 20)
        with pytest.raises(IndexError):
            learned[6]


def test_the_hash_is_of_texts_and_spans(tmp_path: Path) -> None:
    with _fill(Spool(tmp_path / "one")) as one, _fill(Spool(tmp_path / "two")) as two:
        assert one.digest() == two.digest()
        two.add(AnnotatedText("9", "", ()))
        assert one.digest() != two.digest()
        one.add(AnnotatedText("9", "", (Span(0, 0, "PER"),)))
        assert one.digest() != two.digest()


def test_only_spans_that_overlap_change_the_hash_of_release_0_2_0(tmp_path: Path) -> None:
    # that release learned only one of two overlapping spans, so such versions are trained again
    for number, (first, is_same) in enumerate([(Span(0, 4, "PER"), True), (Span(0, 8, "PER"), False)]):
        spans = (first, Span(5, 8, "PER"))
        with Spool(tmp_path / str(number)) as spool:
            spool.add(AnnotatedText("1", "Anna Lee", spans))
            taught = ["1", "Anna Lee", [(span.start, span.end, span.label) for span in spans]]
            before = hashlib.sha256(json.dumps(taught).encode() + b"\n").hexdigest()
            assert (spool.digest() == before) is is_same


@given(st.text(st.characters(codec=None)))
def test_any_text_survives(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    with Spool(tmp_path_factory.getbasetemp() / "texts") as spool:
        spool.add(AnnotatedText("1", text, ()))
        assert spool.split(set())[0][0].text == text
