"""Scores a tagger on annotated texts."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from huggingface_ner.scores import Evaluation, evaluate
from huggingface_ner.spans import AnnotatedText, Span, cut_at

if TYPE_CHECKING:
    from huggingface_ner.tagging.tagger import Tagger

# Number of texts that are tagged at once; progress is reported after each such batch.
TEXTS_AT_A_TIME = 100

# Called with a model's labels and the part of a text (see AnnotatedText). Returns the gold label of each label in
# texts of this part; labels without a counterpart are left out.
MatchLabelsOver = Callable[[Sequence[str], str], Mapping[str, str]]


def evaluate_tagger(
    tagger: "Tagger",
    gold: Sequence[AnnotatedText],
    match_labels_over: MatchLabelsOver,
    progress: Callable[[int], object] | None = None,
    compare: Callable[[AnnotatedText, Sequence[Span]], object] | None = None,
) -> Evaluation:
    """Score a tagger on texts.

    Every gold span counts, even if it overlaps others. Otherwise a model that never learned the shorter of two
    overlapping spans could have a perfect score. A span that occurs twice counts once. Predicted spans are cut at
    the texts' borders, as suggestions are.

    match_labels_over: see MatchLabelsOver.
    progress: called after each batch with its number of texts.
    compare: called with each text and the spans predicted in it.
    """
    names: dict[str, Mapping[str, str]] = {}
    wanted, predicted = [], []
    left_out = 0
    for start in range(0, len(gold), TEXTS_AT_A_TIME):
        some = gold[start : start + TEXTS_AT_A_TIME]
        wanted += [text.spans for text in some]
        left_out += sum(text.left_out for text in some)
        for text, spans in zip(some, tagger.find_spans([text.text for text in some]), strict=True):
            if text.part not in names:
                names[text.part] = match_labels_over(tagger.labels, text.part)
            own = names[text.part]
            named = [Span(span.start, span.end, own[span.label]) for span in spans if span.label in own]
            predicted.append([part for span in named for part in cut_at(span, text.borders, text.text)])
        if compare is not None:
            for text, spans in zip(some, predicted[start:], strict=True):
                compare(text, spans)
        if progress is not None:
            progress(len(some))
    return evaluate(wanted, predicted, left_out)
