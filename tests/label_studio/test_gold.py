from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huggingface_ner.label_studio.fetching import FetchError
from huggingface_ner.label_studio.gold import best_annotation, read_gold
from huggingface_ner.label_studio.labeling_config import parse_labeling_config
from huggingface_ner.label_studio.tasks import TaskReader
from huggingface_ner.left_out import LeftOut
from huggingface_ner.spans import Span

CONFIG = parse_labeling_config(
    '<View><Labels name="l" toName="t"><Label value="PER"/></Labels><Text name="t" value="$t"/></View>'
)
READER = TaskReader(str, "http://ls")
REGION = {"from_name": "l", "to_name": "t", "type": "labels", "value": {"start": 0, "end": 4, "labels": ["PER"]}}


OFFSETS = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(1970, 1, 3), datetime(2100, 1, 1))  # noqa: DTZ001 - UTC is added to it
NOT_TIMES = st.one_of(st.none(), st.booleans(), st.floats(), st.integers(), st.text(), st.lists(st.text()))


def _annotation(number: int, **more: Any) -> dict[str, Any]:
    return {"id": number, "updated_at": f"2026-01-0{number}T00:00:00Z", "result": [], **more}


@pytest.mark.parametrize(
    ("annotations", "best"),
    [
        ([], None),
        (None, None),
        (["x", None], None),
        ([_annotation(1, was_cancelled=True)], None),
        ([_annotation(1), _annotation(2, was_cancelled=True)], 1),
        ([_annotation(2), _annotation(1)], 2),
        ([_annotation(1, ground_truth=True), _annotation(2)], 1),
        ([_annotation(1, ground_truth=True, was_cancelled=True), _annotation(2)], 2),
        ([_annotation(1, ground_truth=True), _annotation(2, ground_truth=True)], 2),
        ([{"id": 3}, {"id": 4}], 4),
    ],
)
def test_the_annotation_that_teaches(annotations: object, best: int | None) -> None:
    annotation = best_annotation({"annotations": annotations})
    assert (annotation and annotation["id"]) == best


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("2026-01-01T10:00:00Z", "2026-01-01T10:00:00.5Z"),
        ("2026-01-01T11:00:00+02:00", "2026-01-01T10:00:00Z"),
        ("2026-01-01T10:00:00", "2026-01-01T10:00:00.000001Z"),
        ("0001-01-01T00:00:00+10:00", "9999-12-31T23:59:59-10:00"),
        (1_800_000_000, "2026-01-01T10:00:00Z"),
        ("yesterday", "2026-01-01T10:00:00Z"),
        ("2026-13-01T10:00:00Z", "2026-01-01T10:00:00Z"),
        (None, "2026-01-01T10:00:00Z"),
    ],
)
def test_times_compare_as_times(older: object, newer: object) -> None:
    for field in ("updated_at", "created_at"):
        best = best_annotation({"annotations": [{"id": 1, field: newer}, {"id": 2, field: older}]})
        assert best is not None
        assert best["id"] == 1


@given(moments=st.lists(st.tuples(MOMENTS, OFFSETS), min_size=1, unique_by=lambda pair: pair[0]), other=NOT_TIMES)
def test_the_newest_is_the_newest_in_any_time_zone(
    moments: list[tuple[datetime, timezone]], other: object
) -> None:
    annotations = [
        {"id": -number, "updated_at": moment.replace(tzinfo=UTC).astimezone(zone).isoformat()}
        for number, (moment, zone) in enumerate(moments)
    ]
    best = best_annotation({"annotations": [*annotations, {"id": 1, "updated_at": other}]})
    assert best is not None
    moment, zone = max(moments, key=lambda pair: pair[0])
    assert best["updated_at"] == moment.replace(tzinfo=UTC).astimezone(zone).isoformat()


def test_tasks_without_a_usable_annotation_or_text_are_left_out() -> None:
    tasks = [
        {"id": 1, "data": {"t": "Anna flew"}, "annotations": [{"id": 1, "result": [REGION]}]},
        {"id": 2, "data": {"t": "Nobody"}, "annotations": [{"id": 2, "result": []}]},
        {"id": 3, "data": {"t": "Anna"}, "annotations": []},
        {"id": 4, "data": {"t": "Anna"}, "annotations": [{"id": 3, "was_cancelled": True, "result": [REGION]}]},
        {"id": 5, "data": {}, "annotations": [{"id": 4, "result": [REGION]}]},
        {"data": {"t": "Anna"}, "annotations": [{"id": 5, "result": None}]},
        "no task",
    ]
    left_out = LeftOut()
    gold = list(read_gold(tasks, CONFIG, READER, left_out))
    assert left_out.tasks == {"skipped": 1, "unreadable": 1}
    assert (left_out.regions_seen, left_out.regions) == (2, {("no_text", "PER"): 1})
    assert [(text.task_id, text.spans) for text in gold] == [("1", (Span(0, 4, "PER"),)), ("2", ()), ("#6", ())]


def _region(control: str, over: str, *labels: str, start: int = 0, end: int = 4) -> dict[str, Any]:
    value = {"start": start, "end": end, "labels": list(labels)}
    return {"from_name": control, "to_name": over, "type": "labels", "value": value}


def test_every_region_is_either_a_span_or_counted() -> None:
    config = parse_labeling_config(
        '<View><Labels name="l" toName="t,u"><Label value="PER"/></Labels><Text name="t" value="$t"/>'
        '<Text name="u" value="$u" valueType="url"/></View>'
    )
    results = [
        _region("l", "t", "PER"),
        _region("l", "t", "PER", "Gone"),
        _region("l", "t", "PER", start=4, end=5),
        _region("l", "u", "PER"),
        _region("gone", "t", "PER"),
        {**_region("l", "t", "PER"), "from_name": ["l"]},
        {"from_name": "c", "to_name": "t", "type": "choices", "value": {"choices": ["news"]}},
        {"type": "relation", "from_id": "a", "to_id": "b"},
        {"from_name": "l", "to_name": "t", "value": None},
        None,
    ]

    def never(url: str) -> str:
        raise FetchError("gone")

    task = {"id": 1, "data": {"t": "Anna flew", "u": "http://ls/u"}, "annotations": [{"result": results}]}
    left_out = LeftOut()
    (text,) = read_gold([task], config, TaskReader(never, "http://ls"), left_out)
    assert text.spans == (Span(0, 4, "PER"), Span(0, 4, "PER"))
    assert left_out.tasks == {"not_fetched": 1}
    assert left_out.regions == {
        ("unknown_label", "Gone"): 1,
        ("blank", "PER"): 1,
        ("no_text", "PER"): 1,
        ("unknown_control", "PER"): 2,
        ("no_label", ""): 1,
    }
    assert left_out.regions_seen == len(text.spans) + left_out.regions_left_out
    assert text.left_out == left_out.regions_left_out


def test_the_sample_data_teaches_what_it_should(news_config: str, news_tasks: list[dict[str, Any]]) -> None:
    gold = list(read_gold(news_tasks, parse_labeling_config(news_config), READER))
    assert len(news_tasks) == 200
    assert len(gold) == 199  # one task has only a cancelled annotation
    texts = {text.text[span.start : span.end] for text in gold for span in text.spans}
    assert {"Nguye\u0302\u0303n Thi\u0323 Lan", "Queen of the Skerries", "Zürich"} <= texts
    assert all(text == text.strip() for text in texts)
    assert sum(not text.spans for text in gold) >= 12
    assert sum(len(text.text.split()) > 1000 for text in gold) == 2
