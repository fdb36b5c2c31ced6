"""If a person labels a string once, its other occurrences get the same label, and no other strings do."""

import copy
import itertools
import json
import logging
import threading
import time
import unicodedata
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from huggingface_ner.label_studio.documents import open_document
from huggingface_ner.label_studio.interactive import (
    MAX_REGIONS,
    SeenRegions,
    answer_drawn_region,
)
from huggingface_ner.label_studio.labeling_config import parse_labeling_config
from huggingface_ner.label_studio.occurrences import MAX_MENTION_CHARACTERS, find_occurrences
from huggingface_ner.label_studio.tasks import TaskReader
from huggingface_ner.model import HuggingFaceNER
from huggingface_ner.serving.served_models import NotReadyError
from huggingface_ner.settings import Settings
from tests import recorded

LABELS = '<Label value="PER"/><Label value="LOC"/>'
CONFIGS = {
    kind: parse_labeling_config(
        f'<View><{control} name="label" toName="t">{LABELS}</{control}><{kind} name="t" value="$t"/></View>'
    )
    for kind, control in (("Text", "Labels"), ("HyperText", "HyperTextLabels"), ("Paragraphs", "ParagraphLabels"))
}
CONFIG = CONFIGS["Text"]
TEXT = "😀 Paris, Parisian, in Paris; Anna's Paris-Lyon"
Region = dict[str, Any]
_ids = (f"drawn-{number}" for number in itertools.count())


def _never(url: str) -> str:
    raise AssertionError(f"nothing may be fetched: {url}")


READER = TaskReader(_never, "http://ls")


def _region(start: int, end: int, label: str = "LOC", **more: Any) -> Region:
    """Return a region that a person drew on a Text, as the page sends it."""
    value = {"start": start, "end": end, "text": "as the page glues it", "labels": [label]}
    named = {"id": next(_ids), "from_name": "label", "to_name": "t", "type": "labels", "origin": "manual"}
    return {**named, "value": value, **more}


def _task(text: object = TEXT, **more: Any) -> dict[str, Any]:
    return {"id": 1, "data": {"t": text}, "annotations": [], "drafts": [], "predictions": [], **more}


def _answer(task: object, *result: object, config: Any = CONFIG, seen: SeenRegions | None = None) -> list[Region]:
    return answer_drawn_region([task], {"result": list(result)}, config, READER, seen or SeenRegions())[0]


def _places(regions: list[Region]) -> list[tuple[int, int]]:
    return [(region["value"]["start"], region["value"]["end"]) for region in regions]


def test_the_same_strings_get_the_same_label() -> None:
    drawn = _region(2, 7)
    answer = _answer(_task(), drawn)
    assert [TEXT[slice(*place)] for place in _places(answer)] == ["Paris", "Paris"]
    assert _places(answer) == [(22, 27), (36, 41)]
    for region in answer:
        assert region == {
            "id": region["id"],
            "from_name": "label",
            "to_name": "t",
            "type": "labels",
            "origin": "prediction",
            "value": {**region["value"], "text": "Paris", "labels": ["LOC"]},
        }
    assert len({drawn["id"], *(region["id"] for region in answer)}) == 3


@pytest.mark.parametrize("name", ["predict_interactive_ui", "predict_interactive_api"])
def test_recorded_requests(name: str) -> None:
    """The string of each recorded region occurs only once in its text."""
    body = recorded(name)["request"]["body"]
    config = parse_labeling_config(body["label_config"])
    context = body["params"]["context"]
    assert answer_drawn_region(body["tasks"], context, config, READER, SeenRegions()) == [[]]
    (task,) = body["tasks"]
    words = [context["result"][0]["value"]["text"]] * 2
    task["data"]["text"] += " " + " and ".join(words)
    (answer,) = answer_drawn_region([task], context, config, READER, SeenRegions())
    assert [region["value"]["text"] for region in answer] == words


def test_html_and_dialogues() -> None:
    html = "<p>😀 Paris, <b>Paris</b></p><p>Parisian<br>Par<i>is</i></p>"
    dialogue = [{"text": "😀 Paris"}, {"text": "Parisian, 😀 Paris"}]
    for kind, value, found in (("HyperText", html, [(9, 14), (24, 29)]), ("Paragraphs", dialogue, [(20, 25)])):
        config = CONFIGS[kind]
        document = open_document(config.objects[0], value)
        place = document.value(2, 7)
        assert place is not None
        region_type = config.controls[0].region_type
        drawn = _region(0, 0, type=region_type, value={**place, region_type: ["PER"]})
        answer = _answer(_task(value), drawn, config=config)
        assert [document.offsets(region["value"]) for region in answer] == found
        assert [region["value"][region_type] for region in answer] == [["PER"]] * len(found)
        assert {region["type"] for region in answer} == {region_type}


