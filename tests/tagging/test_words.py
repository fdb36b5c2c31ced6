import unicodedata
from pathlib import Path

import pytest
import regex
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from huggingface_ner.engines.pretrained import load_tokenizer, packaged_encoder
from huggingface_ner.spans import Span
from huggingface_ner.tagging.loading import load_tagger
from huggingface_ner.tagging.windows import Windower
from huggingface_ner.tagging.words import Runs
from tests.told_models import bio_tags, save_told_model

# Texts and the entities that annotators mark in them.
CASES = [
    ("김민수는 서울에서 일한다.", ["김민수", "서울"]),
    (
        unicodedata.normalize("NFD", "김민수는 서울에서"),
        [unicodedata.normalize("NFD", name) for name in ("김민수", "서울")],
    ),
    ("Google에서 K팝", ["Google", "K", "팝"]),
    ("Ibuprofen 500mg po, 5ml, ２０mg", ["500", "mg", "5", "ml", "２０", "mg"]),
    ("Thanks🙏Amina Diallo in Dakar🔥 👨‍👩‍👧Ana 👍🏽Bo", ["Amina Diallo", "Dakar", "Ana", "Bo"]),
    ("_Amina Diallo_ lives in __Lyon__, Dr.___Smith", ["Amina Diallo", "Lyon", "Smith"]),
    ("Norvex™ and Helios® of Lyon→Oslo", ["Norvex", "Helios", "Lyon", "Oslo"]),
    (
        "Lyon¹ Oslo² Bergenᵃ Dakar† Paris‡ Rome[3] H₂O",
        ["Lyon", "Oslo", "Bergen", "Dakar", "Paris", "Rome", "H", "O"],
    ),
    ("Ber\u200blin and\u200bOslo\ufeffBern", ["Ber\u200blin", "Oslo", "Bern"]),
    ("Ham\u00adburg می\u200cخواهم", ["Ham\u00adburg", "می\u200cخواهم"]),
    ("Amina's d'Oslo l’Aquila", ["Amina", "Oslo", "Aquila"]),
    ("«Amina» „Oslo“ ‚Lyon‘", ["Amina", "Oslo", "Lyon"]),
    ("Московский_Apple Москва.ru 5G", ["Московский", "Apple", "Москва", "G"]),
    ("张伟在北京工作, 在Google工作的Anna", ["张伟", "北京", "Google", "Anna"]),
    (
        "**Lyon** ~~Oslo~~ `Bern` [Rome](1) Lyon* Oslo① Bern⁽¹⁾",
        ["Lyon", "Oslo", "Bern", "Rome", "Lyon", "Oslo", "Bern"],
    ),
    ("Dakar👨‍👩‍👧Oslo🇸🇳Lyon❤️Bern1️⃣Rome🏴󠁧󠁢󠁥󠁮󠁧󠁿Bo♥", ["Dakar", "Oslo", "Lyon", "Bern", "Rome", "Bo"]),
    (
        "2,5mg $5M 5°C 10km/h ½kg 2kg½ １０ｋｇ",
        ["2,5", "mg", "$5", "5°C", "km/h", "½", "kg", "2", "kg", "１０", "ｋｇ"],
    ),
    ("#Lyon @lyon lyon.fr Lyon/Oslo Lyon–Oslo", ["#Lyon", "lyon", "lyon", "Lyon", "Oslo", "Lyon", "Oslo"]),
    (
        "Lyon|Oslo+Bern&Rome\\Bo…Lyon=Oslo~Bern·Rome",
        ["Lyon", "Oslo", "Bern", "Rome", "Bo", "Lyon", "Oslo", "Bern", "Rome"],
    ),
    ("L'Oréal O'Neill Ankara’da AT&T C++ C#", ["L'Oréal", "O'Neill", "Ankara", "AT&T", "C++", "C#"]),
    ("Dr.Smith U.S.A. U.S. H1N1 COVID-19 B12", ["Smith", "U.S.A.", "U.S", "H1N1", "COVID-19", "B"]),
    ("\u200fLyon\u200f \u2067Oslo\u2069 \u202bBern\u202c", ["Lyon", "Oslo", "Bern"]),
    ("Lyon\u2060, Oslo\u00ad Ber\u2060lin\u00ad\u2060🔥", ["Lyon", "Oslo", "Ber\u2060lin"]),
    ("Lyon\x00Oslo\ufffcBern\ue000Rome\ufffdBo\u2028Lyon", ["Lyon", "Oslo", "Bern", "Rome", "Bo", "Lyon"]),
    ("<b>Lyon</b>Oslo<br>Bern &lt;Rome&gt;", ["Lyon", "Oslo", "Bern", "Rome"]),
    ("𝐋𝐲𝐨𝐧🔥 ⓁⓎⓄⓃ İzmir🔥 ﬁnland🔥", ["𝐋𝐲𝐨𝐧", "ⓁⓎⓄⓃ", "İzmir", "ﬁnland"]),
    ("तमिल🔥 தமிழ்। क्षेत्र, ५००ग्राम ٥٠٠ملغ", ["तमिल", "தமிழ்", "क्षेत्र", "५००", "ग्राम", "٥٠٠", "ملغ"]),
    (
        "ⵜⵉⵡⵉⵏOslo ᏣᎳᎩOslo 東京2020Tokyo駅 ジョン・スミス氏",
        ["ⵜⵉⵡⵉⵏ", "Oslo", "ᏣᎳᎩ", "Oslo", "東京", "2020", "Tokyo", "ジョン・スミス"],
    ),
    ("Amina\u00a0Diallo\tOslo\r\nBern", ["Amina\u00a0Diallo", "Oslo\r\nBern"]),
]


