import json
import unicodedata
from itertools import pairwise

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from huggingface_ner.tagging.inner_borders import InnerBorders

TURKISH = InnerBorders(suffixes=("da", "dan", "nın", "ın"))
AFFIXES = st.lists(st.text("aZéन्Ⅱ\u0301İß", min_size=1, max_size=3).map(str.lower), max_size=5).map(tuple)


@pytest.mark.parametrize(
    ("borders", "word", "parts"),
    [
        (TURKISH, "Ankarada", ["Ankara", "da"]),
        (TURKISH, "ANKARADAN", ["ANKARA", "DAN"]),
        (TURKISH, "Ankaranın", ["Ankara", "n", "ın"]),
        (TURKISH, "Ankara", ["Ankara"]),
        (TURKISH, "da", ["da"]),
        (InnerBorders(prefixes=("و", "وال")), "والقاهرة", ["و", "ال", "قاهرة"]),
        (InnerBorders(prefixes=("anti",), suffixes=("fans",)), "AntiBayernfans", ["Anti", "Bayern", "fans"]),
        (InnerBorders(case_changes=True), "LoveNewYork", ["Love", "New", "York"]),
        (InnerBorders(case_changes=True), "NATO", ["NATO"]),
        (InnerBorders(case_changes=True), unicodedata.normalize("NFD", "CaféÖsterreich"), None),
        # the mark belongs to the letter before it
        (InnerBorders(suffixes=("\u0301s",)), "Cafe\u0301s", ["Cafe\u0301s"]),
        (InnerBorders(), "Ankarada", ["Ankarada"]),
    ],
)
def test_words_are_cut_at_affixes(borders: InnerBorders, word: str, parts: list[str] | None) -> None:
    parts = parts or [unicodedata.normalize("NFD", part) for part in ("Café", "Österreich")]
    cuts = [0, *borders.cuts(word), len(word)]
    assert [word[start:end] for start, end in pairwise(cuts)] == parts


@given(prefixes=AFFIXES, suffixes=AFFIXES, case_changes=st.booleans(), word=st.text(min_size=1))
def test_cuts_are_between_clusters(
    prefixes: tuple[str, ...], suffixes: tuple[str, ...], case_changes: bool, word: str
) -> None:
    borders = InnerBorders(prefixes=prefixes, suffixes=suffixes, case_changes=case_changes)
    cuts = borders.cuts(word)
    assert cuts == sorted(set(cuts))
    assert all(0 < cut < len(word) for cut in cuts)
    parts = [word[start:end] for start, end in zip([0, *cuts], [*cuts, len(word)], strict=True)]
    assert [cluster for part in parts for cluster in regex.findall(r"\X", part)] == regex.findall(r"\X", word)


def test_a_word_of_any_length_is_cut_in_linear_time() -> None:
    word = "a" * 1_000_000 + "da"
    assert TURKISH.cuts(word) == [1_000_000]


def test_they_survive_json() -> None:
    saved = json.loads(json.dumps(TURKISH.model_dump(mode="json")))
    assert InnerBorders.model_validate(saved) == TURKISH