def test_a_repeated_text_is_annotated_as_any_other() -> None:
    config = parse_labeling_config(
        '<View><Repeater on="$turns" indexFlag="{{i}}"><Text name="t{{i}}" value="$turns[{{i}}].text"/>'
        f'<Labels name="l{{{{i}}}}" toName="t{{{{i}}}}">{LABELS}</Labels></Repeater></View>'
    )
    task = _task(data={"turns": [{"text": "Lyon, Lyon"}, {"text": "Oslo, Lyon, Oslo"}]})
    drawn = _region(0, 4, from_name="l1", to_name="t1")
    (copy,) = _answer(task, drawn, config=config)
    assert (copy["from_name"], copy["to_name"], _places([copy])) == ("l1", "t1", [(12, 16)])


def test_several_labels_and_aliases_are_saved_as_drawn() -> None:
    config = parse_labeling_config(
        '<View><Labels name="label" toName="t" choice="multiple"><Label value="Ort" alias="LOC"/>'
        '<Label value="PER"/></Labels><Text name="t" value="$t"/></View>'
    )
    drawn = _region(2, 7)
    drawn["value"]["labels"] = ["LOC", "PER"]
    answer = _answer(_task(), drawn, config=config)
    assert [region["value"]["labels"] for region in answer] == [["LOC", "PER"]] * 2


TWO_CONTROLS = parse_labeling_config(
    '<View><Labels name="label" toName="t"><Label value="PER"/></Labels><Labels name="place" toName="t,other">'
    '<Label value="LOC"/></Labels><Text name="t" value="$t"/><Text name="other" value="$other"/></View>'
)


def test_the_drawn_control_is_the_one_that_labels() -> None:
    task = _task()
    task["data"]["other"] = "Oslo and Oslo"
    drawn = _region(0, 4, from_name="place", to_name="other")
    (region,) = _answer(task, drawn, config=TWO_CONTROLS)
    assert (region["from_name"], region["to_name"], _places([region])) == ("place", "other", [(9, 13)])
    assert _answer(task, _region(0, 4, to_name="other"), config=TWO_CONTROLS) == []  # "label" does not label it


def test_only_the_drawn_object_has_to_be_readable() -> None:
    assert _places(_answer(_task(), _region(2, 7, from_name="place"), config=TWO_CONTROLS)) == [(22, 27), (36, 41)]


@pytest.mark.parametrize("where", ["context", "annotations", "drafts", "predictions"])
@pytest.mark.parametrize(
    ("other", "free"),
    [
        (_region(23, 24, "PER"), [(36, 41)]),
        (_region(0, 22, "PER"), [(22, 27), (36, 41)]),
        (_region(27, 37, from_name="place"), [(22, 27)]),
        (_region(0, 0, type="choices", value={"start": 26, "end": 40, "choices": ["good"]}), []),
    ],
    ids=["another label", "a neighbour", "another control", "another kind"],
)
def test_what_has_a_region_gets_no_other(where: str, other: Region, free: list[tuple[int, int]]) -> None:
    if where == "context":
        answer = _answer(_task(), other, _region(2, 7))
    else:
        answer = _answer(_task(**{where: [{"id": 1, "result": [None, other]}]}), _region(2, 7))
    assert _places(answer) == free


def test_regions_over_another_object_take_nothing() -> None:
    task = _task(annotations=[{"result": [_region(22, 27, to_name="other"), {"type": "relation"}]}])
    assert _places(_answer(task, _region(2, 7))) == [(22, 27), (36, 41)]


def test_the_newest_prediction_counts_until_there_is_a_draft() -> None:
    old, new = {"id": 7, "result": [_region(22, 27)]}, {"id": 12, "result": [_region(36, 41)]}
    for predictions in ([old, new], [new, old]):
        assert _places(_answer(_task(predictions=predictions), _region(2, 7))) == [(22, 27)]
        task = _task(predictions=predictions, drafts=[{"id": 1, "result": []}])
        assert _places(_answer(task, _region(2, 7))) == [(22, 27), (36, 41)]


@pytest.mark.parametrize("origin", ["prediction", "prediction-changed", None, 3])
def test_a_region_that_no_person_drew_is_not_answered(origin: object) -> None:
    assert _answer(_task(), _region(2, 7, origin=origin)) == []


