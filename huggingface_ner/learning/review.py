"""Finds the annotations that people should review: dubious and contradictory ones, and disagreements."""

from collections.abc import Mapping, Sequence
from typing import Any

from huggingface_ner.learning.agreement import AnnotatorAgreement
from huggingface_ner.learning.contradictions import Contradictions
from huggingface_ner.learning.dubious import dubious_annotations
from huggingface_ner.learning.dynamics import Dynamics
from huggingface_ner.learning.overlaps import Groups
from huggingface_ner.learning.quotes import name
from huggingface_ner.spans import AnnotatedText

# Maximum number of annotators whose names are kept.
MAX_ANNOTATORS = 500


def find_review(
    texts: Sequence[AnnotatedText], layers: Groups, dynamics: Dynamics, annotators: Mapping[int, str]
) -> dict[str, Any]:
    """Return the annotations of texts that people should review, as JSON of bounded size.

    layers: the labels of each layer; see fine_tune. dynamics: the observations of the texts during a training.
    annotators: the names of annotators, by id.
    ``dubious``, ``more``: see dubious_annotations. ``contradictions``: see Contradictions.strings. ``identical``:
    see Contradictions.texts. The other fields: see review_agreement.
    """
    contradictions = Contradictions(texts, layers)
    return {
        **dubious_annotations(dynamics, contradictions),
        "contradictions": contradictions.strings(),
        "identical": contradictions.texts(),
        **review_agreement(texts, annotators),
    }


def review_agreement(texts: Sequence[AnnotatedText], annotators: Mapping[int, str]) -> dict[str, Any]:
    """Return the part of the review that does not depend on a model, as JSON.

    ``agreement``: see AnnotatorAgreement. ``annotators``: the names of annotators, by id.
    """
    agreement = AnnotatorAgreement()
    for text in texts:
        agreement.add(text)
    return {
        "agreement": agreement.as_dict(),
        "annotators": {str(one): name(annotators[one]) for one in sorted(annotators)[:MAX_ANNOTATORS]},
    }
