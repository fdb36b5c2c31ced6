from typing import Any

from demo.news import read_news, score


def test_the_gold_of_all_tasks_but_the_cancelled_one() -> None:
    assert len(read_news()) == 199


def test_gold_regions_are_all_right() -> None:
    gold = read_news()
    scores = score(gold, gold)
    assert scores.f1 == 1.0
    assert scores.gold > 500


def test_only_the_texts_that_were_predicted_count() -> None:
    gold = read_news()
    first, second = [text for text, regions in gold.items() if regions][:2]
    wrong: list[dict[str, Any]] = []
    scores = score(gold, {first: gold[first], second: wrong})
    assert scores.correct == scores.predicted == len(gold[first])
    assert scores.gold == len(gold[first]) + len(gold[second])