def _spans(text: str, entities: list[str]) -> list[Span]:
    spans = []
    end = 0
    for entity in entities:
        start = text.index(entity, end)
        end = start + len(entity)
        spans.append(Span(start, end, "X-Y"))
    return spans


@pytest.mark.parametrize(("text", "entities"), CASES)
def test_a_suggestion_has_the_borders_that_annotators_set(tmp_path: Path, text: str, entities: list[str]) -> None:
    spans = _spans(text, entities)
    folder = save_told_model(tmp_path, ["O", "B-X-Y", "I-X-Y"], bio_tags(text, spans))
    assert load_tagger(folder, device="cpu").find_spans([text]) == [spans]


@pytest.mark.parametrize(("text", "entities"), CASES)
def test_the_packaged_encoder_hides_no_border(text: str, entities: list[str]) -> None:
    (tokenized,) = Windower(load_tokenizer(packaged_encoder()), 256).tokenize([text])
    # the encoder does not know superscript and subscript digits, and reads them as normal digits
    spans = _spans(text, [entity for entity in entities if entity not in ("H", "O")])
    assert {span.start for span in spans} <= {start for start, _ in tokenized.words}
    assert {span.end for span in spans} <= {end for _, end in tokenized.words}


def test_a_run_that_was_hidden_is_tokenized_as_if_it_stood_alone() -> None:
    windower = Windower(load_tokenizer(packaged_encoder()), 256)
    glued, alone = windower.tokenize(["in Dakar🔥Amina today", "in Dakar 🔥 Amina today"])
    assert glued.token_ids == alone.token_ids


def test_models_from_before_keep_their_words(tiny_bert: Path) -> None:
    text = "a_b 500mg 서울에서"
    tokenizer = load_tokenizer(tiny_bert)
    (old,), (new,) = (Windower(tokenizer, 40, word_rules=rules).tokenize([text]) for rules in (1, 2))
    assert [text[start:end] for start, end in old.words] == ["a_b", "500mg", "서울에서"]
    assert [text[start:end] for start, end in new.words] == ["a", "_", "b", "500", "mg", "서", "울", "에", "서"]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(st.one_of(st.sampled_from("aZé1²_'🙏\u200b\u00ad\u0301 東서ไ™"), st.characters(codec="utf-8")))
)
def test_tokens_of_any_text_are_in_order_and_words_are_runs(tiny_model: Path, text: str) -> None:
    (tokenized,) = Windower(load_tokenizer(tiny_model), 40).tokenize([text])
    assert all(
        first < second for first, second in zip(tokenized.first_tokens, tokenized.first_tokens[1:], strict=False)
    )
    assert len(tokenized.first_tokens) == len(tokenized.words)
    runs = Runs.of(text, 2)
    end = 0
    for start, stop in tokenized.words:
        assert end <= start < stop
        assert runs.at(start)[0] == start
        assert runs.at(stop - 1)[1] == stop
        end = stop


def test_time_grows_with_the_length_alone() -> None:
    windower = Windower(load_tokenizer(packaged_encoder()), 256)
    (tokenized,) = windower.tokenize(["Dakar🔥Oslo " * 20_000])
    assert len(tokenized.words) == 60_000


@given(text=st.text(st.sampled_from([*"🇫🇷🇩👩🏽.", " ", "\n", "\u200d", "\u0301", "\u0903", "\u0600", "\ufe0f"])))
def test_a_character_that_is_no_letter_is_a_word_with_all_that_belongs_to_it(text: str) -> None:
    runs = Runs.of(text, 2)
    clusters = [match.span() for match in regex.finditer(r"(?!\s)\X", text)]
    assert list(zip(runs.starts, runs.ends, strict=True)) == clusters
