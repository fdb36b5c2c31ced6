"""Converting regions that a person drew in Label Studio 1.23.2 to spans and back."""

import re
from collections import Counter
from operator import itemgetter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huggingface_ner.label_studio import hypertext
from huggingface_ner.label_studio.documents import Document, UnreadableTextError, open_document
from huggingface_ner.label_studio.hypertext import HyperTextDocument
from huggingface_ner.label_studio.labeling_config import LabelingConfig, parse_labeling_config
from huggingface_ner.label_studio.regions import read_spans, write_region
from huggingface_ner.label_studio.tasks import TaskReader
from huggingface_ner.label_studio.utf16 import CodeUnits
from huggingface_ner.left_out import LeftOut
from huggingface_ner.spans import Span
from tests import recorded, recorded_names

DRAWN = recorded("_ui_saved_regions")
LABELS = '<Label value="PER"/><Label value="LOC"/>'


def _config(control: str, text_object: str) -> LabelingConfig:
    return parse_labeling_config(
        f'<View><{control} name="label" toName="t">{LABELS}</{control}><{text_object} name="t" value="$t"/></View>'
    )


def _open(config: LabelingConfig, value: object) -> Document:
    return open_document(config.objects[0], value)


def _round_trip(config: LabelingConfig, document: Document, region: dict[str, Any]) -> tuple[Span, dict[str, Any]]:
    control = config.controls[0]
    named = {"from_name": "label", "to_name": "t", "type": control.region_type, "value": region["value"]}
    (span,) = read_spans([named], config.controls, document)
    written = write_region(span, control, document)
    assert written is not None
    assert read_spans([written], config.controls, document) == [span]
    return span, written


@pytest.mark.parametrize("drawn", DRAWN["Text"], ids=itemgetter("case"))
def test_text(drawn: dict[str, Any]) -> None:
    config = _config("Labels", "Text")
    document = _open(config, drawn["text"])
    for value in drawn["saved"]:
        span, written = _round_trip(config, document, {"value": value})
        assert [span.start, span.end] == drawn["cp"]
        assert document.text[span.start : span.end] == drawn["word"]
        assert written["value"]["start"] == value["start"]
        assert written["value"]["end"] == value["end"]


@pytest.mark.parametrize("kind", DRAWN["HyperText"])
def test_hypertext(kind: str) -> None:
    config = _config("Labels" if kind.startswith("Labels") else "HyperTextLabels", "HyperText")
    for drawn in DRAWN["HyperText"][kind]:
        document = _open(config, drawn["src"])
        for region in drawn["results"]:
            span, written = _round_trip(config, document, region)
            for key in ("start", "end", "startOffset", "endOffset", "globalOffsets"):
                if kind == "inline" and key == "globalOffsets":
                    continue  # they count a <title> that the page shows inline; XPaths do not, and take precedence
                assert written["value"][key] == region["value"][key]
            selected = document.text[span.start : span.end]
            assert selected.split() == region["value"]["text"].replace("\\n", "\n").split()


@pytest.mark.parametrize("kind", ["ParagraphLabels", "Labels"])
def test_paragraphs(kind: str) -> None:
    config = _config(kind, "Paragraphs")
    (drawn,) = DRAWN["Paragraphs"]
    document = _open(config, drawn["dialogue"])
    for region in drawn["results"]:
        value = dict(region["value"])
        value[config.controls[0].region_type] = value.pop("paragraphlabels")
        span, written = _round_trip(config, document, {"value": value})
        assert document.text[span.start : span.end] == value["text"]
        assert written["value"] == value


def test_text_of_a_url() -> None:
    """For a text from a URL, the page saves no ``text``, and its offsets count CRLF as two characters."""
    config = parse_labeling_config(
        f'<View><Labels name="label" toName="t">{LABELS}</Labels>'
        '<Text name="t" value="$t" valueType="url"/></View>'
    )
    (drawn,) = DRAWN["Text_url"]
    ((_, document),) = TaskReader(lambda url: drawn["file_text"], "http://ls").documents(
        {"id": 1, "data": {"t": "http://ls/doc.txt"}}, config
    )
    words = []
    for region in drawn["results"]:
        span, _ = _round_trip(config, document, region)
        words.append(document.text[span.start : span.end])
    assert words == ["Barack Obama", "Paris", "Rome"]