def test_a_region_that_was_sent_before_is_not_answered_again() -> None:
    """The region is relabelled; the strings that got its old label are not in the context for the new label."""
    seen = SeenRegions()
    drawn, second = _region(2, 7), _region(22, 27)
    assert len(_answer(_task(), drawn, seen=seen)) == 2
    assert _answer(_task(), {**drawn, "value": {**drawn["value"], "labels": ["PER"]}}, seen=seen) == []
    assert len(_answer(_task(), drawn, second, seen=seen)) == 1
    assert _answer(_task(), second, drawn, seen=seen) == []
    assert len(_answer(_task(id=2), drawn, seen=seen)) == 2  # a copy of the task may have the same ids
    assert len(_answer(_task(), drawn)) == 2  # another process has its own record


def test_the_seen_regions_are_bounded_and_the_most_recent_stay() -> None:
    seen = SeenRegions(capacity=3)
    assert seen.add(1, ["a", "b", "c"]) == set()
    assert seen.add(1, ["a"]) == {"a"}
    assert seen.add(1, ["d"]) == set()
    assert seen.add(1, ["a", "c", "d"]) == {"a", "c", "d"}
    assert seen.add(1, ["b"]) == set()
    assert seen.add(1, [str(number) for number in range(100)]) == set()
    assert seen.add(1, ["97", "98", "99"]) == {"97", "98", "99"}


