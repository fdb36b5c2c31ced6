from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huggingface_ner.label_studio.fetching import FetchError
from huggingface_ner.label_studio.gold import annotator_id, read_gold, usable_annotations
from huggingface_ner.label_studio.labeling_config import parse_labeling_config
from huggingface_ner.label_studio.tasks import TaskReader
from huggingface_ner.left_out import LeftOut
from huggingface_ner.spans import Span, Vote

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
    ("annotations", "usable"),
    [
        ([], []),
        (None, []),
        (["x", None], []),
        ([_annotation(1, was_cancelled=True)], []),
        ([_annotation(1), _annotation(2, was_cancelled=True)], [1]),
        ([_annotation(2), _annotation(1)], [1, 2]),
        ([_annotation(1, ground_truth=True, was_cancelled=True), _annotation(2)], [2]),
        ([{"id": 4}, {"id": 3}], [3, 4]),
    ],
)
def test_the_annotations_that_count(annotations: object, usable: list[int]) -> None:
    assert [one["id"] for one in usable_annotations({"annotations": annotations})] == usable


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
        task = {"annotations": [{"id": 1, field: newer}, {"id": 2, field: older}]}
        assert [one["id"] for one in usable_annotations(task)] == [2, 1]


@given(moments=st.lists(st.tuples(MOMENTS, OFFSETS), min_size=1, unique_by=lambda pair: pair[0]), other=NOT_TIMES)
def test_the_newest_is_the_newest_in_any_time_zone(
    moments: list[tuple[datetime, timezone]], other: object
) -> None:
    annotations = [
        {"id": -number, "updated_at": moment.replace(tzinfo=UTC).astimezone(zone).isoformat()}
        for number, (moment, zone) in enumerate(moments)
    ]
    newest = usable_annotations({"annotations": [*annotations, {"id": 1, "updated_at": other}]})[-1]
    moment, zone = max(moments, key=lambda pair: pair[0])
    assert newest["updated_at"] == moment.replace(tzinfo=UTC).astimezone(zone).isoformat()


@pytest.mark.parametrize(
    ("completed_by", "annotator"),
    [(3, 3), ({"id": 3, "email": "ada@example.org"}, 3), (None, None), ("ada", None), ({}, None), (True, None)],
)
def test_the_annotator_is_an_id_or_a_user(completed_by: object, annotator: int | None) -> None:
    assert annotator_id({"completed_by": completed_by}) == annotator
    assert annotator_id({}) is None


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


@pytest.mark.parametrize("annotators", [1, 2, 3])
def test_a_region_that_is_saved_twice_is_a_span_twice(annotators: int) -> None:
    config = parse_labeling_config(
        '<View><Labels name="l" toName="t"><Label value="PER"/></Labels><Text name="t" value="$t"/></View>'
    )
    twice = {"result": [_region("l", "t", "PER"), _region("l", "t", "PER")]}
    task = {"id": 1, "data": {"t": "Anna flew"}, "annotations": [twice] * annotators}
    left_out = LeftOut()
    (text,) = read_gold([task], config, READER, left_out)
    assert len(text.spans) == left_out.regions_seen == 2
    assert left_out.regions_left_out == 0


def test_the_regions_that_the_majority_has_are_those_that_are_seen() -> None:
    config = parse_labeling_config(
        '<View><Labels name="l" toName="t"><Label value="PER"/></Labels><Text name="t" value="$t"/></View>'
    )
    anna, flew = _region("l", "t", "PER"), _region("l", "t", "PER", start=5, end=9)
    results: list[list[dict[str, Any]]] = [[anna], [anna], [flew, _region("l", "t", "Gone")]]
    task = {"id": 1, "data": {"t": "Anna flew"}, "annotations": [{"result": result} for result in results]}
    left_out = LeftOut()
    (text,) = read_gold([task], config, READER, left_out)
    assert text.spans == (Span(0, 4, "PER"),)
    assert (left_out.regions_seen, left_out.regions_left_out) == (2, 1)


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


def _by(number: int, annotator: int | None, *regions: dict[str, Any], **more: Any) -> dict[str, Any]:
    return _annotation(number, completed_by=annotator, result=[*regions], **more)


def _gold(*tasks: list[dict[str, Any]], left_out: LeftOut | None = None) -> dict[str, tuple[Span, ...]]:
    """Read tasks, each given as its annotations; return the gold spans by the number of the task."""
    texts = [{"id": number, "data": {"t": "Anna flew"}, "annotations": one} for number, one in enumerate(tasks)]
    return {text.task_id: text.spans for text in read_gold(texts, CONFIG, READER, left_out)}