@pytest.mark.parametrize("name", recorded_names("webhook_ANNOTATION_"))
def test_annotations_of_webhooks(name: str) -> None:
    body = recorded(name)["request"]["body"]
    config = parse_labeling_config(body["project"]["label_config"])
    for text_object, document in TaskReader(str, "http://ls").documents(body["task"], config):
        controls = config.controls_for(text_object)
        spans = read_spans(body["annotation"]["result"], controls, document)
        assert len(spans) == len(body["annotation"]["result"])
        drawn = sorted(body["annotation"]["result"], key=lambda region: region["value"]["start"])
        for span, region in zip(spans, drawn, strict=True):
            assert document.text[span.start : span.end] == region["value"]["text"]
            written = write_region(span, controls[0], document)
            assert written is not None
            assert written["value"] == region["value"]


@given(text=st.text(st.sampled_from("ab 😀\u0301\r\n<&é"), min_size=1, max_size=30), data=st.data())
@pytest.mark.parametrize(
    ("control", "text_object"),
    [("Labels", "Text"), ("HyperTextLabels", "HyperText"), ("ParagraphLabels", "Paragraphs")],
)
def test_any_stretch_survives(control: str, text_object: str, text: str, data: st.DataObject) -> None:
    config = _config(control, text_object)
    escaped = text.replace("&", "&amp;").replace("<", "&lt;")
    value = {
        "Text": text,
        "HyperText": f"<p>{escaped}</p><ul><li>{escaped}</li><li>😀<b>{escaped}</b>é</li></ul>",
        "Paragraphs": [{"text": text}, {"text": ""}, {"text": "😀" + text}],
    }[text_object]
    document = _open(config, value)
    start = data.draw(st.integers(0, len(document.text) - 1))
    span = Span(start, data.draw(st.integers(start + 1, len(document.text))), "PER")
    written = write_region(span, config.controls[0], document)
    if written is None:
        assert not document.text[span.start : span.end].strip()
        return
    stretches = read_spans([written], config.controls, document)
    if not stretches:
        assert not document.text[span.start : span.end].strip()
    else:
        (read,) = stretches
        assert document.text[read.start : read.end].strip() == document.text[span.start : span.end].strip()


@pytest.mark.parametrize(
    ("value", "reasons"),
    [
        ({"start": 0, "end": 4}, {("no_label", ""): 1}),
        ({"start": 0, "end": 4, "labels": []}, {("no_label", ""): 1}),
        ({"start": 0, "end": 4, "labels": "PER"}, {("no_label", ""): 1}),
        (
            {"start": 0, "end": 4, "labels": ["DATE", 3, None]},
            {("unknown_label", "DATE"): 1, ("unknown_label", ""): 1, ("no_label", ""): 1},
        ),
        ({"start": 4, "end": 0, "labels": ["PER"]}, {("nothing_selected", "PER"): 1}),
        ({"start": 4, "end": 4, "labels": ["PER"]}, {("nothing_selected", "PER"): 1}),
        (
            {"start": 90, "end": 99, "labels": ["PER", "X"]},
            {("outside_text", "PER"): 1, ("unknown_label", "X"): 1},
        ),
        ({"start": 4, "end": 5, "labels": ["PER", "LOC"]}, {("blank", "PER"): 1, ("blank", "LOC"): 1}),
        ({"start": "0", "end": "4", "labels": ["PER"]}, {("unreadable_place", "PER"): 1}),
        ({"start": True, "end": 4, "labels": ["PER"]}, {("unreadable_place", "PER"): 1}),
        ({"start": None, "end": None, "labels": ["PER"]}, {("unreadable_place", "PER"): 1}),
        ({"start": 0.5, "end": 4, "labels": ["PER"]}, {("unreadable_place", "PER"): 1}),
        (None, {("no_label", ""): 1}),
        ([], {("no_label", ""): 1}),
    ],
)
def test_regions_that_select_nothing_are_passed_over_and_counted(value: object, reasons: dict[Any, int]) -> None:
    config = _config("Labels", "Text")
    region = {"from_name": "label", "to_name": "t", "type": "labels", "value": value}
    good = {**region, "value": {"start": 0.0, "end": 4, "labels": ["PER", "LOC"]}}
    document = _open(config, "Anna flew")
    left_out = LeftOut()
    spans = read_spans([region, good, None, "x"], config.controls, document, left_out)
    assert spans == [Span(0, 4, "LOC"), Span(0, 4, "PER")]
    assert left_out == LeftOut(sum(reasons.values()) + 2, Counter(reasons))


