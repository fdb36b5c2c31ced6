"""Reading single annotations as texts with labelled stretches."""

from typing import Any

import pytest

from huggingface_ner.label_studio import annotation_entries
from huggingface_ner.label_studio.annotation_entries import AnnotationEntry, Mention, read_entries
from huggingface_ner.label_studio.labeling_config import parse_labeling_config
from huggingface_ner.label_studio.tasks import TaskReader

CONFIG = (
    '<View><Labels name="l" toName="t"><Label value="PER"/><Label value="Place" alias="LOC"/></Labels>'
    '<Text name="t" value="$t"/></View>'
)
READER = TaskReader(lambda url: "Ada of the page", "http://ls")


def region(start: int, end: int, label: str = "PER", control: str = "l", to: str = "t") -> dict[str, Any]:
    value = {"start": start, "end": end, "labels": [label]}
    return {"from_name": control, "to_name": to, "type": "labels", "value": value}


def annotation(number: object, *regions: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": number, "updated_at": "1970-01-01T00:00:01.5Z", "result": [*regions], **more}


def read(config: str, data: dict[str, Any], *annotations: object, at_once: bool = True) -> list[AnnotationEntry]:
    task = {"id": 5, "data": data}
    return read_entries(task, annotations, parse_labeling_config(config), READER, at_once=at_once)


def test_an_annotation_is_read_with_the_names_that_are_saved() -> None:
    regions = region(0, 3), region(9, 13, "LOC"), region(9, 13, "Place"), region(4, 8, "GONE"), region(90, 99)
    (entry,) = read(CONFIG, {"t": "Ada from Lyon"}, annotation(7, *regions, ground_truth=True, completed_by=3))
    (text,) = entry.texts
    assert (entry.annotation_id, entry.task_id, entry.updated_at) == (7, 5, 1_500_000)
    assert (entry.is_ground_truth, entry.is_cancelled, entry.annotator) == (True, False, 3)
    assert (text.text, text.layers) == ("Ada from Lyon", ("l",))
    assert text.mentions == (Mention(0, 3, "l", "PER"), Mention(9, 13, "l", "LOC"))


def test_a_cancelled_annotation_has_no_texts() -> None:
    skipped, other = read(CONFIG, {"t": "Ada"}, annotation(1, region(0, 3), was_cancelled=True), annotation(2))
    assert (skipped.is_cancelled, skipped.texts) == (True, ())
    assert other.texts[0].mentions == ()


@pytest.mark.parametrize("number", [None, "7", 0, -1, True, 1.5, 2**63, []])
def test_an_annotation_without_an_id_is_left_out(number: object) -> None:
    assert [
        entry.annotation_id for entry in read(CONFIG, {"t": "Ada"}, annotation(number), "x", annotation(2))
    ] == [2]
    assert read_entries({"id": number}, [annotation(2)], parse_labeling_config(CONFIG), READER, at_once=True) == []


def test_only_a_job_reads_what_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(annotation_entries, "MAX_TEXT_CHARACTERS", 30)
    url = CONFIG.replace("<Text", '<Text valueType="url"')
    page = CONFIG.replace("Labels", "HyperTextLabels").replace("<Text", "<HyperText")
    long_page = {"t": f"Ada<i>{' ' * 40}</i>"}
    for config, data in ((url, {"t": "http://ls/1"}), (page, long_page)):
        assert read(config, data, annotation(7, region(0, 3)))[0].texts == ()
        assert read(config, data, annotation(7, region(0, 3)), at_once=False)[0].texts[0].text.startswith("Ada")
    assert read(page, {"t": "<b>Ada</b>"}, annotation(7))[0].texts[0].text == "Ada"


def test_a_long_text_is_read_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(annotation_entries, "MAX_TEXT_CHARACTERS", 10)
    (entry,) = read(CONFIG, {"t": "Ada met Ada"}, annotation(7, region(0, 3), region(8, 11)))
    assert (entry.texts[0].text, entry.texts[0].mentions) == ("Ada met Ad", (Mention(0, 3, "l", "PER"),))


def test_a_passage_is_no_mention() -> None:
    (entry,) = read(CONFIG, {"t": "a" * 2_000}, annotation(7, region(0, 1_000), region(0, 1_001)))
    assert [mention.end for mention in entry.texts[0].mentions] == [1_000]


def test_the_items_of_a_repeater_have_the_same_layer() -> None:
    config = (
        '<View><Repeater on="$items" indexFlag="{{idx}}"><Labels name="l_{{idx}}" toName="t_{{idx}}">'
        '<Label value="PER"/></Labels><Text name="t_{{idx}}" value="$items[{{idx}}].text"/></Repeater></View>'
    )
    data = {"items": [{"text": "Ada"}, {"text": "Bob"}]}
    (entry,) = read(config, data, annotation(7, region(0, 3, control="l_1", to="t_1")))
    assert [(text.text, text.layers, text.mentions) for text in entry.texts] == [
        ("Ada", ("l_{{idx}}",), ()),
        ("Bob", ("l_{{idx}}",), (Mention(0, 3, "l_{{idx}}", "PER"),)),
    ]


@pytest.mark.parametrize("data", [None, {}, {"t": None}, {"t": ""}, []])
def test_a_task_that_cannot_be_read_has_no_mentions(data: Any) -> None:
    (entry,) = read_entries(
        {"id": 5, "data": data}, [annotation(7, region(0, 3))], parse_labeling_config(CONFIG), READER, at_once=True
    )
    assert not any(text.mentions for text in entry.texts)
