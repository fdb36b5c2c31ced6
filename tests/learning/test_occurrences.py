"""Occurrences of annotated strings are the ones that a simple comparison of words finds."""

from hypothesis import given
from hypothesis import strategies as st

from huggingface_ner.learning.occurrences import UNMARKED, AnnotatedStrings
from huggingface_ner.spans import AnnotatedText, Span


def annotated(text: str, *spans: tuple[str, str], task: str = "1") -> AnnotatedText:
    """Return a text in which the first occurrence of each string is annotated with its label."""
    found = [Span(text.index(string), text.index(string) + len(string), label) for string, label in spans]
    return AnnotatedText(task, text, tuple(sorted(found)))


def occurrences(
    texts: list[AnnotatedText], text: AnnotatedText, *layers: tuple[str, ...]
) -> list[tuple[str, str]]:
    strings = AnnotatedStrings(texts, layers or (("LOC", "ORG", "PER"),))
    return [(one.string, one.label) for one in strings.find(text)]


def test_strings_occur_as_whole_words_and_as_they_are_written() -> None:
    texts = [annotated("Paris", ("Paris", "LOC"))]
    assert occurrences(texts, annotated("Parisians like Paris, not paris or PARIS")) == [("Paris", UNMARKED)]
    assert occurrences(texts, annotated("Paris-Lyon (Paris)", ("Paris", "ORG"))) == [
        ("Paris", "ORG"),
        ("Paris", UNMARKED),
    ]


def test_an_occurrence_inside_a_longer_span_is_left_out() -> None:
    texts = [annotated("New York", ("New York", "LOC")), annotated("New York Times", ("New York Times", "ORG"))]
    assert occurrences(texts, texts[1]) == [("New York Times", "ORG")]
    both = annotated("New York Times", ("New York", "LOC"))
    assert occurrences(texts, both) == [("New York", "LOC"), ("New York Times", UNMARKED)]


def test_each_layer_has_strings_of_its_own() -> None:
    text = AnnotatedText("1", "Paris", (Span(0, 5, "LOC"), Span(0, 5, "topic/LOC")))
    other = annotated("Paris", ("Paris", "LOC"))
    layers = (("LOC",), ("topic/LOC",))
    assert occurrences([text], text, *layers) == [("Paris", "LOC"), ("Paris", "topic/LOC")]
    assert occurrences([text], other, *layers) == [("Paris", "LOC"), ("Paris", UNMARKED)]
    assert occurrences([other], text, *layers) == [("Paris", "LOC")]


def test_a_span_without_words_or_over_a_passage_is_not_looked_for() -> None:
    passage = annotated("a " * 20, ("a " * 19 + "a", "PER"))
    assert occurrences([passage, AnnotatedText("2", " ", (Span(0, 1, "PER"),))], passage) == []


WORDS = st.lists(st.sampled_from("abc"), max_size=7)


@given(st.lists(st.tuples(WORDS, st.integers(0, 6), st.integers(1, 3)), max_size=4), WORDS)
def test_any_string_is_found_where_its_words_are(
    drawn: list[tuple[list[str], int, int]], words: list[str]
) -> None:
    texts, strings = [], set()
    for own, start, length in drawn:
        if start + length <= len(own):
            string = " ".join(own[start : start + length])
            texts.append(AnnotatedText("1", " ".join(own), (Span(2 * start, 2 * start + len(string), "PER"),)))
            strings.add(string)
    found = occurrences(texts, AnnotatedText("2", " ".join(words), ()))
    expected = [
        " ".join(words[start:end]) for start in range(len(words)) for end in range(start + 1, len(words) + 1)
    ]
    assert sorted(found) == sorted((string, UNMARKED) for string in expected if string in strings)
