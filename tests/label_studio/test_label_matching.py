from collections.abc import Sequence

import pytest

from huggingface_ner.label_studio import controls
from huggingface_ner.label_studio.controls import LabelNames, SpanControl
from huggingface_ner.label_studio.label_matching import match_labels
from huggingface_ner.label_studio.labeling_config import LabelingConfig, parse_labeling_config


@pytest.fixture
def config() -> LabelingConfig:
    return parse_labeling_config(
        '<View><Labels name="l" toName="t"><Label value="Person"/>'
        '<Label value="Place" predicted_values="B-LOC, GPE"/>'
        '<Label value="Wirkstoff" alias="drug"/></Labels><Text name="t" value="$t"/></View>'
    )


def test_labels_without_a_counterpart_are_named_on_both_sides(config: LabelingConfig) -> None:
    match = match_labels(("PER", "MISC", "GPE"), config)
    assert match.unmatched_model == ("MISC",)
    assert match.unmatched_config == ("drug",)
    assert not match.is_empty
    assert not match.is_complete
    assert "MISC" in str(match)
    assert "drug" in str(match)


@pytest.mark.parametrize("labels", [("LABEL_0", "LABEL_1"), ()])
def test_a_model_that_matches_nothing_says_so(config: LabelingConfig, labels: tuple[str, ...]) -> None:
    match = match_labels(labels, config)
    assert match.is_empty
    assert match.unmatched_model == labels
    assert match.unmatched_config == config.label_names
    assert "nothing is suggested" in str(match)
    assert all(label in str(match) for label in (*labels, *config.label_names))


def test_a_model_may_know_more_than_the_config(config: LabelingConfig) -> None:
    match = match_labels(("PER", "LOC", "MISC", "Wirkstoff"), config)
    assert match.unmatched_config == ()
    assert match.is_complete
    assert match.unmatched_model == ("MISC",)


def test_a_label_of_the_model_can_have_another_name_over_a_second_text() -> None:
    config = parse_labeling_config(
        '<View><Labels name="l" toName="t"><Label value="PER"/></Labels><Text name="t" value="$t"/>'
        '<Labels name="m" toName="u"><Label value="Person" alias="P"/><Label value="Ort"/></Labels>'
        '<Text name="u" value="$u"/></View>'
    )
    assert match_labels(("PER",), config).unmatched_config == ("Ort",)


def test_the_names_of_labels_are_listed_once_for_all_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    listed: list[int] = []

    class Counted(LabelNames):
        def __init__(self, controls: Sequence[SpanControl]) -> None:
            listed.append(len(controls))
            super().__init__(controls)

    monkeypatch.setattr(controls, "LabelNames", Counted)
    labels = "".join(f'<Label value="L{number}"/>' for number in range(5))
    config = parse_labeling_config(
        f'<View><Labels name="l" toName="a,b">{labels}</Labels><Text name="a" value="$a"/>'
        '<Text name="b" value="$b"/><!-- a config that no other test has read --></View>'
    )
    names = config.match_labels(["MISC"])
    for text_object in config.objects * 10:
        assert config.suggesting_control("MISC", names, text_object) is None
    assert listed == [2, 1, 1]
