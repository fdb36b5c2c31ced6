from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huggingface_ner.engines.pretrained import load_tokenizer
from huggingface_ner.learning.dataset import IGNORED, label_windows, word_tags
from huggingface_ner.left_out import LeftOut
from huggingface_ner.spans import AnnotatedText, Span, drop_overlaps
from huggingface_ner.tagging.tag_groups import TagGroups
from huggingface_ner.tagging.windows import Windower

GROUPS = TagGroups.bio([["PER", "LOC"]])
(SCHEME,) = GROUPS.schemes


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 10))))
def test_of_overlapping_spans_the_longer_wins(stretches: list[tuple[int, int]]) -> None:
    spans = [Span(start, start + length, "PER") for start, length in stretches]
    kept = drop_overlaps(spans)
    assert kept == sorted(kept)
    assert all(one.end <= other.start for one, other in pairwise(kept))
    for span in set(spans) - set(kept):
        rivals = [other for other in kept if other.start < span.end and span.start < other.end]
        assert any(other.end - other.start >= span.end - span.start for other in rivals)


def test_words_get_the_tags_of_the_spans_that_touch_them(tiny_bert: Path) -> None:
    windower = Windower(load_tokenizer(tiny_bert), 40)
    text = "Anna Kovács Zürich Oslo"
    (tokenized,) = windower.tokenize([text])
    spans = [Span(0, 11, "PER"), Span(12, 18, "LOC"), Span(19, 21, "LOC")]
    names = [SCHEME.names[tag] for tag in word_tags(tokenized, spans, SCHEME)]
    assert names == ["B-PER", "I-PER", "B-LOC", "B-LOC"]


def test_windows_teach_the_whole_of_a_long_text(tiny_model: Path) -> None:
    windower = Windower(load_tokenizer(tiny_model), 16)
    text = "Anna flew . " * 50
    spans = tuple(Span(match, match + 4, "PER") for match in range(0, len(text), 12))
    dataset = label_windows([AnnotatedText("1", text, spans)], windower, GROUPS)
    taught = [label for row in dataset["labels"] for label in row if label != IGNORED]
    assert len(dataset) > 5
    assert [SCHEME.names[label] for label in taught] == ["B-PER", "O", "O"] * 50
    assert all(len(row["input_ids"]) == len(row["labels"]) <= 16 for row in dataset)


@pytest.mark.parametrize("on_disk", [True, False])
def test_what_is_left_out_is_counted(tiny_bert: Path, tmp_path: Path, on_disk: bool) -> None:
    windower = Windower(load_tokenizer(tiny_bert), 40)
    spans = (
        *(Span(0, 4, "PER"), Span(0, 9, "LOC"), Span(5, 9, "PER"), Span(0, 9, "PER"), Span(7, 14, "LOC")),
        *(Span(0, 9, "LOC"), Span(10, 14, "DATE")),
    )
    examples = [AnnotatedText("1", "Anna flew away", spans)] * 2
    left_out = LeftOut()
    label_windows(examples, windower, GROUPS, tmp_path if on_disk else None, left_out)
    assert left_out.regions == {
        ("inside", "PER"): 4,
        ("overlap", "PER"): 2,
        ("overlap", "LOC"): 2,
        ("duplicate", "LOC"): 2,
        ("unknown_label", "DATE"): 2,
    }


def test_a_region_that_gets_no_word_is_counted(tiny_bert: Path) -> None:
    windower = Windower(load_tokenizer(tiny_bert), 40)
    (tokenized,) = windower.tokenize(["Annaberg flew"])
    left_out = LeftOut()
    word_tags(tokenized, [Span(0, 4, "PER"), Span(4, 8, "LOC"), Span(8, 9, "PER")], SCHEME, left_out)
    assert left_out.regions == {("shared_word", "LOC"): 1, ("no_word", "PER"): 1, ("part_of_word", "PER"): 1}
    assert left_out.regions_left_out == 2


@pytest.mark.parametrize(
    ("start", "end", "is_part"), [(0, 13, False), (0, 8, False), (0, 4, True), (4, 8, True), (0, 12, True)]
)
def test_a_region_that_is_learned_as_whole_words_is_counted(
    tiny_bert: Path, start: int, end: int, is_part: bool
) -> None:
    (tokenized,) = Windower(load_tokenizer(tiny_bert), 40).tokenize(["Annaberg flew"])
    left_out = LeftOut()
    word_tags(tokenized, [Span(start, end, "PER")], SCHEME, left_out)
    assert left_out.regions == ({("part_of_word", "PER"): 1} if is_part else {})
    assert left_out.regions_left_out == 0
