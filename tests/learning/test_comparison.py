import json

import numpy as np

from huggingface_ner.learning.comparison import MIN_GOLD_SPANS, compare, needs_more
from huggingface_ner.scores import Evaluation, Scores


def _evaluation(*texts: tuple[int, int, int]) -> Evaluation:
    by_text = tuple(Scores(*text) for text in texts)
    return Evaluation(Scores(*(sum(text[place] for text in texts) for place in range(3))), {}, by_text=by_text)


def _found(recall: float, texts: int, seed: int) -> Evaluation:
    """Evaluate texts with two gold spans each; the model finds a share of these, and no wrong spans."""
    found = np.random.default_rng(seed).binomial(2, recall, texts)
    return _evaluation(*[(int(one), int(one), 2) for one in found])


def test_a_model_that_is_surely_worse_is_worse() -> None:
    good, bad = _found(0.8, 200, 0), _found(0.5, 200, 1)
    worse = compare(bad, good, None, 0.05)
    assert worse.is_worse
    assert worse.f1_before == good.overall.f1
    assert "f1_before_unseen" not in worse.figures, "there are enough spans without further texts"
    assert worse.figures["below"] == 1.0
    assert "lower in 100 % of the draws of a paired bootstrap over 400 spans" in worse.reason
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
    """F1 is much lower, but the models differ in only one text of thirty."""
    same = [(2, 2, 2)] * 29
    good, bad = _evaluation(*same, (20, 20, 20)), _evaluation(*same, (6, 6, 20))
    assert good.overall.f1 - bad.overall.f1 > 0.05
    assert not compare(bad, good, None, 0.05).is_worse


def test_few_texts_alone_decide_nothing() -> None:
    """The previous model was lucky with ten texts: on later texts, it was no better than the new model."""
    lucky, new = _evaluation(*[(2, 2, 2)] * 10), _evaluation(*[(1, 2, 2)] * 10)
    assert needs_more(new)
    assert compare(new, lucky, None, 0.05).figures["below"] == 1.0
    assert not compare(new, lucky, _evaluation(*[(1, 2, 2)] * 200), 0.05).is_worse
    confirmed = compare(new, lucky, _evaluation(*[(2, 2, 2)] * 60), 0.05)
    assert confirmed.is_worse
    assert confirmed.f1_before == 1.0
    assert confirmed.figures["f1_before_unseen"] == 1.0
    assert confirmed.figures["interval_before_unseen"][0] > 0.9
    assert "on all texts that it had not seen its F1 is 1.000 (at least 0." in confirmed.reason
    json.dumps(confirmed.figures)


def test_what_the_model_before_did_since_does_not_decide_alone() -> None:
    """The later texts may be easier than the texts held out, on which both models did equally well."""
    new, before = _evaluation(*[(1, 2, 2)] * 10), _evaluation(*[(1, 2, 2)] * 10)
    assert not compare(new, before, _evaluation(*[(2, 2, 2)] * 60), 0.05).is_worse


def test_a_model_that_finds_nothing_is_worse_also_with_few_texts() -> None:
    broken = _evaluation(*[(0, 0, 2)] * 8)
    assert compare(broken, _found(0.8, 8, 0), None, 0.05).is_worse
    assert not compare(broken, _found(0.8, 8, 0), None, 1.0).is_worse
    assert not compare(_evaluation((0, 0, 1)), _evaluation((1, 1, 1)), None, 1.0).is_worse


def test_without_spans_nothing_is_worse() -> None:
    nothing = _evaluation((0, 0, 0))
    assert not compare(nothing, nothing, None, 0.0).is_worse
    assert MIN_GOLD_SPANS == 50
