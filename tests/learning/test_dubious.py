"""Dubious annotations are found in made-up observations, and in a training with planted errors."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from huggingface_ner.learning import dubious
from huggingface_ner.learning.contradictions import Contradictions
from huggingface_ner.learning.dubious import dubious_annotations
from huggingface_ner.learning.dynamics import Dynamics, Observed
from huggingface_ner.spans import AnnotatedText, Span, Vote
from huggingface_ner.tagging.words import WORD_RULES, Runs

LAYERS = (("LOC", "ORG", "PER"),)
TEXT = "Anna Kovács flew to Lyon ."
ANNA, LYON = Span(0, 11, "PER"), Span(20, 24, "LOC")


class MadeUp(Dynamics):
    """Made-up observations of texts.

    unlikely: the words whose probability is not 0.99, with their probabilities, by the index of the text.
    found: the spans that the model found, if these are not the annotated ones, by the index of the text.
    """

    def __init__(
        self,
        texts: Sequence[AnnotatedText],
        unlikely: dict[int, dict[str, float]] | None = None,
        found: dict[int, list[Span]] | None = None,
    ) -> None:
        super().__init__(texts)
        self.observations = 1
        for number, text in enumerate(texts):
            runs = Runs.of(text.text, WORD_RULES)
            words = list(zip(runs.starts, runs.ends, strict=True))
            of_word = (unlikely or {}).get(number, {})
            probabilities = np.array([of_word.get(text.text[a:b], 0.99) for a, b in words], dtype=np.float32)
            spans = (found or {}).get(number, [Span(s.start, s.end, s.label, 0.99) for s in text.spans])
            self._observed.append(Observed(words, probabilities, Counter({s: s.score for s in spans})))


def listed(
    texts: Sequence[AnnotatedText],
    unlikely: dict[int, dict[str, float]] | None = None,
    found: dict[int, list[Span]] | None = None,
) -> list[dict[str, Any]]:
    review = dubious_annotations(MadeUp(texts, unlikely, found), Contradictions(texts, LAYERS))
    return list(json.loads(json.dumps(review))["dubious"])


def text(*spans: Span, task: str = "1", content: str = TEXT, votes: tuple[Vote, ...] = ()) -> AnnotatedText:
    return AnnotatedText(task, content, spans, votes=votes)


def test_what_nothing_speaks_against_is_not_listed() -> None:
    assert listed([text(ANNA, LYON), text(task="2", content="")]) == []
    assert listed([]) == []


def test_a_label_that_the_model_does_not_believe_is_listed_with_the_one_that_it_does() -> None:
    other = Span(20, 24, "ORG", 0.9)
    (one,) = listed([text(ANNA, LYON)], {0: {"Lyon": 0.04}}, {0: [ANNA, other]})
    assert (one["task"], one["text"], one["label"], one["suggestion"]) == ("1", "Lyon", "LOC", "ORG")
    assert (one["start"], one["end"], one["before"]) == (20, 24, "Anna Kovács flew to ")
    assert one["reasons"] == [
        "During the training, the model's probability of this annotation was 4 % on average."
    ]


def test_a_border_that_the_model_does_not_believe_is_listed_with_its_own() -> None:
    (one,) = listed([text(Span(5, 11, "PER"), LYON)], {0: {"Anna": 0.1, "Kovács": 0.2}}, {0: [ANNA, LYON]})
    assert (one["text"], one["label"], one["suggestion"]) == ("Kovács", "PER", "PER: Anna Kovács")
    (one,) = listed([text(Span(5, 11, "PER"))], {0: {"Anna": 0.01}}, {0: []})
    assert one["text"] == "Kovács", "the word before the span counts"


def test_what_is_not_annotated_is_listed_if_the_model_finds_it() -> None:
    (one,) = listed([text(ANNA)], {0: {"Lyon": 0.2}}, {0: [ANNA, Span(20, 24, "LOC", 0.8)]})
    assert (one["text"], one["label"], one["suggestion"]) == ("Lyon", "", "LOC")


def test_what_the_model_does_not_find_at_all_may_be_nothing() -> None:
    (one,) = listed([text(ANNA, LYON)], {0: {"Lyon": 0.02}}, {0: [ANNA]})
    assert (one["text"], one["label"], one["suggestion"]) == ("Lyon", "LOC", "nothing")


@pytest.mark.parametrize(("here", "suggestion"), [((), "LOC"), ((Span(3, 7, "ORG"),), "")])
def test_a_string_that_is_treated_otherwise_elsewhere_is_listed(here: tuple[Span, ...], suggestion: str) -> None:
    texts = [text(Span(0, 4, "LOC"), task=str(number), content=f"Lyon {number}") for number in range(6)]
    unsure = {6: [Span(3, 7, "LOC", 0.4)]} if not here else {6: []}
    (one,) = listed([*texts, text(*here, task="9", content="to Lyon")], {6: {"Lyon": 0.6}}, unsure)
    assert (one["task"], one["label"], one["suggestion"]) == ("9", here[0].label if here else "", suggestion)
    assert one["reasons"] == ["“Lyon” is annotated as LOC in 6 of 6 other places."]


def test_what_annotators_disagree_about_is_listed_unless_it_is_settled() -> None:
    votes = (Vote(1, ()), Vote(2, ()), Vote(3, (LYON,)))
    (one,) = listed([text(LYON, votes=votes)], {0: {"Lyon": 0.4}})
    assert one["reasons"][0] == "1 of 3 annotators marked this as LOC."
    settled = (*votes[:2], Vote(3, (LYON,), is_ground_truth=True))
    assert listed([text(LYON, votes=settled)], {0: {"Lyon": 0.4}}) == []
    agreed = (Vote(1, (LYON,)), Vote(2, (LYON,)))
    assert listed([text(LYON, votes=agreed)], {0: {"Lyon": 0.4}}) == []


def test_what_is_annotated_otherwise_in_identical_texts_is_listed() -> None:
    texts = [text(ANNA, task=str(number)) for number in range(4)]
    places = listed([*texts, text(ANNA, LYON, task="9")], {4: {"Lyon": 0.6}})
    assert places[0]["task"] == "9"
    assert "0 of 4 identical texts have the same annotation here." in places[0]["reasons"]
    assert {one["text"] for one in places} == {"Lyon"}


def test_of_places_that_overlap_the_most_dubious_is_listed() -> None:
    inner = Span(5, 11, "PER")
    places = listed([text(ANNA, inner, LYON)], {0: {"Anna": 0.3, "Kovács": 0.01}}, {0: [LYON]})
    assert len(places) == 1


def test_the_list_is_in_order_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dubious, "MAX_DUBIOUS", 3)
    texts = [text(ANNA, task=str(number), content=f"{TEXT} {number}") for number in range(8)]
    unlikely = {number: {"Anna": 0.002 + 0.003 * number} for number in range(8)}
    review = dubious_annotations(
        MadeUp(texts, unlikely, {number: [] for number in range(8)}), Contradictions(texts, LAYERS)
    )
    assert [one["task"] for one in review["dubious"]] == ["0", "1", "2"]
    assert (review["more"], review["not_looked_at"]) == (5, 0)
    suspicions = [one["suspicion"] for one in review["dubious"]]
    assert suspicions == sorted(suspicions, reverse=True)
