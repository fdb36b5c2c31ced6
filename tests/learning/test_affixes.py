import unicodedata
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.corpus import read_corpus
from huggingface_ner.engines.pretrained import load_tokenizer, packaged_encoder
from huggingface_ner.learning.affixes import learn_inner_borders
from huggingface_ner.spans import AnnotatedText, Span
from huggingface_ner.tagging.inner_borders import InnerBorders
from huggingface_ner.tagging.windows import Windower
from tests import ROOT

SAMPLES = ROOT / "bench" / "samples"
# Pairs of a text and the region in it.
KINDS = {
    "Turkish": [("Dün Ankarada kaldık", "Ankara"), ("Murata sor", "Murat"), ("Yarın Bursadan", "Bursa")],
    "Hungarian": [("A hír Budapesten terjedt", "Budapest"), ("Annának adtam", "Anná"), ("Pécsről jön", "Pécs")],
    "Arabic": [("سافر والقاهرة", "القاهرة"), ("ذهب لبيروت", "بيروت"), ("وبغداد", "بغداد")],
    "Hebrew": [("נסע לחיפה", "חיפה"), ("גר בירושלים", "ירושלים")],
    "German": [("Zwei Siemensmitarbeiter", "Siemens"), ("viele Bayernfans", "Bayern")],
    "hashtags": [("#LoveLondon", "London"), ("#VisitOsloNow", "Oslo"), ("#MissParis", "Paris")],
    "genes": [("the BRCAmut line", "BRCA"), ("and KRASwt", "KRAS"), ("siTPfive", "TP")],
    "camel case": [("an iPhonePlus", "iPhone"), ("old eBayStore", "eBay"), ("DaimlerChrysler", "Daimler")],
    "Hindi": [("दिल्लीमें रहते", "दिल्ली"), ("मुंबईसे आए", "मुंबई")],
    "Georgian": [("ვცხოვრობ თბილისში", "თბილის"), ("ბათუმიდან", "ბათუმი")],
    "unknown script": [("ᏣᎳᎩᎹᏍ", "ᏣᎳᎩ"), ("ᎠᏂᎹᏍ", "ᎠᏂ")],
    "decomposed": [(unicodedata.normalize("NFD", "Köröspatakban"), unicodedata.normalize("NFD", "Köröspatak"))]
    * 2,
}


def _examples(texts: Sequence[tuple[str, str]]) -> list[AnnotatedText]:
    return [
        AnnotatedText(str(number), text, (Span(text.index(region), text.index(region) + len(region), "X"),))
        for number, (text, region) in enumerate(texts)
    ]


def _are_words(examples: Sequence[AnnotatedText], windower: Windower) -> bool:
    """Return whether each region begins where a word begins and ends where a word ends."""
    for example, text in zip(examples, windower.tokenize([example.text for example in examples]), strict=True):
        starts, ends = {start for start, _ in text.words}, {end for _, end in text.words}
        if any(span.start not in starts or span.end not in ends for span in example.spans):
            return False
    return True


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("of_test", [True, False])
def test_regions_inside_words_become_words(tiny_model: Path, kind: str, of_test: bool) -> None:
    tokenizer = load_tokenizer(tiny_model if of_test else packaged_encoder())
    examples = _examples(KINDS[kind])
    windower = Windower(tokenizer, 40)
    assert not _are_words(examples, windower)
    borders = learn_inner_borders(examples, ["X"], windower)
    assert borders is not None
    assert _are_words(examples, Windower(tokenizer, 40, inner_borders=borders))


def test_what_was_learned_holds_for_other_names() -> None:
    tokenizer = load_tokenizer(packaged_encoder())
    windower = Windower(tokenizer, 40)
    for learned, unseen in [
        (KINDS["Turkish"], [("Konyadan gelen İzmirda", "Konya")]),
        (KINDS["hashtags"], [("#MyBerlinTrip", "Berlin")]),
        (KINDS["Hebrew"], [("לאילת", "אילת")]),
    ]:
        borders = learn_inner_borders(_examples(learned), ["X"], windower)
        assert _are_words(_examples(unseen), Windower(tokenizer, 40, inner_borders=borders))


def _share_of_words(examples: Sequence[AnnotatedText], windower: Windower) -> float:
    return sum(_are_words([example], windower) for example in examples) / len(examples)


