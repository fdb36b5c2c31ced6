import json

from huggingface_ner.learning.dynamics import Dynamics
from huggingface_ner.learning.review import find_review, review_agreement
from huggingface_ner.spans import AnnotatedText, Span, Vote

LAYERS = (("PER",),)
ANNA = Span(0, 4, "PER")


def test_all_that_is_to_be_looked_at_is_one_object() -> None:
    texts = [
        AnnotatedText("1", "Anna", (ANNA,), votes=(Vote(1, (ANNA,)), Vote(2, ()))),
        AnnotatedText("2", "Anna", ()),
    ]
    review = find_review(texts, LAYERS, Dynamics(texts), {1: "Ada", 2: "x" * 500})
    assert [*review] == [
        *("dubious", "more", "not_looked_at", "contradictions", "identical", "agreement", "annotators"),
    ]
    assert (review["dubious"], len(review["contradictions"]["strings"]), len(review["identical"]["texts"])) == (
        *([], 1, 1),
    )
    assert [one["task"] for one in review["agreement"]["disputed"]] == ["1"]
    assert (review["annotators"]["1"], len(review["annotators"]["2"])) == ("Ada", 100)
    assert {**review, **review_agreement(texts, {1: "Ada", 2: "x" * 500})} == review


def test_its_size_is_bounded_whatever_is_annotated() -> None:
    long = "\U0001f600" * 3_000
    texts = []
    for number in range(400):
        spans = tuple(Span(place, place + 1_500, f"{number}{long}") for place in range(0, 1_500, 100))
        votes = (Vote(number, spans), Vote(number + 1, spans[:1]), Vote(None, ()))
        texts.append(AnnotatedText(long, f"{number % 2}{long}", spans, votes=votes))
    labels = [span.label for text in texts for span in text.spans]
    review = find_review(texts, [labels], Dynamics(texts), dict.fromkeys(range(100), long))
    assert len(json.dumps(review)) < 5_000_000
