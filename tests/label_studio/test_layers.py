"""Several controls over one text: what a model learns from each, and which control makes each suggestion."""

from typing import Any

import pytest

from huggingface_ner.label_studio.gold import read_gold
from huggingface_ner.label_studio.labeling_config import LabelingConfig, parse_labeling_config
from huggingface_ner.label_studio.layers import MAX_LAYERS
from huggingface_ner.label_studio.predictions import predict_tasks
from huggingface_ner.label_studio.tasks import TaskReader
from huggingface_ner.spans import Span, TaggedText

TEXT = "Anna lives in Lyon"


def _config(*controls: tuple[str, str, str], objects: str = '<Text name="text" value="$text"/>') -> LabelingConfig:
    """Return a config with these controls, each given as its name, its toName and its labels."""
    made = [
        f'<Labels name="{name}" toName="{to}">{"".join(f"<Label value={label!r}/>" for label in labels.split())}'
        "</Labels>"
        for name, to, labels in controls
    ]
    return parse_labeling_config(f"<View>{''.join(made)}{objects}</View>".replace("'", '"'))


def _reader() -> TaskReader:
    def fetch(url: str) -> str:
        raise AssertionError(url)

    return TaskReader(fetch, "http://localhost")


def _region(control: str, start: int, end: int, label: str, to: str = "text") -> dict[str, Any]:
    value = {"start": start, "end": end, "text": TEXT[start:end], "labels": [label]}
    return {"from_name": control, "to_name": to, "type": "labels", "value": value}


def _places(regions: list[dict[str, Any]]) -> list[tuple[str, str, int, int, str]]:
    return [
        (
            *(region["from_name"], region["to_name"]),
            *(region["value"]["start"], region["value"]["end"], *region["value"]["labels"]),
        )
        for region in regions
    ]


TWO_TEXTS = '<Text name="text" value="$text"/><Text name="title" value="$title"/>'


@pytest.mark.parametrize(
    ("config", "layers"),
    [
        (_config(("entity", "text", "PER LOC")), (("PER", "LOC"),)),
        (_config(("entity", "text", "PER LOC"), ("kind", "text", "CLAIM")), (("PER", "LOC"), ("CLAIM",))),
        # a control with several objects is one control, and regions over different texts never overlap
        (_config(("entity", "text,title", "PER LOC"), objects=TWO_TEXTS), (("PER", "LOC"),)),
        (
            _config(("one", "text", "PER LOC"), ("two", "title", "LOC ORG"), objects=TWO_TEXTS),
            (("PER", "LOC", "ORG"),),
        ),
        (
            _config(("a", "text", "PER"), ("b", "text,title", "CLAIM"), ("c", "title", "ORG"), objects=TWO_TEXTS),
            (("PER", "ORG"), ("CLAIM",)),
        ),
        # the same label in two controls over one text
        (
            _config(("entity", "text", "PER LOC"), ("kind", "text", "PER CLAIM")),
            (("entity/PER", "LOC"), ("kind/PER", "CLAIM")),
        ),
        # other labels already have the names "a/PER" and "b/PER"
        (
            _config(("a", "text", "PER b/PER"), ("b", "text", "PER a/PER"), ("c", "text", "x")),
            (("a//PER", "b/PER"), ("b//PER", "a/PER"), ("x",)),
        ),
    ],
)
def test_controls_over_one_text_are_layers(config: LabelingConfig, layers: tuple[tuple[str, ...], ...]) -> None:
    assert config.layers == layers
    assert sorted(config.label_names) == sorted(label for layer in layers for label in layer)


def test_the_number_of_layers_is_bounded() -> None:
    config = _config(*((f"c{number}", "text", f"L{number} PER") for number in range(MAX_LAYERS + 5)))
    assert len(config.layers) == MAX_LAYERS
    assert config.layers[-1] == (
        f"L{MAX_LAYERS - 1}",
        f"c{MAX_LAYERS - 1}/PER",
        *(f"L{MAX_LAYERS + n}" for n in range(5)),
    )


