import json

import numpy as np
import pytest

from huggingface_ner.learning.comparison import MIN_GOLD_SPANS, compare, needs_more
from huggingface_ner.scores import Evaluation, Scores


def _evaluation(*texts: tuple[int, int, int]) -> Evaluation:
    by_text = tuple(Scores(*text) for text in texts)
    return Evaluation(Scores(*(sum(text[place] for text in texts) for place in range(3))), {}, by_text=by_text)


def _found(recall: float, texts: int, seed: int) -> Evaluation:
    """Each text has two spans, of which a share is found, and nothing else."""
    found = np.random.default_rng(seed).binomial(2, recall, texts)
    return _evaluation(*[(int(one), int(one), 2) for one in found])


def test_a_model_that_is_surely_worse_is_worse() -> None:
    good, bad = _found(0.8, 200, 0), _found(0.5, 200, 1)
    worse = compare(bad, good, None, 0.05)
    assert worse.is_worse
    assert worse.f1_before == good.overall.f1
    assert worse.figures["method"] == "bootstrap"
    assert worse.figures["below"] == 1.0
    assert "lower in 100 % of the draws of a paired bootstrap over their 400 spans" in worse.reason
    assert "F1_TOLERANCE=0.05" in worse.reason
    assert not compare(good, bad, None, 0.05).is_worse
    assert not compare(good, good, None, 0.0).is_worse
    json.dumps(worse.figures)


def test_a_difference_within_the_tolerance_is_none() -> None:
    good, bad = _found(0.8, 2_000, 0), _found(0.77, 2_000, 1)
    assert compare(bad, good, None, 0.0).is_worse
    assert not compare(bad, good, None, 0.05).is_worse
    assert not compare(_found(0.0, 2_000, 1), good, None, 1.0).is_worse


def test_a_difference_that_is_not_sure_is_none() -> None:
    """F1 is lower by 0.1, and it is in one text of thirty that the models differ."""
    same = [(2, 2, 2)] * 29
    good, bad = _evaluation(*same, (20, 20, 20)), _evaluation(*same, (6, 6, 20))
    assert good.overall.f1 - bad.overall.f1 > 0.05
    assert not compare(bad, good, None, 0.05).is_worse


@pytest.mark.parametrize("texts", [4, 10, 24])
def test_a_few_spans_tell_a_broken_model_only(texts: int) -> None:
    good, broken = _found(0.8, texts, 0), _evaluation(*[(0, 0, 2)] * texts)
    bad = _evaluation(*[(1 + place % 2, 1 + place % 2, 2) for place in range(texts)])
    assert needs_more(good)
    for compared in (compare(bad, good, None, 0.05), compare(bad, good, _found(0.8, 100, 3), 0.05)):
        assert compared.figures["method"] == "intervals"
        assert not compared.is_worse
    found = compare(broken, good, _found(0.9, 40, 2), 0.05)
    assert found.is_worse
    assert found.f1_before == good.overall.f1
    assert found.figures["f1_before_unseen"] != good.overall.f1
    assert "on texts that it had not seen" in found.reason
    assert not compare(broken, good, None, 1.0).is_worse
    json.dumps(found.figures)


def test_what_the_model_before_did_since_makes_its_score_more_certain() -> None:
    broken, few = _evaluation((0, 0, 1)), _evaluation((1, 1, 1))
    assert not compare(broken, few, _found(0.9, 20, 0), 0.05).is_worse, "one span is too little of the new model"
    broken, few = _evaluation((0, 3, 4)), _evaluation((2, 4, 4))
    assert not compare(broken, few, None, 0.05).is_worse
    assert compare(broken, few, _found(0.9, 20, 0), 0.05).is_worse


def test_without_spans_nothing_is_worse() -> None:
    nothing = _evaluation((0, 0, 0))
    assert not compare(nothing, nothing, None, 0.0).is_worse
    assert MIN_GOLD_SPANS == 50