FLEW = {**REGION, "value": {"start": 5, "end": 9, "labels": ["PER"]}}


def test_a_region_counts_if_more_than_half_of_the_annotations_have_it() -> None:
    left_out = LeftOut()
    anna, flew = Span(0, 4, "PER"), Span(5, 9, "PER")
    gold = _gold(
        [_by(1, 1, REGION), _by(2, 2, REGION), _by(3, 3, FLEW)],
        [_by(1, 1, REGION), _by(2, 2, REGION, FLEW), _by(3, 3), _by(4, 4)],
        [_by(1, 1, REGION), _by(2, 2, FLEW), _by(3, 3), _by(4, 4, REGION, was_cancelled=True)],
        [_by(1, 1, REGION, REGION), _by(2, 1, REGION)],
        left_out=left_out,
    )
    assert gold == {"0": (anna,), "1": (), "2": (), "3": (anna,)}
    assert left_out.regions == {("outvoted", "PER"): 1 + 2 + 2}
    assert "5 PER were outvoted by other annotations of their tasks" in left_out.summary()
    assert left_out.regions_left_out == 0, "outvoted regions do not count as left out"
    assert _gold([_by(1, 1, FLEW), _by(2, 2, FLEW), _by(3, 3, REGION, ground_truth=True)]) == {"0": (anna,)}
    assert flew in _gold([_by(1, None, FLEW), _by(2, None, FLEW)])["0"]


def test_of_two_annotations_the_one_of_who_agrees_more_is_followed() -> None:
    """Annotator 3 agrees with annotator 1 and not with 2; task 0 is read before this is known."""
    contested = [_by(1, 1, REGION), _by(2, 2, FLEW)]
    agreed, not_agreed = [_by(1, 1, REGION), _by(2, 3, REGION)], [_by(1, 2), _by(2, 3, REGION)]
    assert _gold(contested)["0"] == (Span(5, 9, "PER"),), "the newest annotation is followed"
    gold = _gold(contested, agreed, not_agreed)
    assert [*gold] == ["1", "0", "2"], "texts of contested tasks come last"
    assert gold["0"] == (Span(0, 4, "PER"),)
    assert gold["2"] == (Span(0, 4, "PER"),)
    unknown = [_by(1, None, REGION), _by(2, 2, FLEW)]
    assert _gold(unknown, agreed, not_agreed)["0"] == (Span(5, 9, "PER"),), "the newest annotation is followed"


def test_a_text_has_the_votes_of_its_annotations() -> None:
    annotations = [_by(2, 2, FLEW), _by(1, 1, REGION, ground_truth=True), _by(3, 3, was_cancelled=True)]
    (text,) = read_gold([{"id": 1, "data": {"t": "Anna flew"}, "annotations": annotations}], CONFIG, READER)
    assert text.votes == (Vote(1, (Span(0, 4, "PER"),), is_ground_truth=True), Vote(2, (Span(5, 9, "PER"),)))
    assert not text.is_disputed, "there is a ground truth"
    (alone,) = read_gold([{"id": 1, "data": {"t": "Anna"}, "annotations": annotations[1:]}], CONFIG, READER)
    assert alone.votes == ()


def test_a_disputed_text_says_so() -> None:
    for second, is_disputed in ((FLEW, True), (REGION, False)):
        annotations = [_by(1, 1, REGION), _by(2, 2, second)]
        (text,) = read_gold([{"id": 1, "data": {"t": "Anna flew"}, "annotations": annotations}], CONFIG, READER)
        assert text.is_disputed == is_disputed


def test_what_a_followed_annotation_could_not_select_is_counted_once() -> None:
    left_out = LeftOut()
    blank = {**REGION, "value": {"start": 4, "end": 5, "labels": ["PER"]}}
    _gold([_by(1, 1, REGION, blank), _by(2, 2, REGION, blank)], left_out=left_out)
    assert (left_out.regions_seen, left_out.regions) == (2, {("blank", "PER"): 1})


def test_the_sample_data_teaches_what_it_should(news_config: str, news_tasks: list[dict[str, Any]]) -> None:
    gold = list(read_gold(news_tasks, parse_labeling_config(news_config), READER))
    assert len(news_tasks) == 200
    assert len(gold) == 199  # one task has only a cancelled annotation
    texts = {text.text[span.start : span.end] for text in gold for span in text.spans}
    assert {"Nguye\u0302\u0303n Thi\u0323 Lan", "Queen of the Skerries", "Zürich"} <= texts
    assert all(text == text.strip() for text in texts)
    assert sum(not text.spans for text in gold) >= 12
    assert sum(len(text.text.split()) > 1000 for text in gold) == 2
