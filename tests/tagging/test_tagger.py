from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from huggingface_ner.engines.errors import ModelError
from huggingface_ner.engines.pretrained import packaged_encoder
from huggingface_ner.spans import Span
from huggingface_ner.tagging.loading import load_tagger
from tests.tiny_models import save_tiny_model

TEXTS = [
    "Anna Kovács flew to Zürich.",
    "",
    "   \n\t ",
    "😀😀 Barack Obama visited Zürich. 🇺🇸 ok",
    "one\r\ntwo\r\n\r\nthree",
    "Cafe\u0301 Mu\u0308ller, Nguye\u0302\u0303n",
    "東京都知事の小池百合子氏が大阪で会見した。",
    "lone \ud83d surrogate and \x00 NUL",
    "word " * 300,
    "x" * 500,
    "👨\u200d👩\u200d👧 family",
]


def _scores(tagged: Sequence[Sequence[Span]]) -> list[float | None]:
    return [span.score for spans in tagged for span in spans]


def test_a_batch_is_tagged_as_one_by_one(tiny_model: Path) -> None:
    tagger = load_tagger(tiny_model, device="cpu")
    together = tagger.find_spans(TEXTS)
    alone = [tagger.find_spans([text])[0] for text in TEXTS]
    assert together == alone
    assert _scores(together) == pytest.approx(_scores(alone), abs=1e-4)
    assert any(together)


def test_spans_are_ordered_stretches_of_whole_words(tiny_model: Path) -> None:
    tagger = load_tagger(tiny_model, device="cpu")
    for text, spans in zip(TEXTS, tagger.find_spans(TEXTS), strict=True):
        end = 0
        for span in spans:
            assert end <= span.start < span.end <= len(text)
            assert 0 <= span.score <= 1
            assert text[span.start : span.end].strip() == text[span.start : span.end]
            # no run of letters is cut, in scripts that have blanks between words
            for edge in (span.start, span.end):
                inside = text[edge - 1 : edge + 1] if 0 < edge < len(text) else ""
                assert not (inside.isascii() and inside.isalpha() and len(inside) == 2), inside
            end = span.end


def test_every_word_of_a_megabyte_is_reached(tiny_bert: Path) -> None:
    tagger = load_tagger(tiny_bert, device="cpu")
    text = "Anna flew to Zürich. " * 50_000
    found = tagger.find_spans([text])[0]
    alone = tagger.find_spans(["Anna flew to Zürich. " * 20])[0]
    assert alone, "the random model finds nothing; choose another seed"
    assert found[-1].end > len(text) - len("Anna flew to Zürich. " * 5)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.text(st.characters(codec=None), max_size=120), max_size=4))
def test_any_text_is_tagged(tiny_bert: Path, texts: list[str]) -> None:
    tagger = load_tagger(tiny_bert, device="cpu")
    tagged = tagger.tag(texts)
    assert len(tagged) == len(texts)
    for text, result in zip(texts, tagged, strict=True):
        assert 0 <= result.score <= 1
        assert all(0 <= span.start < span.end <= len(text) for span in result.spans)


@pytest.mark.parametrize(
    "tags",
    [
        ("O", "PER", "LOC"),
        ("O", "I-PER", "I-LOC"),
        ("O", "B-PER", "I-PER", "B-LOC", "I-LOC"),
        ("O", "B-PER", "I-PER", "E-PER", "S-PER"),
        ("O", "B-PER", "I-PER", "L-PER", "U-PER"),
    ],
)
def test_heads_of_every_scheme_are_read(tmp_path: Path, tags: tuple[str, ...]) -> None:
    tagger = load_tagger(save_tiny_model(tmp_path, "bert", tags), device="cpu")
    spans = [span for spans in tagger.find_spans(TEXTS) for span in spans]
    assert spans
    assert {span.label for span in spans} <= set(tagger.labels) <= {"PER", "LOC"}


def test_an_encoder_without_a_head_cannot_predict() -> None:
    with pytest.raises(ModelError, match="no token-classification head"):
        load_tagger(packaged_encoder())


def test_a_folder_that_is_no_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no such model folder"):
        load_tagger(tmp_path / "missing")
    with pytest.raises(ModelError, match=r"no config\.json"):
        load_tagger(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ModelError, match=str(tmp_path)):
        load_tagger(tmp_path)


def test_a_slow_tokenizer_is_refused(tiny_bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transformers.PreTrainedTokenizerFast.is_fast", False)
    with pytest.raises(ModelError, match=r"slow one.*tokenizer\.json"):
        load_tagger(tiny_bert)


def test_the_packaged_tokenizers_truncation_does_not_leak(news_model: Path) -> None:
    """The packaged tokenizer's file turns on truncation and padding to 128 tokens."""
    saved = AutoTokenizer.from_pretrained(news_model)
    assert saved.backend_tokenizer.truncation is None
    assert saved.backend_tokenizer.padding is None
    assert len(saved("word " * 400)["input_ids"]) == 402


def test_text_scores_can_be_compared_between_texts(tiny_bert: Path) -> None:
    tagger = load_tagger(tiny_bert, device="cpu")
    short, long, empty = (tagged.score for tagged in tagger.tag(["Anna", "Anna " * 200, ""]))
    assert empty == 1.0
    assert abs(short - long) < 0.7, "the score of a long text is not its probability, which is close to 0"
