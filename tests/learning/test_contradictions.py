import json
from typing import Any

import pytest

from huggingface_ner.learning import contradictions
from huggingface_ner.learning.contradictions import Contradictions, Treatments
from huggingface_ner.spans import AnnotatedText, Span
from tests.learning.test_occurrences import annotated

ALL_LISTED = {"more_tasks": 0, "more_spans": 0}
LAYERS = (("LOC", "ORG", "PER"),)


def found(*texts: AnnotatedText) -> tuple[dict[str, Any], dict[str, Any]]:
    one = Contradictions(texts, LAYERS)
    return json.loads(json.dumps(one.strings())), json.loads(json.dumps(one.texts()))


def test_a_string_that_is_labelled_here_and_not_there_contradicts_itself() -> None:
    texts = [annotated(f"{number} in Lyon", ("Lyon", "LOC"), task=str(number)) for number in range(4)]
    strings, _ = found(*texts)
    assert strings == {"strings": [], "more": 0}
    strings, _ = found(
        *texts, annotated("at Lyon, they", task="7"), annotated("Lyon won", ("Lyon", "ORG"), task="8")
    )
    (lyon,) = strings["strings"]
    assert lyon["string"] == "Lyon"
    assert lyon["counts"][0] == {"label": "LOC", "count": 4}
    assert {(one["label"], one["count"]) for one in lyon["counts"][1:]} == {("", 1), ("ORG", 1)}
    assert lyon["examples"] == [
        {"task": "7", "label": "", "before": "at ", "text": "Lyon", "after": ", they"},
        {"task": "8", "label": "ORG", "before": "", "text": "Lyon", "after": " won"},
    ], "the most frequent label has no examples"


def test_the_clearest_contradictions_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contradictions, "MAX_STRINGS", 2)
    texts = []
    for string, labelled, unmarked in (("Ada", 2, 2), ("Bob", 5, 1), ("Eve", 3, 1)):
        texts += [annotated(f"{string} {number}", (string, "PER")) for number in range(labelled)]
        texts += [annotated(f"{string} {number}") for number in range(90, 90 + unmarked)]
    strings, _ = found(*texts)
    assert [one["string"] for one in strings["strings"]] == ["Bob", "Eve"]
    assert strings["more"] == 1


def test_labels_of_different_layers_do_not_contradict_each_other() -> None:
    layers = (("LOC",), ("topic/LOC", "topic/ORG"))
    texts = [AnnotatedText("1", "Lyon", (Span(0, 4, "LOC"), Span(0, 4, "topic/ORG")))] * 2
    assert Contradictions(texts, layers).strings()["strings"] == []
    texts.append(AnnotatedText("2", "Lyon", (Span(0, 4, "LOC"), Span(0, 4, "topic/LOC"))))
    (one,) = Contradictions(texts, layers).strings()["strings"]
    assert [each["label"] for each in one["counts"]] == ["topic/ORG", "topic/LOC"]


def test_identical_texts_that_are_annotated_differently_are_found() -> None:
    same = [annotated("Ada in Lyon", ("Ada", "PER"), ("Lyon", "LOC"), task=task) for task in ("1", "2")]
    other = annotated("Ada in Lyon", ("Ada", "PER"), ("Lyon", "ORG"), task="3")
    assert found(*same)[1] == {"texts": [], "more": 0}
    _, texts = found(*same, other, annotated("Ada in Kyiv", ("Ada", "PER")))
    assert texts == {
        "texts": [
            {
                "text": "Ada in Lyon",
                "ways": [
                    {"tasks": ["1", "2"], "spans": [{"text": "Lyon", "label": "LOC"}], **ALL_LISTED},
                    {"tasks": ["3"], "spans": [{"text": "Lyon", "label": "ORG"}], **ALL_LISTED},
                ],
                "more_ways": 0,
            }
        ],
        "more": 0,
    }
    looked_at = Contradictions([*same, other], LAYERS)
    assert looked_at.identical(other) == {frozenset(same[0].spans): 2, frozenset(other.spans): 1}
    assert Contradictions(same, LAYERS).identical(same[0]) == looked_at.identical(annotated("Ada")) == {}


def test_of_more_texts_than_are_kept_the_number_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contradictions, "MAX_TEXTS", 1)
    texts = [annotated(name, *spans) for name in ("Ada", "Bob", "Eve") for spans in ((), ((name, "PER"),))]
    looked_at = Contradictions(texts, LAYERS)
    assert (len(looked_at.texts()["texts"]), looked_at.texts()["more"]) == (1, 2)
    assert sorted(looked_at.identical(text).total() for text in texts[::2]) == [0, 0, 2]


def test_what_is_not_listed_of_a_text_or_a_string_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in ("MAX_WAYS", "MAX_TASKS", "MAX_SPANS", "MAX_EXAMPLES"):
        monkeypatch.setattr(contradictions, limit, 2)
    names = ("Ada", "Bob", "Eve")
    ways = [[], [(name, "PER") for name in names], [(name, "ORG") for name in names], [("Ada", "LOC")]]
    frequent = 1
    texts = [
        annotated("Ada, Bob, Eve", *spans, task=f"{place}{number}")
        for place, spans in enumerate(ways)
        for number in range(5 if place == frequent else 1)
    ]
    strings, same = found(*texts)
    (text,) = same["texts"]
    assert [len(way["tasks"]) for way in text["ways"]] == [2, 1], "the most frequent way comes first"
    assert [way["more_tasks"] for way in text["ways"]] == [3, 0]
    assert [way["more_spans"] for way in text["ways"]] == [1, 0]
    assert text["more_ways"] == 2
    (ada,) = [one for one in strings["strings"] if one["string"] == "Ada"]
    assert (len(ada["counts"]), ada["more_labels"]) == (2, 2)
    assert (len(ada["examples"]), ada["more_examples"]) == (2, 1)


def test_a_lone_surrogate_is_a_text_too() -> None:
    texts = [annotated("Ada \ud800", ("Ada", "PER")), annotated("Ada \ud800")]
    strings, same = found(*texts)
    assert len(strings["strings"]) == len(same["texts"]) == 1


def test_of_equally_many_the_first_label_is_the_majority() -> None:
    assert Treatments({"PER": 2, "ORG": 2}).majority == "ORG"
    assert Treatments({"PER": 2, "": 1}).majority == "PER"
