from collections.abc import Mapping, Sequence
from typing import cast

from huggingface_ner.learning.evaluation import evaluate_tagger
from huggingface_ner.scores import Evaluation
from huggingface_ner.spans import AnnotatedText, Span
from huggingface_ner.tagging.tagger import Tagger

TEXTS = ["Amt Potsdam zahlt .", "Amt Kiel zahlt ."]
LONG = [[Span(0, 11, "Organisation")], [Span(0, 8, "Organisation")]]
SHORT = [[Span(4, 11, "Ort")], [Span(4, 8, "Ort")]]


class _Told:
    """A tagger that returns given spans."""

    labels = ("Organisation", "Ort")

    def __init__(self, spans: Sequence[Sequence[Span]]) -> None:
        self._spans = dict(zip(TEXTS, spans, strict=True))

    def find_spans(self, texts: Sequence[str]) -> list[Sequence[Span]]:
        return [self._spans[text] for text in texts]


def _same(labels: Sequence[str]) -> Mapping[str, str]:
    return {label: label for label in labels}


def _score(predicted: Sequence[Sequence[Span]], *layers: Sequence[Sequence[Span]]) -> Evaluation:
    gold = [
        AnnotatedText(str(number), text, tuple(span for layer in layers for span in layer[number]))
        for number, text in enumerate(TEXTS)
    ]
    return evaluate_tagger(cast("Tagger", _Told(predicted)), gold, lambda labels, part: _same(labels))


def test_a_layer_that_was_not_learned_is_missed() -> None:
    scores = _score(LONG, LONG, SHORT)
    assert (scores.overall.correct, scores.overall.predicted, scores.overall.gold) == (2, 2, 4)
    assert scores.overall.f1 == 2 / 3
    assert (scores.by_label["Ort"].gold, scores.by_label["Ort"].f1) == (2, 0.0)
    both = [[*long, *short] for long, short in zip(LONG, SHORT, strict=True)]
    assert _score(both, LONG, SHORT).overall.f1 == 1.0


def test_a_region_that_is_there_twice_counts_once() -> None:
    assert _score(LONG, LONG, LONG).overall == _score(LONG, LONG).overall


def test_predicted_spans_are_cut_as_suggestions_are() -> None:
    span = LONG[0][0]
    middle = span.start + 1
    gold = [AnnotatedText("1", TEXTS[0], (span,), borders=(middle,))]
    told = cast("Tagger", _Told([[span], []]))
    overall = evaluate_tagger(told, gold, lambda labels, part: _same(labels)).overall
    assert (overall.correct, overall.predicted, overall.gold) == (0, 2, 1)


def test_labels_without_a_counterpart_predict_nothing() -> None:
    gold = [AnnotatedText("1", TEXTS[0], tuple(LONG[0]))]
    told = cast("Tagger", _Told([[*LONG[0], *SHORT[0]], []]))
    scores = evaluate_tagger(told, gold, lambda labels, part: {"Organisation": "Organisation"})
    assert (scores.overall.predicted, scores.overall.f1) == (1, 1.0)
