import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.next_task import UNSURE, main, plain, spread
from huggingface_ner.learning import fine_tuning
from huggingface_ner.spans import Span, TaggedText
from tests.bench.test_annotating import corpus as corpus  # noqa: PLC0414 - a fixture

KAY = Span(0, 8, "PER", 0.4)
WORDS = st.sampled_from(["Kay", "kay", "Mann", "Oslo"])


@st.composite
def _tagged(draw: st.DrawFn) -> tuple[str, TaggedText]:
    words = draw(st.lists(WORDS, min_size=1, max_size=4))
    starts = [sum(len(word) + 1 for word in words[:index]) for index in range(len(words))]
    found = [
        Span(start, start + len(word), draw(st.sampled_from(["PER", "LOC"])), draw(st.floats(0, 1)))
        for start, word in zip(starts, words, strict=True)
        if draw(st.booleans())
    ]
    return " ".join(words), TaggedText(found, draw(st.floats(0, 1)))


def test_of_texts_whose_unsure_spans_are_alike_only_the_least_sure_keeps_its_score() -> None:
    texts = ["Kay Mann here", "KAY  MANN", "Kay Mann", "Oslo is far away", "Kay Mann"]
    kay, wider = TaggedText([KAY], 0.6), TaggedText([Span(0, 9, "PER", 0.4)], 0.5)
    place = TaggedText([Span(0, 4, "LOC", 0.4)], 0.7)
    organisation = TaggedText([Span(0, 8, "ORG", 0.4)], 0.8)
    scores = spread(texts, [kay, wider, kay, place, organisation])
    assert scores == pytest.approx([0.8, 0.5, 0.9, 0.7, 0.8])


def test_a_text_with_a_further_unsure_span_keeps_its_score() -> None:
    texts = ["Kay Mann", "Kay Mann met Al", "Al"]
    both = TaggedText([KAY, Span(13, 15, "PER", 0.4)], 0.6)
    assert spread(
        texts, [TaggedText([KAY], 0.5), both, TaggedText([Span(0, 2, "PER", 0.4)], 0.8)]
    ) == pytest.approx([0.5, 0.6, 0.9])


def test_sure_spans_do_not_make_texts_alike() -> None:
    sure = TaggedText([Span(0, 8, "PER", UNSURE)], 0.9)
    assert spread(["Kay Mann left", "Kay Mann stays", "kay mann left"], [sure] * 3) == pytest.approx(
        [0.9, 0.9, 0.95]
    )


@given(st.lists(_tagged(), max_size=12))
def test_no_score_falls_and_the_least_sure_text_keeps_its_score(pairs: list[tuple[str, TaggedText]]) -> None:
    texts, tagged = [text for text, _ in pairs], [found for _, found in pairs]
    before, after = plain(texts, tagged), spread(texts, tagged)
    assert all(first <= second <= 1 for first, second in zip(before, after, strict=True))
    assert min(before, default=1) == min(after, default=1)


def test_each_order_is_measured_and_compared(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fine_tuning, "MIN_STEPS", 5)
    (corpus / "dev.jsonl").write_bytes((corpus / "train.jsonl").read_bytes())
    main(["--corpus", str(corpus), "--seeds", "0", "--pool", "20", "--until", "10", "--round", "5"])
    printed = capsys.readouterr().out
    # each text has two entities
    assert "seed 0: 20 tasks with 40 entities" in printed
    for order in ("random", "lowest", "spread"):
        rows = [line.split() for line in printed.splitlines() if re.match(rf"{order} +\d", line)]
        assert [(row[1], row[3]) for row in rows] == [("5", "10"), ("10", "20")]
        assert all(int(row[6]) == 40 - int(row[4]) - int(row[5]) for row in rows)
        # the first round is the same in each order
        assert rows[0][7] == "+0"
    for pair in ("lowest over random", "spread over random", "spread over lowest"):
        assert f"{pair}, 10 tasks: F1 " in printed
