"""Scores a tagger on annotated texts."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from huggingface_ner.scores import Evaluation, evaluate
from huggingface_ner.spans import AnnotatedText, Span

if TYPE_CHECKING:
    from huggingface_ner.tagging.tagger import Tagger

# Texts that are tagged at once; progress is reported after each such batch.
TEXTS_AT_A_TIME = 100


def evaluate_tagger(
    tagger: "Tagger",
    gold: Sequence[AnnotatedText],
    match_labels: Callable[[Sequence[str]], Mapping[str, str]],
    progress: Callable[[int], object] | None = None,
    compare: Callable[[AnnotatedText, Sequence[Span]], object] | None = None,
) -> Evaluation:
    """Score a tagger on texts.

    Every gold span counts, even if it overlaps others. Otherwise a model that never learned the shorter of two
    overlapping spans could have a perfect score. A span that occurs twice counts once.

    match_labels: maps the tagger's labels to gold labels; the result omits labels without a counterpart.
    progress: called after each batch with its number of texts.
    compare: called with each text and the spans predicted in it.
    """
    names = match_labels(tagger.labels)
    wanted, predicted = [], []
    left_out = 0
    for start in range(0, len(gold), TEXTS_AT_A_TIME):
        some = gold[start : start + TEXTS_AT_A_TIME]
        wanted += [text.spans for text in some]
        left_out += sum(text.left_out for text in some)
        predicted += [
            [Span(span.start, span.end, names[span.label]) for span in spans if span.label in names]
            for spans in tagger.find_spans([text.text for text in some])
        ]
        if compare is not None:
            for text, spans in zip(some, predicted[start:], strict=True):
                compare(text, spans)
        if progress is not None:
            progress(len(some))
    return evaluate(wanted, predicted, left_out)
