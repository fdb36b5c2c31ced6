from typing import Any

import pytest

from huggingface_ner.intervals import f1_interval
from huggingface_ner.scores import evaluate, f1_in_words, score_basis
from huggingface_ner.spans import Span

GOLD = [[Span(0, 4, "PER"), Span(10, 14, "LOC")], [], [Span(0, 3, "ORG")]]


def test_only_exact_spans_count() -> None:
    found = [[Span(0, 4, "PER", 0.4), Span(10, 13, "LOC")], [Span(1, 2, "PER")], [Span(0, 3, "LOC")]]
    scores: Any = evaluate(GOLD, found).as_dict()
    assert scores["precision"] == pytest.approx(1 / 4)
    assert scores["recall"] == pytest.approx(1 / 3)
    assert scores["f1"] == pytest.approx(2 / 7)
    assert scores["labels"]["PER"] == {
        "precision": 0.5,
        "recall": 1.0,
        "f1": pytest.approx(2 / 3),
        "f1_interval": f1_interval(1, 2, 1),
        "correct": 1,
        "predicted": 2,
        "gold": 1,
    }
    assert list(scores["labels"]) == ["LOC", "ORG", "PER"]


def test_what_scores_rest_on_is_told() -> None:
    scores = evaluate(GOLD, GOLD, gold_left_out=25)
    gold = scores.overall.gold
    assert scores.basis == f"{gold} of {gold + 25} regions"
    assert scores.as_dict()["gold_left_out"] == 25
    assert evaluate(GOLD, GOLD).basis is None
    assert f1_in_words(0.8512, 0.7, score_basis(88, 25)) == " (F1 0.851, over 88 of 113 regions, before 0.700)"
    assert (
        f1_in_words(0.8512, None, None, (0.7641, 0.9))
        == " (F1 0.851, between 0.764 and 0.900 with 95 % confidence)"
    )
    assert f1_in_words(0.8512, None, None) == " (F1 0.851)"
    assert f1_in_words(None, None, "88 of 113 regions") == ""


def test_perfect_and_empty() -> None:
    assert evaluate(GOLD, GOLD).overall.f1 == 1.0
    nothing = evaluate([[]], [[]]).overall
    assert (nothing.precision, nothing.recall, nothing.f1) == (0.0, 0.0, 0.0)


def test_texts_and_predictions_have_to_match() -> None:
    with pytest.raises(ValueError, match="zip"):
        evaluate(GOLD, [])