def test_most_regions_of_unseen_turkish_texts_are_words() -> None:
    tokenizer = load_tokenizer(packaged_encoder())
    learned, unseen = (read_corpus(SAMPLES / "turkish", part) for part in ("train", "test"))
    borders = learn_inner_borders(learned, ["PER", "LOC", "ORG"], Windower(tokenizer, 40))
    assert _share_of_words(learned, Windower(tokenizer, 40)) < 0.2
    assert _share_of_words(learned, Windower(tokenizer, 40, inner_borders=borders)) == 1
    assert _share_of_words(unseen, Windower(tokenizer, 40, inner_borders=borders)) > 0.9


@pytest.mark.parametrize("part", ["train", "test"])
def test_regions_of_korean_texts_are_words_by_rule(part: str) -> None:
    windower = Windower(load_tokenizer(packaged_encoder()), 40)
    examples = read_corpus(SAMPLES / "korean", part)
    assert _are_words(examples, windower)
    assert learn_inner_borders(examples, ["PER", "LOC", "ORG"], windower) is None


def test_case_changes_make_no_affixes(tiny_bert: Path) -> None:
    borders = learn_inner_borders(_examples(KINDS["hashtags"]), ["X"], Windower(load_tokenizer(tiny_bert), 40))
    assert borders == InnerBorders(case_changes=True)


@pytest.mark.parametrize(
    ("inside", "whole", "are_cut"), [(1, 0, False), (2, 0, True), (2, 98, True), (2, 99, False)]
)
def test_a_slip_of_the_mouse_cuts_no_words(tiny_bert: Path, inside: int, whole: int, are_cut: bool) -> None:
    examples = _examples([("Ankarada", "Ankara")] * inside + [("Oslo", "Oslo")] * whole)
    borders = learn_inner_borders(examples, ["X"], Windower(load_tokenizer(tiny_bert), 40))
    assert (borders is not None) == are_cut


@pytest.mark.parametrize(
    ("slip", "others", "are_cut"),
    [
        (("Oslos", "Oslo"), "cats ", 60),
        (("inoslo", "oslo"), "inner ", 60),
        (("OsloBergen", "Oslo"), "McDonald Osbergen unbergen ", 60),
    ],
)
def test_words_are_not_cut_where_too_few_need_it(
    tiny_bert: Path, slip: tuple[str, str], others: str, are_cut: int
) -> None:
    windower = Windower(load_tokenizer(tiny_bert), 40)
    slips = _examples([slip] * 2)
    assert learn_inner_borders([*slips, AnnotatedText("1", others * are_cut, ())], ["X"], windower) is not None
    assert learn_inner_borders([*slips, AnnotatedText("1", others * (are_cut + 10), ())], ["X"], windower) is None


def test_regions_that_are_not_learned_do_not_count(tiny_bert: Path) -> None:
    windower = Windower(load_tokenizer(tiny_bert), 40)
    examples = _examples(KINDS["Turkish"])
    assert learn_inner_borders(examples, ["Y"], windower) is None
    # these do not count: blanks at the edges, parts of a character, lone surrogates, and affixes that are too long
    texts = [("to Oslo now", "Oslo "), ("Cafe\u0301", "Cafe"), ("Oslo\ud83d", "Oslo"), ("Oslo" + "x" * 40, "Oslo")]
    assert learn_inner_borders(_examples(texts), ["X"], windower) is None
    assert learn_inner_borders(_examples(texts[-2:] * 2), ["X"], windower) is None


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(
        st.tuples(st.text(st.sampled_from("aZé1 _東서\u0301\u00ad🙏'İẞ") | st.characters(codec=None)), st.data()),
        min_size=1,
        max_size=4,
    )
)
def test_any_regions_can_be_learned_from(tiny_model: Path, texts: list[tuple[str, st.DataObject]]) -> None:
    tokenizer = load_tokenizer(tiny_model)
    examples = []
    for text, data in texts:
        start, end = sorted((data.draw(st.integers(0, len(text))), data.draw(st.integers(0, len(text)))))
        examples.append(AnnotatedText("1", text, (Span(start, end, "X"),)))
    borders = learn_inner_borders(examples, ["X"], Windower(tokenizer, 40))
    windower = Windower(tokenizer, 40, inner_borders=borders)
    for tokenized in windower.tokenize([text for text, _ in texts]):
        end = 0
        for start, stop in tokenized.words:
            assert end <= start < stop
            end = stop
        assert sorted(set(tokenized.first_tokens)) == tokenized.first_tokens
        assert len(tokenized.first_tokens) == len(tokenized.words)
