from huggingface_ner.learning.augmentation import MentionReplacement
from huggingface_ner.learning.dataset import IGNORED
from huggingface_ner.tagging.tag_groups import TagGroups

GROUPS = TagGroups.bio([["PER", "LOC"]])
OUTSIDE, B_PER, I_PER, B_LOC = range(4)
# two windows: a PER of three tokens, and a PER of one beside a LOC of one
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
