"""Known strings as spans of the config's controls, alone and together with the spans of a model."""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huggingface_ner.label_studio.documents import Document, TextDocument, open_document
from huggingface_ner.label_studio.known_strings import KnownString, prefer_surer, suggest_known
from huggingface_ner.label_studio.labeling_config import LabelingConfig, parse_labeling_config
from huggingface_ner.mentions.tallies import Tally
from huggingface_ner.spans import Span

CONFIG = """<View>
  <Labels name="names" toName="t"><Label value="Person"/><Label value="Place" predicted_values="Ort"/></Labels>
  <Labels name="roles" toName="t"><Label value="Role"/></Labels>
  <Text name="t" value="$t"/>
</View>"""


def tally(occurrences: Any, **labels: Any) -> Tally:
    return Tally(occurrences, sum(labels.values()), Counter(labels))


def suggest(found: list[KnownString], config: str = CONFIG, text: str = "x" * 50) -> dict[str, list[Any]]:
    read = parse_labeling_config(config)
    (text_object,) = read.objects
    spans = suggest_known(found, read, text_object, open_document(text_object, text))
    return {
        name: [(span.start, span.end, span.label, span.score) for span in some] for name, some in spans.items()
    }


def names(found: Tally, *listed: str) -> list[Any]:
    return [one[2:] for one in suggest([KnownString(0, 3, {"names": found}, listed)]).get("names", [])]


@pytest.mark.parametrize(
    ("found", "listed", "suggested"),
    [
        (tally(1, Person=1), [], [("Person", 1.0)]),
        (tally(4, Person=3), [], [("Person", 0.75)]),
        (tally(4, Person=2), [], [("Person", 0.5)]),
        (tally(4, Person=1), [], []),
        (tally(3, Person=1), [], []),
        (tally(5, Person=2, Place=1), [], [("Person", 0.4)]),
        (tally(2, Ort=1, Place=1), [], [("Place", 1.0)]),
        (tally(2, Gone=2), [], []),
        (tally(3, Gone=2, Person=1), [], [("Person", 1 / 3)]),
        (tally(2), [], []),
        (tally(0), ["person"], [("Person", 1.0)]),
        (tally(1), ["PER"], [("Person", 0.5)]),
        (tally(2), ["PER"], []),
        (tally(1, Place=1), ["PER"], [("Place", 0.5)]),
        (tally(3, Place=3), ["Ort"], [("Place", 1.0)]),
        (tally(0), ["Nothing like it"], []),
        (tally(0), ["Role"], []),
    ],
)
def test_the_share_of_its_occurrences_is_the_score(found: Tally, listed: list[str], suggested: list[Any]) -> None:
    assert names(found, *listed) == suggested


def test_each_control_suggests_for_itself() -> None:
    found = KnownString(0, 3, {"names": tally(1, Person=1), "roles": tally(1, Role=1), "gone": tally(1, Person=1)})
    assert suggest([found]) == {"names": [(0, 3, "Person", 1.0)], "roles": [(0, 3, "Role", 1.0)]}
    assert suggest([KnownString(0, 3, {}, ("Role", "Person"))]) == suggest([found])


def test_the_longest_string_is_suggested() -> None:
    known = [(0, 8), (0, 3), (4, 8), (4, 12), (13, 16)]
    found = [KnownString(start, end, {"names": tally(1, Person=1)}) for start, end in known]
    assert [one[:2] for one in suggest(found)["names"]] == [(0, 8), (13, 16)]
    found[0] = KnownString(0, 8, {"names": tally(3, Person=1)})
    assert [one[:2] for one in suggest(found)["names"]] == [(0, 3), (4, 12), (13, 16)]


class _Borders(tuple[int, ...]):
    """Borders that can be searched, but not gone through one by one."""

    __slots__ = ()

    def __iter__(self) -> Iterator[int]:
        raise AssertionError("each string would go through all borders")


@pytest.mark.parametrize(("start", "end", "count"), [(0, 3, 1), (3, 6, 1), (2, 4, 0), (0, 6, 0), (6, 9, 1)])
def test_the_borders_of_a_long_document_are_searched(start: int, end: int, count: int) -> None:
    config = parse_labeling_config(CONFIG)
    (text_object,) = config.objects
    document = TextDocument("x" * 50)
    document.borders = _Borders([3, 6])
    found = [KnownString(start, end, {}, ("Person",))]
    assert len(suggest_known(found, config, text_object, document).get("names", [])) == count


