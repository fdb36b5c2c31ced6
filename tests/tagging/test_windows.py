from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from huggingface_ner.engines.pretrained import load_tokenizer
from huggingface_ner.tagging.inner_borders import InnerBorders
from huggingface_ner.tagging.windows import SHORT, Windower


@pytest.mark.parametrize("words", [1, 7, 8, 9, 30, 31, 500])
def test_each_word_is_decided_once_and_nothing_is_cut(tiny_model: Path, words: int) -> None:
    windower = Windower(load_tokenizer(tiny_model), max_length=12, overlap=4)
    (text,) = windower.tokenize(["Anna flew " * (words // 2) + "Anna" * (words % 2)])
    assert len(text.words) == words
    decided: list[int] = []
    for window in windower.windows(text):
        assert len(window.input_ids) <= 12
        assert window.first_word == len(decided)
        for offset, position in enumerate(window.positions):
            token = text.first_tokens[window.first_word + offset]
            assert window.input_ids[position] == text.token_ids[token]
            decided.append(window.first_word + offset)
    assert decided == list(range(words))


def test_a_word_in_an_overlap_is_decided_where_it_has_more_context(tiny_bert: Path) -> None:
    windower = Windower(load_tokenizer(tiny_bert), max_length=22, overlap=8)
    (text,) = windower.tokenize(["a " * 60])
    windows = list(windower.windows(text))
    assert len(windows) == 5
    # of the 8 tokens that two windows of 20 share, each decides the 4 that are nearer to its middle
    assert [len(window.positions) for window in windows[:2]] == [16, 12]


def test_the_stored_truncation_and_padding_are_switched_off(tiny_bert: Path) -> None:
    tokenizer = load_tokenizer(tiny_bert)
    tokenizer.backend_tokenizer.enable_truncation(5)
    tokenizer.backend_tokenizer.enable_padding(length=128)
    (text,) = Windower(tokenizer, 12).tokenize(["Anna " * 40])
    assert len(text.words) == 40


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Anna's e-mail", ["Anna", "'", "s", "e", "-", "mail"]),
        ("Cafe\u0301 Mu\u0308ller", ["Cafe\u0301", "Mu\u0308ller"]),
        ("one\r\ntwo", ["one", "two"]),
        ("小池氏", ["小", "池", "氏"]),
    ],
)
def test_words_come_from_the_text(tiny_bert: Path, text: str, words: list[str]) -> None:
    (tokenized,) = Windower(load_tokenizer(tiny_bert), 40).tokenize([text])
    assert [text[start:end] for start, end in tokenized.words] == words


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.one_of(st.sampled_from("aé😀\u0301\r\n 東京\u200d\ud83d\x00."), st.characters(codec=None))))
def test_words_of_any_text_are_ordered_and_apart(tiny_model: Path, text: str) -> None:
    windower = Windower(load_tokenizer(tiny_model), 40)
    (tokenized,) = windower.tokenize([text])
    assert tokenized == windower.tokenize([text, "a" * SHORT])[0], "long texts are tokenized in other threads"
    end = 0
    for word in tokenized.words:
        assert end <= word[0] < word[1] <= len(text)
        end = word[1]
    assert sorted(set(tokenized.first_tokens)) == tokenized.first_tokens


def test_the_parts_of_a_word_are_tokenized_as_if_they_stood_alone(tiny_model: Path) -> None:
    tokenizer = load_tokenizer(tiny_model)
    windower = Windower(tokenizer, 40, inner_borders=InnerBorders(prefixes=("al",), suffixes=("bb", "b")))
    text = "We flew alAnna to Zürichbb and Annabb."
    (cut,) = windower.tokenize([text])
    parts = ["We", "flew", "al", "Anna", "to", "Zürich", "b", "b", "and", "Anna", "b", "b", "."]
    assert [text[start:end] for start, end in cut.words] == parts
    (apart,) = Windower(tokenizer, 40).tokenize([" ".join(parts[:-1]) + "."])
    decode = tokenizer.backend_tokenizer.decode
    assert decode(cut.token_ids).replace(" ", "") == decode(apart.token_ids).replace(" ", "")
    (whole,) = Windower(tokenizer, 40).tokenize([text])
    unaffected = "We flew to Zürich."
    assert windower.tokenize([unaffected]) == Windower(tokenizer, 40).tokenize([unaffected])
    assert len(whole.words) < len(cut.words)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.one_of(st.sampled_from("abé東서😀\u0301\u00ad\n '."), st.characters(codec=None))))
def test_parts_of_words_are_ordered_and_apart(tiny_model: Path, text: str) -> None:
    tokenizer = load_tokenizer(tiny_model)
    borders = InnerBorders(prefixes=("a", "b", "東", "é"), suffixes=("a", "ab", "서", ".", "'a"))
    (whole,), (cut,) = (Windower(tokenizer, 40, inner_borders=each).tokenize([text]) for each in (None, borders))
    end = 0
    for start, stop in cut.words:
        assert end <= start < stop
        end = stop
    assert len(cut.first_tokens) == len(cut.words)
    assert sorted(set(cut.first_tokens)) == cut.first_tokens
    # no word is lost, and no two words are joined
    for start, stop in whole.words:
        parts = [text[first:last] for first, last in cut.words if start <= first < stop]
        assert "".join(parts) == text[start:stop]


def test_windows_without_room_are_refused(tiny_bert: Path) -> None:
    with pytest.raises(ValueError, match="no room"):
        Windower(load_tokenizer(tiny_bert), max_length=10, overlap=8)
