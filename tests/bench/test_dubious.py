import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.dubious import KINDS, Error, hits, main, plant
from huggingface_ner.learning import fine_tuning
from huggingface_ner.spans import AnnotatedText, Span

TEXT = "Anna is in Oslo , Tom is not ."
SPANS = (Span(0, 4, "PER"), Span(11, 15, "LOC"), Span(18, 21, "PER"))


@given(st.integers(1, 20), st.floats(0, 1), st.integers(0, 99))
def test_a_share_of_the_spans_is_made_wrong(count: int, share: float, seed: int) -> None:
    texts = [AnnotatedText(str(number), TEXT, SPANS) for number in range(count)]
    spoiled, errors = plant(texts, share, seed)
    assert len(errors) == round(3 * count * share)
    assert {error.kind for error in errors} <= {*KINDS}
    for text, wrong in zip(texts, spoiled, strict=True):
        own = [error for error in errors if error.task == text.task_id]
        expected = {*text.spans} - {error.right for error in own} | {error.wrong for error in own if error.wrong}
        assert {*wrong.spans} == expected
        ends = [(span.start, span.end) for span in wrong.spans]
        assert all(end <= start for (_, end), (start, _) in pairwise(ends)), "none overlap"


def test_each_error_is_found_once() -> None:
    errors = [Error("1", SPANS[0], None, "dropped"), Error("2", SPANS[1], Span(16, 17, "LOC"), "shifted")]
    listed = [
        {"task": task, "start": start, "end": end}
        for task, start, end in (("1", 3, 9), ("1", 0, 4), ("2", 16, 17), ("2", 0, 4), ("3", 0, 4))
    ]
    assert hits(listed, errors) == [0, None, 1, None, None]


def test_it_says_how_many_errors_are_found(
    tmp_path: Path, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fine_tuning, "MIN_STEPS", 4)
    spans = [{"start": span.start, "end": span.end, "label": span.label} for span in SPANS]
    rows = [json.dumps({"id": number, "text": TEXT, "spans": spans}) for number in range(12)]
    (tmp_path / "train.jsonl").write_text("\n".join(rows))
    main(["--corpus", str(tmp_path), "--seeds", "1", "--baseline", str(tiny_bert)])
    shown = capsys.readouterr().out
    assert shown.startswith(f"{tmp_path.name}, seed 1: ")
    assert "of 4 in the first 50 (" in shown
