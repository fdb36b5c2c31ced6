"""Compares the agreement of annotators with values computed by hand and with Krippendorff's own example."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huggingface_ner.learning import agreement
from huggingface_ner.learning.agreement import AnnotatorAgreement, alpha, word_values
from huggingface_ner.spans import AnnotatedText, Span, Vote

TEXT = "Anna Kovács flew to Lyon"
ANNA, KOVACS, LYON = Span(0, 11, "PER"), Span(5, 11, "PER"), Span(20, 24, "LOC")


def text(*votes: Vote, task: str = "1", content: str = TEXT) -> AnnotatedText:
    return AnnotatedText(task, content, votes[-1].spans if votes else (), votes=votes)


def vote(annotator: int | None, *spans: Span, truth: bool = False) -> Vote:
    return Vote(annotator, spans, truth)


def of(*texts: AnnotatedText) -> dict[str, Any]:
    found = AnnotatorAgreement()
    for one in texts:
        found.add(one)
    return dict(json.loads(json.dumps(found.as_dict())))


def test_f1_and_alpha_are_given_for_all_for_labels_and_for_pairs() -> None:
    found = of(
        text(vote(1, ANNA, LYON), vote(2, KOVACS, LYON)),
        text(vote(1, ANNA, LYON), vote(2, ANNA, LYON), task="2"),
        text(vote(1, ANNA), task="3"),
    )
    assert (found["tasks"], found["words"]) == (2, 10)
    assert found["f1"] == pytest.approx(2 * 3 / 8)
    # ten words, one of which (Anna, in task 1) differs: PER against nothing
    values = {"PER": 2 + 5, "LOC": 4, "": 20 - 11}
    expected = (1 / 10) / (1 - sum(count * (count - 1) for count in values.values()) / (20 * 19))
    assert found["alpha"] == pytest.approx(1 - expected, abs=1e-9)
    per, loc = found["labels"]
    assert (per["label"], per["spans"], per["f1"]) == ("LOC", 4, 1.0)
    assert (loc["label"], loc["spans"], loc["f1"]) == ("PER", 4, 0.5)
    assert per["alpha"] == 1.0
    (pair,) = found["pairs"]
    assert (pair["annotators"], pair["tasks"], pair["f1"]) == ([1, 2], 2, pytest.approx(0.75))
    assert pair["alpha"] == found["alpha"]
    assert pair["differences"] == [{"labels": ["PER", "PER"], "count": 1}], "only the borders differ"


def test_differences_of_a_pair_name_the_first_annotators_label_first() -> None:
    other = Span(20, 24, "ORG")
    (pair,) = of(text(vote(7, ANNA, LYON), vote(3, other)))["pairs"]
    assert pair["annotators"] == [3, 7]
    assert sorted(tuple(one["labels"]) for one in pair["differences"]) == [("", "PER"), ("ORG", "LOC")]


def test_a_disputed_task_shows_who_says_what() -> None:
    found = of(text(vote(1, ANNA), vote(None, ANNA, LYON), vote(3, KOVACS), task="9"))
    (task,) = found["disputed"]
    assert (task["task"], task["more"]) == ("9", 0)
    assert task["f1"] == pytest.approx(2 * 1 / 8)
    places = {place["text"]: {by["annotator"]: by["labels"] for by in place["by"]} for place in task["places"]}
    assert places == {
        "Anna Kovács": {1: ["PER"], None: ["PER"], 3: []},
        "Kovács": {1: [], None: [], 3: ["PER"]},
        "Lyon": {1: [], None: ["LOC"], 3: []},
    }


def test_a_ground_truth_ends_a_dispute_but_agreement_is_still_measured() -> None:
    found = of(text(vote(1, ANNA, truth=True), vote(2)))
    assert (found["disputed"], found["tasks"], found["f1"]) == ([], 1, 0.0)


def test_an_annotator_who_has_changed_their_mind_agrees_with_themselves() -> None:
    found = of(text(vote(1, ANNA), vote(1, LYON)), text(vote(1, KOVACS), vote(1, ANNA), vote(2, ANNA), task="2"))
    assert (found["tasks"], found["f1"], found["disputed"]) == (1, 1.0, [])


def test_the_disputes_with_the_least_agreement_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement, "MAX_TASKS", 3)
    texts = [
        text(vote(1, ANNA, LYON), vote(2, ANNA, *([] if number % 2 else [KOVACS])), task=str(number))
        for number in range(20)
    ]
    found = of(*texts)
    assert [one["task"] for one in found["disputed"]] == ["0", "10", "12"]
    assert found["more"] == 17


def test_labels_and_pairs_beyond_a_limit_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement, "MAX_LABELS", 1)
    monkeypatch.setattr(agreement, "MAX_PAIRS", 2)
    found = of(text(vote(1, ANNA, LYON), vote(2, ANNA), vote(3, ANNA), vote(4)))
    assert ([one["label"] for one in found["labels"]], found["more_labels"]) == (["PER"], 1)
    assert ([one["annotators"] for one in found["pairs"]], found["more_pairs"]) == ([[1, 4], [2, 4]], 4)


def test_the_pairs_with_the_least_agreement_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [
        text(vote(1), vote(2)),  # nothing is marked, so there is no F1
        text(vote(3, ANNA), vote(4, ANNA), task="2"),
        text(vote(5, ANNA), vote(6, KOVACS), task="3"),
        text(vote(7, ANNA, LYON), vote(8, ANNA), task="4"),
    ]
    pairs = of(*texts)["pairs"]
    assert [one["annotators"] for one in pairs] == [[5, 6], [7, 8], [3, 4], [1, 2]]
    monkeypatch.setattr(agreement, "MAX_PAIRS", 2)
    assert of(*texts)["pairs"] == pairs[:2]


def test_words_beyond_a_limit_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement, "MAX_WORDS", 7)
    found = of(*(text(vote(1, ANNA), vote(2, ANNA), task=str(number)) for number in range(5)))
    assert (found["words"], found["more_texts"], found["tasks"]) == (10, 3, 5)


def test_differences_annotators_and_labels_beyond_a_limit_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit, number in (("MAX_DIFFERENCES", 1), ("MAX_VOTES", 2), ("MAX_VOTE_LABELS", 1)):
        monkeypatch.setattr(agreement, limit, number)
    twice = [Span(ANNA.start, ANNA.end, label) for label in ("ORG", "MISC")]
    texts = [
        text(vote(1, ANNA), vote(2), vote(3), vote(4), task="1"),
        text(vote(1, ANNA), vote(2, LYON), task="2"),
        text(vote(1, *twice), vote(2), task="3"),
    ]
    found = of(*texts)
    (pair,) = [one for one in found["pairs"] if one["annotators"] == [1, 2]]
    (most,) = pair["differences"]
    assert most["labels"] == ["PER", ""]
    assert (most["count"], pair["more_differences"]) == (2, 3)
    of_task = {one["task"]: one["places"] for one in found["disputed"]}
    assert [(len(place["by"]), place["more_annotators"]) for place in of_task["1"]] == [(2, 2)]
    assert [place["more_annotators"] for place in of_task["2"]] == [0, 0]
    (first, second) = of_task["3"][0]["by"]
    assert (first["labels"], first["more_labels"], second["more_labels"]) == (["MISC"], 1, 0)


def test_there_is_no_agreement_without_several_annotators_and_spans() -> None:
    assert of() == of(text(vote(1, ANNA)))
    found = of(text(vote(1), vote(2)))
    assert (found["tasks"], found["f1"], found["alpha"], found["labels"]) == (1, None, None, [])


def test_a_word_has_the_labels_of_all_spans_over_a_part_of_it() -> None:
    spans = [Span(0, 2, "A"), Span(1, 6, "B")]
    assert word_values("Anna flew", [spans, []]) == [[{"A", "B"}, set()], [{"B"}, set()]]


def test_alpha_is_that_of_krippendorffs_example() -> None:
    """Krippendorff (2011), Computing Krippendorff's Alpha-Reliability, section C: nominal data, four observers."""
    rows = ["123321412...", "1233224125.3", ".3332342251.", "12332441251."]
    words = [[(who, row[place]) for who, row in enumerate(rows) if row[place] != "."] for place in range(12)]
    assert alpha(words) == pytest.approx(0.743, abs=5e-4)


SPANS = st.frozensets(
    st.builds(
        lambda start, length, label: Span(start, start + length, label),
        *map(st.integers, (0, 1), (20, 4)),
        st.sampled_from("AB"),
    ),
    max_size=4,
)


@given(st.lists(st.lists(st.tuples(st.one_of(st.none(), st.integers(1, 3)), SPANS), max_size=4), max_size=4))
def test_the_measures_of_any_votes_are_in_range(drawn: list[list[tuple[int | None, frozenset[Span]]]]) -> None:
    texts = [
        text(*(vote(who, *sorted(spans)) for who, spans in votes), task=str(number))
        for number, votes in enumerate(drawn)
    ]
    found = of(*texts)
    for one in (found, *found["labels"], *found["pairs"]):
        assert one["f1"] is None or 0.0 <= one["f1"] <= 1.0
        assert one["alpha"] is None or one["alpha"] <= 1.0
        assert one["f1"] != 1.0 or one["alpha"] in (None, 1.0)
    assert len(found["disputed"]) == sum(one.is_disputed for one in texts)
