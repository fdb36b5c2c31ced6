from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from huggingface_ner.learning.augmentation import Feature, MentionReplacement
from huggingface_ner.learning.dataset import IGNORED, word_tags
from huggingface_ner.learning.overlaps import learnable_spans
from huggingface_ner.left_out import LeftOut
from huggingface_ner.spans import Span
from huggingface_ner.tagging.tag_groups import TagGroups
from huggingface_ner.tagging.windows import TokenizedText

GROUPS = TagGroups.bio([["PER", "LOC"]])
OUTSIDE, B_PER, I_PER, B_LOC = range(4)
# two windows: the first has a PER of three tokens; the second has a PER of one token beside a LOC of one token
FEATURES = [
    {"input_ids": [101, 7, 8, 9, 20, 102], "labels": [IGNORED, B_PER, IGNORED, I_PER, OUTSIDE, IGNORED]},
    {"input_ids": [101, 5, 6, 21, 102], "labels": [IGNORED, B_PER, B_LOC, OUTSIDE, IGNORED]},
]


def _augmented(share: float, max_length: int = 50) -> set[tuple[int, ...]]:
    augment = MentionReplacement(FEATURES, GROUPS, share=share, max_length=max_length, seed=0)
    return {tuple(augment(FEATURES[1])["input_ids"]) for _ in range(50)}


def test_mentions_are_replaced_by_others_of_their_label() -> None:
    assert _augmented(1.0) == {(101, 5, 6, 21, 102), (101, 7, 8, 9, 6, 21, 102)}


def test_labels_go_with_the_tokens() -> None:
    augment = MentionReplacement(FEATURES, GROUPS, share=1.0, max_length=50, seed=0)
    labels = {tuple(result["input_ids"]): result["labels"] for result in (augment(FEATURES[1]) for _ in range(50))}
    assert labels[101, 7, 8, 9, 6, 21, 102] == [IGNORED, B_PER, IGNORED, I_PER, B_LOC, OUTSIDE, IGNORED]


def test_no_window_outgrows_the_model_and_a_share_of_0_changes_nothing() -> None:
    assert _augmented(1.0, max_length=6) == _augmented(0.0) == {(101, 5, 6, 21, 102)}


def test_the_windows_themselves_stay_as_they_are() -> None:
    augment = MentionReplacement(FEATURES, GROUPS, share=1.0, max_length=50, seed=0)
    for feature in FEATURES:
        before = {key: list(value) for key, value in feature.items()}
        augment(feature)
        assert feature == before


LAYERS = TagGroups.bio([["PER"], ["CLAIM"]])
NONE = (IGNORED, IGNORED)
O, B, I = range(3)  # noqa: E741
ONE: Feature = {"input_ids": [101, 5, 20, 102], "labels": [NONE, (B, O), (O, O), NONE]}
# a CLAIM that begins with a PER of two words and three tokens, and ends with another PER
TWO: Feature = {
    "input_ids": [101, 7, 8, 9, 30, 6, 21, 102],
    "labels": [NONE, (B, B), NONE, (I, I), (O, I), (B, I), (O, O), NONE],
}


def _augmented_layers(
    feature: Feature, features: list[Feature], groups: TagGroups = LAYERS
) -> list[dict[str, Any]]:
    augment = MentionReplacement(features, groups, share=1.0, max_length=50, seed=0)
    return [augment(feature) for _ in range(50)]


def test_the_entity_around_a_mention_stays() -> None:
    claims = {
        tuple(result["input_ids"]): [*map(tuple, result["labels"])]
        for result in _augmented_layers(TWO, [ONE, TWO])
    }
    # both mentions become the single word 5, and the claim begins and ends with them
    assert claims[101, 5, 30, 5, 21, 102] == [NONE, (B, B), (O, I), (B, I), (O, O), NONE]
    # the two words that replace the last mention are inside the claim
    assert claims[101, 5, 30, 7, 8, 9, 21, 102] == [
        *(NONE, (B, B), (O, I), (B, I), NONE, (I, I), (O, O), NONE),
    ]


def test_entities_inside_a_mention_come_with_it() -> None:
    bare: Feature = {"input_ids": [101, 40, 41, 102], "labels": [NONE, (O, B), (O, O), NONE]}
    results = _augmented_layers(bare, [TWO, bare])
    assert {tuple(result["input_ids"]) for result in results} == {
        (101, 40, 41, 102),
        (101, 7, 8, 9, 30, 6, 41, 102),
    }
    long = next(result for result in results if 7 in result["input_ids"])
    assert [*map(tuple, long["labels"])] == [NONE, (B, B), NONE, (I, I), (O, I), (B, I), (O, O), NONE]


def test_a_mention_that_overlaps_another_in_part_stays_as_it_is() -> None:
    crossed: Feature = {
        "input_ids": [101, 1, 2, 3, 4, 102],
        "labels": [NONE, (B, O), (I, B), (O, I), (O, O), NONE],
    }
    results = _augmented_layers(crossed, [crossed, ONE])
    assert {tuple(result["input_ids"]) for result in results} == {(101, 1, 2, 3, 4, 102)}
    assert {tuple(result["input_ids"]) for result in _augmented_layers(ONE, [crossed, ONE])} == {(101, 5, 20, 102)}


@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 5), st.integers(1, 4), st.sampled_from(["PER", "CLAIM"])), max_size=5),
        min_size=1,
        max_size=4,
    )
)
def test_tags_stay_legal_in_every_group(texts: list[list[tuple[int, int, str]]]) -> None:
    groups = TagGroups.bio([["PER"], ["CLAIM"], ["PER"]])
    words = TokenizedText([0] * 10, [(n, n + 1) for n in range(10)], list(range(10)))
    features: list[Feature] = []
    for number, places in enumerate(texts):
        spans = [Span(start, start + length, label) for start, length, label in places]
        learned = learnable_spans(spans, groups.labels_by_group, LeftOut())
        tags = [word_tags(words, kept, scheme) for kept, scheme in zip(learned, groups.schemes, strict=True)]
        ids = [100 * number + word for word in range(10)]
        features.append({"input_ids": ids, "labels": list(zip(*tags, strict=True))})
    for feature in features:
        for result in _augmented_layers(feature, features, groups)[:5]:
            assert len(result["input_ids"]) == len(result["labels"])
            for group in range(len(groups.schemes)):
                column = [row[group] for row in result["labels"]]
                assert all(label != I or before != O for before, label in pairwise([O, *column]))
