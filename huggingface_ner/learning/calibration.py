"""Fits the calibration of a model's scores to texts that the model was not trained on."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from huggingface_ner.engines.pretrained import tag_names
from huggingface_ner.learning.head import update_reading
from huggingface_ner.learning.unknown_tokens import UnknownTokens
from huggingface_ner.spans import AnnotatedText, Span
from huggingface_ner.tagging.calibration import Calibration, score_logit
from huggingface_ner.tagging.loading import tagger_of_model
from huggingface_ner.tagging.reading import Reading
from huggingface_ner.tagging.tag_groups import TagGroups
from huggingface_ner.tagging.tagger import Tagger

# The prior of the calibration: the mean of each parameter over models that were trained on several corpora, and
# its standard deviation. With fewer than ENOUGH_SPANS training spans, the bias is lower by BIAS_FALL times the
# square of the logarithm of ENOUGH_SPANS / spans. The values were measured; see bench/README.md.
PRIOR = Calibration(slope=0.5, words=1.15, bias=-0.75)
DEVIATIONS = (0.2, 0.7, 0.5)
ENOUGH_SPANS = 120
BIAS_FALL = 0.2
MIN_SLOPE = 0.05

_ITERATIONS = 50
_CONVERGED = 1e-8
# Whether a span that was found in a text is right.
IsRight = Callable[[AnnotatedText, Span], bool]
_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class JudgedSpan:
    """A span that a model found in a text with gold spans.

    score: computed from the model's probabilities, without a calibration. words: the span's number of words.
    """

    score: float
    words: int
    is_right: bool


def calibrate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[AnnotatedText],
    is_right: IsRight,
    unknown_tokens: UnknownTokens | None = None,
) -> None:
    """Save a calibration for each tag group in a model's config, fitted to texts that the model has not seen.

    If the config already has calibrations, these are the priors. is_right, unknown_tokens: see judge_spans.
    """
    reading = Reading.of_model(model)
    groups = reading.model_copy(update={"calibrations": None}).tag_groups(tag_names(model))
    judged = judge_spans(tagger_of_model(model, tokenizer), groups, texts, is_right, unknown_tokens)
    priors = reading.calibrations or (PRIOR,) * len(judged)
    update_reading(model, calibrations=tuple(map(fit_calibration, judged, priors)))


def judge_spans(
    tagger: Tagger,
    groups: TagGroups,
    texts: Sequence[AnnotatedText],
    is_right: IsRight,
    unknown_tokens: UnknownTokens | None = None,
) -> list[list[JudgedSpan]]:
    """Return, for each tag group, the spans that the group finds in the texts.

    groups: the tag groups of the tagger's model, without calibrations. is_right: returns whether a span that was
    found in a text is one of the text's gold spans. unknown_tokens: counts the tokens of the texts.
    """
    judged: list[list[JudgedSpan]] = [[] for _ in groups.schemes]
    for text, read in zip(texts, tagger.read([text.text for text in texts]), strict=True):
        words = read.text.words
        if unknown_tokens is not None:
            unknown_tokens.add(read.text)
        for of_group, found in zip(judged, groups.decode_each(read.log_probabilities), strict=True):
            for span in found[0]:
                place = Span(words[span.start][0], words[span.end - 1][1], span.label)
                of_group.append(JudgedSpan(span.score, span.end - span.start, is_right(text, place)))
    return judged


def prior_calibration(spans: int) -> Calibration:
    """Return the calibration to expect of a model that was trained on this many spans."""
    shortfall = math.log(ENOUGH_SPANS / min(max(spans, 1), ENOUGH_SPANS))
    return PRIOR.model_copy(update={"bias": round(PRIOR.bias - BIAS_FALL * shortfall**2, 4)})


def fit_calibration(spans: Sequence[JudgedSpan], prior: Calibration = PRIOR) -> Calibration:
    """Return the most probable calibration, given spans and a prior; without spans, this is the prior.

    This is a logistic regression. The prior of each parameter is a normal distribution: its mean is in ``prior``,
    its standard deviation in DEVIATIONS. The slope is at least MIN_SLOPE.
    """
    rows = np.array([(score_logit(span.score), np.log(span.words), 1.0) for span in spans]).reshape(-1, 3)
    right = np.array([span.is_right for span in spans], dtype=np.float64)
    mean, deviations = np.array([prior.slope, prior.words, prior.bias]), np.array(DEVIATIONS)
    slope, words, bias = _most_probable(rows, np.zeros(len(rows)), right, mean, deviations)
    if slope < MIN_SLOPE:
        slope = MIN_SLOPE
        words, bias = _most_probable(rows[:, 1:], slope * rows[:, 0], right, mean[1:], deviations[1:])
    # rounded: the config stores the numbers as text, and the trained model has to decode as the saved model does
    return Calibration(slope=round(slope, 4), words=round(words, 4), bias=round(bias, 4))


def _most_probable(
    rows: _Floats, offsets: _Floats, right: _Floats, mean: _Floats, deviations: _Floats
) -> list[float]:
    """Return the most probable weights of a logistic regression, by Newton's method.

    rows: [spans, weights]. offsets: added to each span's logit, [spans]. right: 1.0 or 0.0, [spans]. mean,
    deviations: the mean and the standard deviations of the weights' normal prior, [weights].
    """
    precision = np.diag(deviations**-2)

    def cost(weights: _Floats) -> float:
        logits, distance = offsets + rows @ weights, weights - mean
        misfit = np.logaddexp(0, logits).sum() - right @ logits
        return float(misfit + distance @ precision @ distance / 2)

    weights = mean
    for _ in range(_ITERATIONS):
        probabilities = 1 / (1 + np.exp(-(offsets + rows @ weights)))
        gradient = rows.T @ (probabilities - right) + precision @ (weights - mean)
        curvature = (rows.T * (probabilities * (1 - probabilities))) @ rows + precision
        step = np.linalg.solve(curvature, gradient)
        while cost(weights - step) > cost(weights) and np.abs(step).max() > _CONVERGED:
            step = step / 2  # far from the optimum, a full step may lead further away
        weights = weights - step
        if np.abs(step).max() <= _CONVERGED:
            break
    found: list[float] = weights.tolist()
    return found
