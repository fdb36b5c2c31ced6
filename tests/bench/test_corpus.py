import json
from pathlib import Path

from bench.corpus import read_corpus, sentences
from huggingface_ner.spans import AnnotatedText, Span

TEXT = 'Anna met J. Smith Jr. of Acme. "They left!" he said.\n\nParis? 3.5 km away'


def test_a_corpus_has_a_text_in_each_line_whatever_its_characters(tmp_path: Path) -> None:
    texts = ["Oslo\u2028and\x85Rome\x1c", "", "Anna 😀"]
    rows = [{"id": number, "text": text, "spans": []} for number, text in enumerate(texts)]
    rows[0]["spans"] = [{"start": 0, "end": 4, "label": "LOC"}]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (tmp_path / "train.jsonl").write_text(lines, encoding="utf-8")
    assert read_corpus(tmp_path, "train") == [
        AnnotatedText("0", texts[0], (Span(0, 4, "LOC"),)),
        AnnotatedText("1", "", ()),
        AnnotatedText("2", texts[2], ()),
    ]


def test_sentences_end_after_full_stops_and_lines_but_in_no_span() -> None:
    smith, paris = Span(9, 21, "PER"), Span(TEXT.index("Paris"), TEXT.index("?"), "LOC")
    assert TEXT[smith.start : smith.end] == "J. Smith Jr."
    cut = list(sentences(AnnotatedText("7", TEXT, (smith, paris))))
    assert "".join(sentence.text for sentence in cut) == TEXT
    assert [sentence.text.strip() for sentence in cut] == [
        "Anna met J. Smith Jr.",
        "of Acme.",
        '"They left!"',
        "he said.",
        "Paris?",
        "3.5 km away",
    ]
    assert len({sentence.task_id for sentence in cut}) == len(cut)
    spans = [(sentence.text[span.start : span.end], span.label) for sentence in cut for span in sentence.spans]
    assert spans == [("J. Smith Jr.", "PER"), ("Paris", "LOC")]


def test_blank_sentences_are_left_out() -> None:
    assert [text.text for text in sentences(AnnotatedText("1", "\n \n\nOslo.\n\n \n", ()))] == ["Oslo.\n\n \n"]
    assert list(sentences(AnnotatedText("1", "", ()))) == []