@pytest.mark.parametrize(
    ("control", "text_object", "place", "reason"),
    [
        ("HyperTextLabels", "HyperText", ("/p[7]/text()[1]", 0, "/p[7]/text()[1]", 4), "unreadable_place"),
        ("HyperTextLabels", "HyperText", ("/p[1]/text()[1]", 4, "/p[1]/text()[1]", 4), "nothing_selected"),
        ("HyperTextLabels", "HyperText", ("/p[1]/text()[1]", 4, "/p[1]/text()[1]", 5), "blank"),
        ("ParagraphLabels", "Paragraphs", ("7", 0, "7", 4), "outside_text"),
        ("ParagraphLabels", "Paragraphs", ("0", 40, "0", 44), "outside_text"),
        ("ParagraphLabels", "Paragraphs", ("0", 4, "0", 4), "nothing_selected"),
        ("ParagraphLabels", "Paragraphs", ("first", 0, "first", 4), "unreadable_place"),
        ("ParagraphLabels", "Paragraphs", ("9" * 5000, 0, "9" * 5000, 4), "unreadable_place"),
    ],
)
def test_why_a_place_cannot_be_used_is_told(
    control: str, text_object: str, place: tuple[str, int, str, int], reason: str
) -> None:
    config = _config(control, text_object)
    names = ("start", "startOffset", "end", "endOffset")
    value = {**dict(zip(names, place, strict=True)), config.controls[0].region_type: ["PER"]}
    left_out = LeftOut()
    document = _open(config, {"HyperText": "<p>Anna flew</p>", "Paragraphs": [{"text": "Anna flew"}]}[text_object])
    region = {"from_name": "label", "to_name": "t", "value": value}
    assert read_spans([region], config.controls, document, left_out) == []
    assert left_out.regions == {(reason, "PER"): 1}


def test_regions_of_other_controls_are_passed_over() -> None:
    config = _config("Labels", "Text")
    value = {"start": 0, "end": 4, "labels": ["PER"]}
    regions = [
        {"from_name": "other", "to_name": "t", "value": value},
        {"from_name": "label", "to_name": "other", "value": value},
        {"from_name": ["label"], "to_name": "t", "value": value},
    ]
    assert read_spans(regions, config.controls, _open(config, "Anna flew")) == []
    assert read_spans(None, config.controls, _open(config, "Anna flew")) == []


@pytest.mark.parametrize(
    ("value", "shown"),
    [(3, "3"), (2.0, "2"), ([1, None], "1,"), ({}, "[object Object]"), (None, ""), (True, "true")],
)
def test_other_values_are_shown_as_the_page_shows_them(value: object, shown: str) -> None:
    assert _open(_config("Labels", "Text"), value).text == shown


@pytest.mark.parametrize("value", [3, "no list", {}, None])
def test_what_are_no_paragraphs_is_named(value: object) -> None:
    with pytest.raises(UnreadableTextError, match="list of objects"):
        _open(_config("Labels", "Paragraphs"), value)


def test_region_ids_are_unique_strings() -> None:
    config = _config("Labels", "Text")
    document = _open(config, "Anna flew")
    regions = [write_region(Span(0, 4, "PER", 0.5), config.controls[0], document) for _ in range(100)]
    assert len({region["id"] for region in regions if region}) == 100


def test_a_score_is_finite_and_within_0_and_1() -> None:
    config = _config("Labels", "Text")
    document = _open(config, "Anna flew")
    scores = [float("nan"), float("inf"), -1.0, 1.5, 0.25]
    regions = [write_region(Span(0, 4, "PER", score), config.controls[0], document) for score in scores]
    assert [region["score"] for region in regions if region] == [0.0, 0.0, 0.0, 1.0, 0.25]


def test_hypertext_is_read_as_a_browser_shows_it() -> None:
    config = _config("HyperTextLabels", "HyperText")
    html = "<style>p {}</style><p>Anna</p><p>Oslo<br>Rome</p><script>x()</script>" + "<div>" * 5000 + "deep"
    assert _open(config, html).text == "Anna\nOslo\nRome\ndeep"


@pytest.mark.parametrize(
    "value",
    [
        {"start": "/p[1]/text()[1]", "end": "/p[1]/text()[1]", "startOffset": 2, "endOffset": 6},
        {"start": "/p/text()", "end": "/p/text()", "startOffset": 2, "endOffset": 6},
        {"start": "", "end": "", "startOffset": 0, "endOffset": 0, "globalOffsets": {"start": 1, "end": 5}},
        {"start": 1, "end": 5},
    ],
)
def test_hypertext_places_are_read_in_every_form(value: dict[str, Any]) -> None:
    config = _config("HyperTextLabels", "HyperText")
    document = _open(config, "<p>😀Anna flew</p>")
    region = {"from_name": "label", "to_name": "t", "value": {**value, "hypertextlabels": ["PER"]}}
    assert read_spans([region], config.controls, document) == [Span(1, 5, "PER")]


