"""Finding many strings at once gives the same result as a search for each of them."""

from hypothesis import given
from hypothesis import strategies as st

from huggingface_ner.label_studio.occurrences import is_whole
from huggingface_ner.mentions.string_finder import StringFinder, places_of

ALPHABET = "aab .-東京パ\u0301é😀1"
STRINGS = st.text(ALPHABET, min_size=1, max_size=5)


@given(st.lists(st.tuples(st.booleans(), STRINGS), max_size=30), st.text(ALPHABET, max_size=40))
def test_finds_what_a_search_for_each_string_finds(steps: list[tuple[bool, str]], text: str) -> None:
    finder, kept = StringFinder(), set[str]()
    for is_added, string in steps:
        if is_added:
            finder.add(string)
            kept.add(string)
        else:
            finder.discard(string)
            kept.discard(string)
    assert len(finder) == len(kept)
    assert all((string in finder) == (string in kept) for _, string in steps)
    stretches = [(start, end) for start in range(len(text)) for end in range(start + 1, len(text) + 1)]
    same = [(start, end) for start, end in stretches if text[start:end] in kept]
    assert sorted(finder.find(text)) == [place for place in same if is_whole(text, *place)]
    for string in kept:
        found = [(start, end) for start, end in finder.find(text) if text[start:end] == string]
        assert places_of(string, text) == found


def test_an_emptied_finder_searches_nothing() -> None:
    finder = StringFinder(["Paris", "Pa"])
    finder.discard("Paris")
    finder.discard("Pa")
    finder.discard("Pa")
    assert list(finder.find("Paris")) == []
    assert len(finder) == 0