def test_of_several_threads_one_sees_a_region_first() -> None:
    seen = SeenRegions()
    start = threading.Barrier(8)
    firsts: list[int] = []

    def draw() -> None:
        start.wait()
        firsts.extend(number for number in range(200) if not seen.add(1, [str(number)]))

    threads = [threading.Thread(target=draw) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(firsts) == list(range(200))


@pytest.mark.parametrize(
    ("text", "mention", "found"),
    [
        ("Paris Parisian in_Paris Paris2 Paris", "Paris", 2),
        ("Paris's Paris-Lyon (Paris) Paris. “Paris”", "Paris", 5),
        ("Jose Jose\u0301 Jose", "Jose", 2),
        ("ß SS straße Straße strasse", "straße", 1),
        ("5 3.5 5,000 15 5. 5", "5", 3),
        ("Москва Москвы в Москва", "Москва", 2),
        ("Ankara'da Ankara", "Ankara", 2),
        ("दिल्ली में, दिल्लीवासी दिल्ली", "दिल्ली", 2),
        ("کتاب کتاب\u200cها کتاب", "کتاب", 2),
        ("باريس وباريس", "باريس", 1),
        ("東京タワーは東京にある", "東京", 2),
        ("アンナとアンナさん", "アンナ", 2),
        ("東京タワー、タワーA", "タワー", 2),
        ("北京大学在北京", "北京", 2),
        ("กรุงเทพเป็นเมือง ไปกรุงเทพ", "กรุงเทพ", 2),
        ("Kaiはkaiと", "Kai", 1),
        ("서울에서는 서울, 서울역 서울까지도 남서울 서울", "서울", 4),
        ("한국은 한국어 한국", "한국", 2),
        ("김치 김이 김", "김", 2),
        (unicodedata.normalize("NFD", "서울에서 서울역 서울"), unicodedata.normalize("NFD", "서울"), 2),
        ("NASA는 NASA방송", "NASA", 1),
        ("👨 👨\u200d👩 👍 👍🏽", "👨", 1),
        ("👨 👨\u200d👩 👍 👍🏽", "👍", 1),
        ("\ud83d a\ud83d a", "a", 2),
        ("aaaa", "aa", 0),
        ("aa aa aa aa aa", "aa aa", 2),
        ("中中中中中", "中中", 2),
        ("New\nYork New York", "New York", 1),
        (", a, b", ",", 2),
    ],
)
def test_words_in_many_scripts(text: str, mention: str, found: int) -> None:
    places = list(find_occurrences(text, mention, []))
    assert [text[slice(*place)] for place in places] == [mention] * found


@given(
    text=st.text("ab 中😀", max_size=30),
    mention=st.text("ab 中😀", min_size=1, max_size=3),
    taken=st.lists(
        st.tuples(st.integers(0, 30), st.integers(1, 6)).map(lambda p: (p[0], p[0] + p[1])), max_size=5
    ),
)
def test_places_are_exact_free_and_do_not_overlap(text: str, mention: str, taken: list[tuple[int, int]]) -> None:
    places = list(find_occurrences(text, mention, taken))
    assert places == sorted(places)
    assert all(text[start:end] == mention for start, end in places)
    for (start, end), (other_start, other_end) in itertools.combinations([*places, *taken], 2):
        if (start, end) in places:
            assert end <= other_start or other_end <= start
    # each occurrence that is left out overlaps another stretch, or is next to a letter of the same word
    for start in range(len(text) - len(mention) + 1):
        end = start + len(mention)
        if text.startswith(mention, start) and (start, end) not in places:
            overlaps = any(start < other_end and other_start < end for other_start, other_end in [*places, *taken])
            glued = any(0 < at < len(text) and text[at - 1 : at + 1].isascii() for at in (start, end))
            assert overlaps or (glued and any(text[at - 1 : at + 1].isalpha() for at in (start, end)))


@pytest.mark.parametrize(
    "text", ["a " * 250_000, "ab" * 250_000, "中" * 500_000], ids=["words", "one word", "no spaces"]
)
def test_long_texts_are_answered_fast(text: str) -> None:
    mention = text[:900].rstrip()
    stored = [{"result": [_region(at, 500_000) for at in range(250_000, 260_000)]}]
    started = time.process_time()
    answer = _answer(_task(text, annotations=stored), _region(0, len(mention)))
    assert all(end <= 250_000 for _, end in _places(answer))
    assert time.process_time() - started < 5.0


def test_the_answer_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    answer = _answer(_task("a " * 2_000), _region(0, 1))
    assert len(answer) == MAX_REGIONS
    assert "only the first 500" in caplog.text
    passage = "a " * MAX_MENTION_CHARACTERS
    assert _answer(_task(passage * 2), _region(0, len(passage))) == []


@pytest.mark.parametrize("edges", [(0, 6), (6, 12), (5, 11)])
def test_blanks_at_the_edges_of_a_drawn_region_do_not_count(edges: tuple[int, int]) -> None:
    text = "Paris Paris Paris, Paris"
    answer = _answer(_task(text), _region(*edges))
    others = [(0, 5), (6, 11), (12, 17), (19, 24)]
    assert _places(answer) == [place for place in others if place[1] <= edges[0] or place[0] >= edges[1]]


def test_blanks_are_no_mention() -> None:
    assert _answer(_task("a \n b \n c"), _region(1, 4)) == []


@pytest.mark.parametrize("context", [{}, {"result": None}, {"result": {}}, {"result": []}, [], "x", 3, None])
def test_without_regions_there_is_no_answer(context: object) -> None:
    assert answer_drawn_region([_task(), _task()], context, CONFIG, READER, SeenRegions()) == [[], []]
    assert answer_drawn_region([], context, CONFIG, READER, SeenRegions()) == []


@pytest.mark.parametrize("task", [None, "x", {}, {"data": None}, {"data": {"t": 3}}, {"id": [1], "data": {}}])
def test_a_task_that_cannot_be_read_gets_no_regions(task: object) -> None:
    assert _answer(task, _region(2, 7)) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"type": "choices"},
        {"from_name": "other"},
        {"from_name": ["label"]},
        {"to_name": None},
        {"id": 3},
        {"value": None},
        {"value": {"start": 2, "end": 7}},
        {"value": {"start": 2, "end": 7, "labels": []}},
        {"value": {"start": 2, "end": 7, "labels": "LOC"}},
        {"value": {"start": 2, "end": 7, "labels": ["LOC", None]}},
        {"value": {"start": 7, "end": 2, "labels": ["LOC"]}},
        {"value": {"start": None, "end": None, "labels": ["LOC"]}},
    ],
    ids=str,
)
def test_a_region_that_is_not_one_of_the_config_is_not_answered(changed: dict[str, Any]) -> None:
    assert _answer(_task(), _region(2, 7, **changed)) == []
    assert _answer(_task(), _region(2, 7), "not a region") == []


def test_a_fault_costs_this_answer_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(TaskReader):
        def documents(self, task: object, config: Any, left_out: object = None) -> Any:
            raise RuntimeError("out of order")

    context = {"result": [_region(2, 7)]}
    broken = Broken(_never, "http://ls")
    assert answer_drawn_region([_task()], context, CONFIG, broken, SeenRegions()) == [[]]
    assert "out of order" in caplog.text


ODD = st.sampled_from(
    [None, True, -1, 1e300, float("nan"), "", "x", "\ud83d", [], {}, [None], {"start": 0}, 10**30]
)


