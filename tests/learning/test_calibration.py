import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from huggingface_ner.learning.calibration import (
    DEVIATIONS,
    ENOUGH_SPANS,
    MIN_SLOPE,
    PRIOR,
    JudgedSpan,
    calibrate,
    fit_calibration,
    judge_spans,
    prior_calibration,
)
from huggingface_ner.learning.head import update_reading
from huggingface_ner.learning.unknown_tokens import UnknownTokens
from huggingface_ner.spans import AnnotatedText, Span
from huggingface_ner.store.model_folder import save_model
from huggingface_ner.tagging.calibration import Calibration, score_logit
from huggingface_ner.tagging.loading import load_fine_tuned, load_tagger
from huggingface_ner.tagging.tag_groups import TagGroups
from tests.told_models import SURE, bio_tags, save_told_model

SPANS = st.lists(
    st.builds(JudgedSpan, score=st.floats(0, 1), words=st.integers(1, 20), is_right=st.booleans()), max_size=40
)


def _drawn(calibration: Calibration, spans: int) -> list[JudgedSpan]:
    """Return random spans that are right as often as a calibration says."""
    random = np.random.default_rng(0)
    scores, words = random.uniform(0.02, 0.999, spans), random.integers(1, 5, spans).tolist()
    return [
        JudgedSpan(score, count, bool(random.random() < calibration.probability(score, count)))
        for score, count in zip(scores.tolist(), words, strict=True)
    ]


def test_without_spans_the_prior_is_all_that_is_known() -> None:
    assert fit_calibration([]) == PRIOR
    other = Calibration(slope=2, words=-1, bias=1)
    assert fit_calibration([], other) == other


def test_fewer_spans_to_learn_from_make_scores_lower() -> None:
    biases = [prior_calibration(spans).bias for spans in (0, 1, 10, 50, ENOUGH_SPANS, 10 * ENOUGH_SPANS)]
    assert biases == sorted(biases)
    assert biases[1] < biases[2] < biases[3] < biases[4] == PRIOR.bias
    assert {prior_calibration(spans).slope for spans in (1, 100)} == {PRIOR.slope}


@pytest.mark.parametrize(
    "true", [Calibration(slope=0.4, words=0.8, bias=-1), Calibration(slope=1.1, words=-0.5, bias=0.8)]
)
def test_many_spans_say_what_the_calibration_is(true: Calibration) -> None:
    fitted = fit_calibration(_drawn(true, 20_000))
    assert (fitted.slope, fitted.words, fitted.bias) == pytest.approx(
        (true.slope, true.words, true.bias), abs=0.15
    )


def test_few_spans_move_the_prior_a_little() -> None:
    few = [JudgedSpan(0.9, 1, is_right=False)] * 3
    fitted, many = fit_calibration(few), fit_calibration(few * 30)
    assert many.probability(0.9, 1) < fitted.probability(0.9, 1) < PRIOR.probability(0.9, 1)
    assert fitted.probability(0.9, 1) > 0.25
    assert many.probability(0.9, 1) < 0.1


@given(SPANS)
def test_no_other_calibration_is_more_probable(spans: Sequence[JudgedSpan]) -> None:
    def cost(calibration: Calibration) -> float:
        probabilities = [
            calibration.slope * score_logit(span.score)
            + calibration.words * math.log(span.words)
            + calibration.bias
            for span in spans
        ]
        misfit = sum(
            math.log1p(math.exp(-logit if span.is_right else logit))
            for logit, span in zip(probabilities, spans, strict=True)
        )
        distances = (
            calibration.slope - PRIOR.slope,
            calibration.words - PRIOR.words,
            calibration.bias - PRIOR.bias,
        )
        return misfit + sum((one / of) ** 2 / 2 for one, of in zip(distances, DEVIATIONS, strict=True))

    fitted = fit_calibration(spans)
    for moved in itertools.product((-0.02, 0, 0.02), repeat=3):
        slope, words, bias = (
            value + by for value, by in zip((fitted.slope, fitted.words, fitted.bias), moved, strict=True)
        )
        if slope > MIN_SLOPE:
            assert cost(fitted) <= cost(Calibration(slope=slope, words=words, bias=bias)) + 1e-3


@given(SPANS, st.randoms())
def test_the_order_of_spans_does_not_matter(spans: list[JudgedSpan], random: Random) -> None:
    shuffled = random.sample(spans, len(spans))
    one, other = fit_calibration(spans), fit_calibration(shuffled)
    assert (one.slope, one.words, one.bias) == pytest.approx((other.slope, other.words, other.bias), abs=1e-3)


def test_spans_are_judged_by_the_texts_gold_spans(tmp_path: Path) -> None:
    text = "ab cd ef"
    told = bio_tags(text, [Span(0, 5, "PER"), Span(6, 8, "PER")])
    tagger = load_tagger(save_told_model(tmp_path, ["O", "B-PER", "I-PER"], told), device="cpu")
    gold = (Span(0, 5, "PER"), Span(6, 7, "PER"))
    judged = judge_spans(
        tagger,
        TagGroups.bio([["PER"]]),
        [AnnotatedText("1", text, gold), AnnotatedText("2", "", ())],
        lambda annotated, span: span in annotated.spans,
        counts := UnknownTokens("an encoder"),
    )
    assert (counts.tokens, counts.unknown) == (8, 6), "each character is a token, and all letters are unknown"
    ((first, second),) = judged
    assert (first.words, first.is_right) == (2, True)
    assert (second.words, second.is_right) == (1, False)
    assert second.score == pytest.approx(SURE, abs=0.02)


@pytest.mark.parametrize("groups", [None, (("PER",), ("LOC",))])
def test_each_group_is_calibrated_by_the_texts_it_was_not_trained_on(
    groups: tuple[tuple[str, ...], ...] | None, tmp_path: Path
) -> None:
    names = ["O", "B-PER", "I-PER"] if groups is None else ["O", "B-PER", "I-PER", "2/O", "2/B-LOC", "2/I-LOC"]
    told = [{"B-PER": 0.45, "O": 0.05, "2/B-LOC": 0.4, "2/O": 0.1}, *[{"O": 0.5, "2/O": 0.5}] * 20]
    model, tokenizer = load_fine_tuned(save_told_model(tmp_path / "told", names, told), "cpu")
    update_reading(model, tag_scheme="IOB2", groups=groups)
    texts = [AnnotatedText(str(number), "a b", (Span(0, 1, "LOC"),)) for number in range(60)]
    calibrate(model, tokenizer, texts, lambda text, span: span in text.spans)
    save_model(model, tokenizer, tmp_path / "saved")
    tagger = load_tagger(tmp_path / "saved", device="cpu")
    assert tagger.is_calibrated
    scores = {span.label: span.score for span in tagger.find_spans(["a b"])[0]}
    assert scores["PER"] < 0.2, "none of the 60 spans is right, although the model gives each a probability of 0.9"
    assert groups is None or scores["LOC"] > 0.8, "all of these spans are right"