def test_a_text_node_is_counted_once_for_all_its_regions(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[str] = []

    def count(text: str) -> CodeUnits:
        counted.append(text)
        return CodeUnits(text)

    monkeypatch.setattr(hypertext, "CodeUnits", count)
    document = HyperTextDocument("<p>😀 Anna" * 2 + " 😀 Anna" * 50)
    places = [match.span() for match in re.finditer("Anna", document.text)]
    assert [document.offsets(document.value(*place) or {}) for place in places] == places
    assert len(counted) == 2


TABBED = "<p>Dear\tboss 😀😀 Anna</p>"


@pytest.mark.parametrize(
    ("units", "saved"),
    [
        # after a tab, the page counts an emoji as one unit, and saves few of the characters
        (13, ""),
        (13, None),
        # an XPath that another tool has written, or a browser that counts as Unicode does
        (14, None),
        (15, None),
    ],
)
def test_an_emoji_that_the_page_miscounts_does_not_shift_a_region(units: int, saved: str | None) -> None:
    document = _open(_config("HyperTextLabels", "HyperText"), TABBED)
    xpath = "/p[1]/text()[1]"
    value = {"start": xpath, "startOffset": units, "end": xpath, "endOffset": units + 4, "text": saved}
    place = document.offsets({**value, "globalOffsets": {"start": 13, "end": 17}})
    assert place is not None
    assert document.text[slice(*place)] == "Anna"


def test_global_offsets_in_utf_16_give_way_to_the_saved_text() -> None:
    document = _open(_config("HyperTextLabels", "HyperText"), "<p>Dear 😀😀 Annabel</p>")
    xpath = "/p[1]/text()[1]"
    value = {"start": xpath, "startOffset": 10, "end": xpath, "endOffset": 14, "text": "Anna"}
    assert document.offsets({**value, "globalOffsets": {"start": 10, "end": 14}}) == (8, 12)


def test_an_edge_is_never_read_behind_its_text_node() -> None:
    document = _open(_config("HyperTextLabels", "HyperText"), "<p>😀😀 Anna<b>Bea</b></p>")
    xpath = "/p[1]/text()[1]"
    value = {"start": xpath, "startOffset": 5, "end": xpath, "endOffset": 9}
    assert document.offsets({**value, "globalOffsets": {"start": 5, "end": 9}}) == (3, 7)


def test_no_xpath_is_written_if_the_page_may_miscount() -> None:
    document = _open(_config("HyperTextLabels", "HyperText"), TABBED)
    written = document.value(13, 17)
    assert written is not None
    assert (written["start"], written["end"], written["globalOffsets"]) == ("", "", {"start": 13, "end": 17})
    assert document.offsets(written) == (13, 17)
    before = document.value(5, 9)
    assert before is not None
    assert before["start"] == "/p[1]/text()[1]"


@pytest.mark.parametrize(
    ("text_object", "value", "place", "crosses"),
    [
        ("HyperText", "<p>Ada can</p><p>run far</p>", (4, 10), True),
        ("HyperText", "<p>Ada can</p><p>run far</p>", (4, 7), False),
        ("HyperText", "<table><tr><td>Ada</td><td>Lyon</td></tr></table>", (0, 5), True),
        ("HyperText", "<p>Ada <b>can</b> run</p>", (0, 11), False),
        ("Paragraphs", [{"author": "A", "text": "Ada can"}, {"author": "B", "text": "run"}], (4, 10), True),
        ("Text", "Ada can\nrun", (4, 11), False),
    ],
)
def test_a_region_over_several_blocks_is_read_and_told(
    text_object: str, value: object, place: tuple[int, int], crosses: bool
) -> None:
    control = {"Text": "Labels", "HyperText": "HyperTextLabels", "Paragraphs": "ParagraphLabels"}[text_object]
    config = _config(control, text_object)
    document = _open(config, value)
    region = write_region(Span(*place, "PER"), config.controls[0], document)
    left_out = LeftOut()
    (span,) = read_spans([region], config.controls, document, left_out)
    assert (span.start, span.end) == place
    assert left_out.regions == ({("crosses_border", "PER"): 1} if crosses else {})
    assert left_out.regions_left_out == 0