def _paths(node: object, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield from _paths(child, (*at, key))


def _mutated(node: Any, data: st.DataObject) -> Any:
    """Replace, remove or double a few parts of a JSON value."""
    root = {"root": copy.deepcopy(node)}
    for _ in range(data.draw(st.integers(0, 4))):
        path = data.draw(st.sampled_from([path for path in _paths(root) if path]))
        parent: Any = root
        for key in path[:-1]:
            parent = parent[key]
        action = data.draw(st.sampled_from(["replace", "remove", "double"]))
        if action == "replace" or path == ("root",):
            parent[path[-1]] = copy.deepcopy(data.draw(ODD))
        elif action == "remove":
            del parent[path[-1]]
        elif isinstance(parent, list):
            parent.append(copy.deepcopy(parent[path[-1]]))
        else:
            key = data.draw(st.sampled_from(["result", "value", "labels", "start", "id"]))
            parent[key] = copy.deepcopy(parent[path[-1]])
    return root["root"]


HTML = "<p>Paris 😀 Paris</p><div>Paris<b>ian</b> in Paris</div>"
VALUES = {"Text": TEXT, "HyperText": HTML, "Paragraphs": [{"text": "Paris 😀 Paris"}, {"text": "in Paris"}]}


@pytest.mark.parametrize("kind", CONFIGS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(data=st.data())
def test_odd_contexts_and_tasks_are_answered_without_a_fault(
    kind: str, caplog: pytest.LogCaptureFixture, data: st.DataObject
) -> None:
    config = CONFIGS[kind]
    (control,) = config.controls
    value = VALUES[kind]
    document = open_document(control.object, value)

    def region(start: int, end: int, label: str, origin: str) -> Region:
        place = document.value(start, end)
        assert place is not None
        return _region(
            0, 0, origin=origin, type=control.region_type, value={**place, control.region_type: [label]}
        )

    stored = [{"id": 5, "result": [region(8, 13, "PER", "prediction")]}]
    task = _task(value, predictions=stored, drafts=stored[:0], annotations=stored)
    context = {"result": [region(1, 3, "LOC", "prediction"), region(0, 5, "LOC", "manual")]}
    both = _mutated({"task": task, "context": context}, data)
    odd_task, odd_context = (both.get("task"), both.get("context")) if isinstance(both, dict) else (both, both)
    caplog.clear()
    answer, other = answer_drawn_region([odd_task, odd_task], odd_context, config, READER, SeenRegions())
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert other == []
    assert len({region["id"] for region in answer}) == len(answer)
    # the text may have been mutated, so the test checks only that no place occurs twice
    places = {json.dumps(region["value"], sort_keys=True) for region in answer}
    assert len(places) == len(answer)


def test_no_label_is_ever_put_twice_on_a_string() -> None:
    """This holds for all regions in any order, if the answers are added as the page adds them."""

    @settings(deadline=None)
    @given(data=st.data())
    def check(data: st.DataObject) -> None:
        text = "Paris and Lyon, Paris or Lyon; Paris and Paris"
        words = [match for word in ("Paris", "Lyon", "Paris and", "and") for match in _all(text, word)]
        page: list[Region] = []
        seen = SeenRegions()
        for _ in range(data.draw(st.integers(1, 5))):
            place = data.draw(st.sampled_from(words))
            label = data.draw(st.sampled_from(["PER", "LOC"]))
            same = {(*other, region["value"]["labels"][0]) for region in page for other in _places([region])}
            if (*place, label) in same:
                continue
            page.append(_region(*place, label))
            shown = [region for region in page if region["value"]["labels"] == [label]]
            page += _answer(_task(text), *shown, seen=seen)
            labelled = [(*_places([region])[0], region["value"]["labels"][0]) for region in page]
            assert len(set(labelled)) == len(labelled)

    check()


def _all(text: str, word: str) -> Iterator[tuple[int, int]]:
    at = text.find(word)
    while at >= 0:
        yield at, at + len(word)
        at = text.find(word, at + 1)


class _LoadingModels:
    """A project's models, none of which is in memory yet."""

    def model_version(self, project_id: int | None, timeout: float) -> str:
        assert (project_id, timeout) == (5, 0.0)
        return "v3"

    def model_for(self, project_id: int | None) -> Any:
        raise NotReadyError("it is still loading", 5.0)


def test_with_a_context_no_model_is_needed() -> None:
    config = f'<View><Labels name="label" toName="t">{LABELS}</Labels><Text name="t" value="$t"/></View>'
    models: Any = _LoadingModels()
    ner = HuggingFaceNER(project_id="5.1", label_config=config, settings=Settings(), models=models)
    tasks = [_task("Paris or Paris"), _task("Paris or Paris")]
    first, second = ner.predict(tasks, context={"result": [_region(0, 5)]})
    assert _places(first["result"]) == [(9, 14)]
    assert first == {"result": first["result"], "score": 0.0, "model_version": "v3"}
    assert second == {"result": [], "score": 0.0, "model_version": "v3"}
    assert [answer["result"] for answer in ner.predict(tasks, context={})] == [[], []]
    with pytest.raises(NotReadyError):
        ner.predict(tasks, context=None)
