"""How the page of Label Studio 1.23.2 reads tasks: the cases of tests/cases, and rules from the page's source."""

import json
from typing import Any

import pytest

from huggingface_ner.label_studio.documents import open_document
from huggingface_ner.label_studio.hypertext import HyperTextDocument
from huggingface_ner.label_studio.labeling_config import LabelingConfigError, parse_labeling_config
from huggingface_ner.label_studio.page_values import MISSING, as_text, fill_in, look_up
from huggingface_ner.label_studio.predictions import predict_tasks
from huggingface_ner.label_studio.regions import read_spans
from huggingface_ner.label_studio.tasks import TaskReader
from huggingface_ner.spans import Span, TaggedText
from tests import cases


def _config(tag: str, attributes: str = "") -> str:
    labels = '<Labels name="l" toName="t"><Label value="PER"/></Labels>'
    return f'<View>{labels}<{tag} name="t" value="$t" {attributes}/></View>'


def _predict(config: str, data: object, spans: list[Span]) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the texts that a model reads, and the regions that it suggests.

    spans: the spans that the model finds in each text, if they lie inside the text.
    """
    texts: list[str] = []

    def tag(given: list[str]) -> list[TaggedText]:
        texts.extend(given)
        return [TaggedText([span for span in spans if span.end <= len(text)], 1.0) for text in given]

    read = parse_labeling_config(config)
    (prediction,) = predict_tasks(
        [{"id": 1, "data": data}], read, {"PER": "PER"}, TaskReader(str, "http://ls"), tag
    )
    return texts, prediction["result"]


@pytest.mark.parametrize("case", cases("hypertext"), ids=lambda case: case["name"])
def test_hypertext(case: dict[str, Any]) -> None:
    document = HyperTextDocument(case["html"])
    assert document.text == case["page"]
    for entity in case["entities"]:
        start = document.text.index(entity["text"])
        end = start + len(entity["text"])
        assert document.offsets(entity["value"]) == (start, end)
        assert document.value(start, end) == {**entity["value"], "text": entity["text"]}


@pytest.mark.parametrize("case", cases("text_dom"))
def test_text(case: dict[str, Any]) -> None:
    texts, (region,) = _predict(
        _config("Text"), {"t": case["text"]}, [Span(case["lyon"], case["lyon"] + 4, "PER")]
    )
    assert texts[0][case["lyon"] :] == "Lyon"
    assert (region["value"]["start"], region["value"]["text"]) == (case["lyon"], "Lyon")


@pytest.mark.parametrize("case", cases("config_values"), ids=lambda case: case["name"])
def test_config_values(case: dict[str, Any]) -> None:
    spans = [Span(case["texts"][0].find("Anna"), case["texts"][0].find("Anna") + 4, "PER")]
    texts, regions = _predict(case["config"], case["data"], spans)
    assert texts == case["texts"]
    if case["name"] == "Repeater":
        assert [(region["from_name"], region["to_name"]) for region in regions] == [("l_0", "t_0")]


@pytest.mark.parametrize("case", cases("paragraphs_context_scroll"), ids=lambda case: case["name"])
def test_paragraphs_context_scroll(case: dict[str, Any]) -> None:
    texts, _ = _predict(_config("Paragraphs", 'contextScroll="true"'), {"t": case["utterances"]}, [])
    shown = texts[0].split("\n")
    assert [shown[place] for place in case["order"]] == [utterance["text"] for utterance in case["utterances"]]


@pytest.mark.parametrize("case", cases("boundaries"), ids=lambda case: case["tag"])
def test_no_region_runs_over_a_border(case: dict[str, Any]) -> None:
    length = 41 if case["tag"] == "Paragraphs" else 32
    texts, regions = _predict(_config(case["tag"]), {"t": case["value"]}, [Span(0, length, "PER")])
    assert all(region["value"]["start"] == region["value"]["end"] for region in regions)
    assert len(regions) == (2 if case["tag"] == "Paragraphs" else 4)
    assert "".join(region["value"]["text"] for region in regions) == texts[0][:length].replace("\n", "")


@pytest.mark.parametrize("case", cases("blanks"))
def test_blanks_at_the_edges_do_not_count(case: dict[str, Any]) -> None:
    config = parse_labeling_config(_config("Text").replace("PER", "LOC"))
    regions = [
        {"from_name": "l", "to_name": "t", "value": {"start": start, "end": end, "labels": [label]}}
        for start, end, label in case["regions"]
    ]
    spans = read_spans(regions, config.controls, open_document(config.objects[0], case["text"]))
    assert [[span.start, span.end, span.label] for span in spans] == case["means"]


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ('encoding="gzip"', "encoding"),
        ('valueType="file"', "valueType"),
        ('resolver="csv"', "resolver"),
    ],
)
def test_what_is_not_followed_is_refused(attributes: str, reason: str) -> None:
    with pytest.raises(LabelingConfigError, match=f"^t: {reason}="):
        parse_labeling_config(_config("Text", attributes))


def test_labels_that_come_with_a_task_are_refused_beside_others() -> None:
    with pytest.raises(LabelingConfigError, match="comes with each task"):
        parse_labeling_config(_config("Text").replace("</Labels>", '<Label value="$more"/></Labels>'))


def test_a_label_of_another_name_over_a_second_text_is_found() -> None:
    config = (
        '<View><Labels name="l" toName="t"><Label value="PER"/></Labels><Text name="t" value="$t"/>'
        '<Labels name="m" toName="u"><Label value="Person"/></Labels><Text name="u" value="$u"/></View>'
    )
    _, regions = _predict(config, {"t": "Anna", "u": "Anna"}, [Span(0, 4, "PER")])
    assert [(region["from_name"], region["value"]["labels"]) for region in regions] == [
        ("l", ["PER"]),
        ("m", ["Person"]),
    ]


@pytest.mark.parametrize(
    ("key", "value"), [("a.b", "dotted"), ("a.c", "nested"), ("list.1.x", "second"), ("list[0].x", "first")]
)
def test_keys_lead_into_nested_data(key: str, value: str) -> None:
    data = {"a.b": "dotted", "a": {"b": "nested too", "c": "nested"}, "list": [{"x": "first"}, {"x": "second"}]}
    assert look_up(data, key) == value


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1.0, "1"),
        (0.5, "0.5"),
        (1e21, "1e+21"),
        (1e-7, "1e-7"),
        (123e18, "1.23e+20"),
        (9007199254740991.0, "9007199254740991"),
        (-0.0, "0"),
    ],
)
def test_numbers_are_shown_as_javascript_shows_them(value: float, shown: str) -> None:
    assert as_text(value) == shown


@pytest.mark.parametrize("value", [2**53, -(2**53) - 1, 10**30, 12345678901234567168.0, 1e300])
def test_numbers_that_are_not_exact_in_javascript_are_shown_as_their_json(value: float) -> None:
    assert as_text([value]) == json.dumps(value)


def test_words_stand_around_variables() -> None:
    assert fill_in("by $who, $none", {"who": ["a", 1]}) == "by a,1, undefined"


SHOWN = {
    "$a.": "Anna",
    "$o.k.": "deep",
    "$a.b": "dotted",
    "($a)": "(Anna)",
    "$a$b": "AnnaLyon",
    "$$a": "$Anna",
    "$a, $b.": "Anna, Lyon.",
    "$n $f $t": "2024 1.5 true",
    "$n": "2024",
    "x$null y": "xnull y",
    "$l": "x,y,1,,[object Object],",
    "$l[1][0]": "y",
    "$l[3].k x": "1 x",
    "$l.length x": "5 x",
    "$l[[0]] x": "undefined x",
    "$l]0 x": "undefined x",
    "$a[0] x": "A x",
    "$smile.length $smile[2]": "3 a",
    "$o x": "[object Object] x",
    "x $.a y": "x undefined y",
    "${a} x": "undefined x",
    "$[a]": "Anna",
    "$aé": "Annaé",
    "$A": None,
    "$a}": None,
    "$l[9]": None,
    "$null": None,
}


@pytest.mark.parametrize("template", SHOWN)
def test_values_are_filled_in_as_seen_in_the_real_page(template: str) -> None:
    data = {"a": "Anna", "b": "Lyon", "a.b": "dotted", "n": 2024, "f": 1.5, "t": True, "null": None}
    data |= {"l": ["x", ["y", 1], None, {"k": 1}, ""], "o": {"k": "deep"}, "smile": "😀a"}
    value = fill_in(template, data)
    assert (None if value in (None, MISSING) else as_text(value)) == SHOWN[template]