def test_no_string_crosses_a_border() -> None:
    config = parse_labeling_config(
        '<View><ParagraphLabels name="names" toName="p"><Label value="Person"/></ParagraphLabels>'
        '<Paragraphs name="p" value="$p"/></View>'
    )
    (text_object,) = config.objects
    document: Document = open_document(text_object, [{"text": "Ada"}, {"text": "Bob"}])
    found = [KnownString(*place, {"names": tally(1, Person=1)}) for place in ((0, 7), (0, 3), (4, 7))]
    spans = suggest_known(found, config, text_object, document)
    assert spans == {"names": [Span(0, 3, "Person"), Span(4, 7, "Person")]}


def test_the_items_of_a_repeater_know_each_other() -> None:
    config = parse_labeling_config(
        '<View><Repeater on="$items" indexFlag="{{idx}}"><Labels name="l_{{idx}}" toName="t_{{idx}}">'
        '<Label value="PER"/></Labels><Text name="t_{{idx}}" value="$items[{{idx}}].text"/></Repeater></View>'
    )
    in_task: LabelingConfig = config.for_task({"items": [{"text": "Ada"}] * 12})
    text_object = in_task.objects[11]
    found = [KnownString(0, 3, {"l_{{idx}}": tally(1, PER=1)})]
    assert suggest_known(found, config, text_object, open_document(text_object, "Ada")) == {
        "l_11": [Span(0, 3, "PER")]
    }


@pytest.mark.parametrize(
    ("model", "known", "kept"),
    [
        ([], [(0, 3, 0.5)], ["k0"]),
        ([(0, 3, 0.5)], [], ["m0"]),
        ([(0, 3, 0.5)], [(4, 6, 0.5)], ["m0", "k0"]),
        ([(0, 3, 0.8)], [(0, 3, 0.9)], ["k0"]),
        ([(0, 3, 0.9)], [(0, 3, 0.9)], ["m0"]),
        ([(0, 8, 0.6)], [(5, 8, 0.9)], ["k0"]),
        ([(0, 8, 0.6)], [(5, 8, 0.5)], ["m0"]),
        ([(0, 3, 0.2), (4, 8, 0.95)], [(0, 8, 0.9)], ["m0", "m1"]),
        ([(0, 3, 0.2), (4, 8, 0.8)], [(0, 8, 0.9)], ["k0"]),
        ([(2, 6, 0.8)], [(0, 3, 0.9), (5, 8, 0.7)], ["k0", "k1"]),
        ([(0, 8, 0.6), (2, 4, 0.7)], [(10, 12, 0.5)], ["m0", "m1", "k0"]),
    ],
)
def test_the_surer_span_is_kept(model: list[Any], known: list[Any], kept: list[str]) -> None:
    spans = {f"m{number}": Span(start, end, "M", score) for number, (start, end, score) in enumerate(model)}
    strings = {f"k{number}": Span(start, end, "K", score) for number, (start, end, score) in enumerate(known)}
    chosen = prefer_surer(list(spans.values()), list(strings.values()))
    by_name = {**spans, **strings}
    assert sorted(chosen) == sorted(by_name[name] for name in kept)
    assert [span.score for span in chosen] == [span.score for span in sorted(by_name[name] for name in kept)]


@st.composite
def spans_of(draw: st.DrawFn, label: str) -> list[Span]:
    edges = sorted(draw(st.lists(st.integers(0, 30), max_size=12, unique=True)))
    scores = st.sampled_from([0.1, 0.5, 0.5, 0.9])
    return [Span(start, end, label, draw(scores)) for start, end in list(pairwise(edges))[::2]]


@given(spans_of("M"), spans_of("K"))
def test_a_span_is_left_out_only_for_a_surer_one(model: list[Span], known: list[Span]) -> None:
    chosen = prefer_surer(model, known)
    assert chosen == sorted(chosen)
    assert all(one.end <= other.start for one, other in pairwise(chosen)), "the chosen spans do not overlap"
    for span in {*model, *known} - {*chosen}:
        rivals = [other for other in chosen if other.start < span.end and span.start < other.end]
        assert any(other.score >= span.score for other in rivals)


def test_a_string_that_the_model_found_too_removes_nothing_inside_it() -> None:
    found = [Span(0, 14, "ORG", 0.9), Span(10, 14, "LOC", 0.9)]
    kept = prefer_surer(found, [Span(0, 14, "ORG", 1.0)])
    assert [(span, span.score) for span in kept] == [(found[0], 1.0), (found[1], 0.9)]
