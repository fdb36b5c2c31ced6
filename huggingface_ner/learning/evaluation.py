"""Scores of a tagger on annotated texts."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from huggingface_ner.scores import Evaluation, evaluate
from huggingface_ner.spans import AnnotatedText, Span, drop_overlaps

if TYPE_CHECKING:
    from huggingface_ner.tagging.tagger import Tagger

# Texts are tagged so many at a time, which is how often progress is told.
TEXTS_AT_A_TIME = 100


def evaluate_tagger(
    tagger: "Tagger",
    gold: Sequence[AnnotatedText],
    match_labels: Callable[[Sequence[str]], Mapping[str, str]],
    progress: Callable[[int], object] | None = None,
) -> Evaluation:
    """Score a tagger on texts; of gold spans that overlap the longer counts.

    match_labels: returns, for the tagger's labels that have a counterpart in the gold, that label.
    progress: called with the number of texts done since.
    """
    names = match_labels(tagger.labels)
    wanted, predicted = [], []
    for start in range(0, len(gold), TEXTS_AT_A_TIME):
        some = gold[start : start + TEXTS_AT_A_TIME]
        wanted += [drop_overlaps(text.spans) for text in some]
        predicted += [
            [Span(span.start, span.end, names[span.label]) for span in spans if span.label in names]
            for spans in tagger.find_spans([text.text for text in some])
        ]
        if progress is not None:
            progress(len(some))
    return evaluate(wanted, predicted)