REGIONS = [_region("kind", 0, 18, "CLAIM"), _region("entity", 0, 4, "PER"), _region("kind", 0, 4, "PER")]


def test_what_is_learned_is_suggested_where_it_was_annotated() -> None:
    config = _config(("entity", "text", "PER LOC"), ("kind", "text", "PER CLAIM"))
    task = {"id": 1, "data": {"text": TEXT}, "annotations": [{"result": REGIONS}]}
    (gold,) = read_gold([task], config, _reader())
    assert gold.spans == (Span(0, 4, "entity/PER"), Span(0, 4, "kind/PER"), Span(0, 18, "CLAIM"))
    (prediction,) = predict_tasks(
        [task],
        config,
        config.match_labels(config.label_names),
        _reader(),
        lambda texts: [TaggedText(list(gold.spans), 0.5) for _ in texts],
    )
    assert sorted(_places(prediction["result"])) == sorted(_places(REGIONS))


def test_the_copies_of_a_repeated_control_learn_together() -> None:
    labels = '<Label value="PER"/><Label value="{0}"/>'
    config = parse_labeling_config(
        '<View><Repeater on="$turns" indexFlag="{{i}}"><Text name="t{{i}}" value="$turns[{{i}}].text"/>'
        f'<Labels name="e{{{{i}}}}" toName="t{{{{i}}}}">{labels.format("LOC")}</Labels>'
        f'<Labels name="k{{{{i}}}}" toName="t{{{{i}}}}">{labels.format("CLAIM")}</Labels></Repeater></View>'
    )
    assert config.layers == (("e{{i}}/PER", "LOC"), ("k{{i}}/PER", "CLAIM"))
    regions = [_region(f"{name}{index}", 0, 4, "PER", to=f"t{index}") for index in (0, 1) for name in "ek"]
    turns = [{"text": TEXT}, {"text": TEXT}]
    task = {"id": 1, "data": {"turns": turns}, "annotations": [{"result": regions}]}
    gold = list(read_gold([task], config, _reader()))
    assert [text.spans for text in gold] == [(Span(0, 4, "e{{i}}/PER"), Span(0, 4, "k{{i}}/PER"))] * 2
    (prediction,) = predict_tasks(
        [task],
        config,
        config.match_labels(config.label_names),
        _reader(),
        lambda texts: [TaggedText(list(gold[0].spans), 0.5) for _ in texts],
    )
    assert sorted(_places(prediction["result"])) == sorted(_places(regions))


def test_a_model_finds_its_labels_after_a_control_was_added_or_removed() -> None:
    one, two = (
        _config(("entity", "text", "PER LOC")),
        _config(("entity", "text", "PER LOC"), ("kind", "text", "PER")),
    )
    assert one.match_labels(two.label_names) == {"entity/PER": "PER", "LOC": "LOC"}
    assert two.match_labels(one.label_names) == {"PER": "entity/PER", "LOC": "LOC"}
    # the labels of models on the Hub do not name controls
    assert two.match_labels(["Person"]) == {"Person": "entity/PER"}


def test_spans_that_overlap_are_suggested_once_where_a_border_leaves_the_same_part() -> None:
    config = parse_labeling_config(
        '<View><ParagraphLabels name="l" toName="t"><Label value="PER"/></ParagraphLabels>'
        '<Paragraphs name="t" value="$t"/></View>'
    )
    task = {"id": 1, "data": {"t": [{"text": "Anna"}, {"text": "Lee"}]}}

    def tag(texts: list[str]) -> list[TaggedText]:
        end = len(texts[0].rstrip())
        return [TaggedText([Span(0, 4, "PER", 0.9), Span(0, end, "PER", 0.4)], 0.5)]

    (prediction,) = predict_tasks([task], config, {"PER": "PER"}, _reader(), tag)
    assert [region["value"]["text"] for region in prediction["result"]] == ["Anna", "Lee"]
