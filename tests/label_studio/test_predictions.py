"""Which of the found spans are suggested."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from huggingface_ner.label_studio.known_strings import KnownString
from huggingface_ner.label_studio.labeling_config import parse_labeling_config
from huggingface_ner.label_studio.predictions import predict_tasks
from huggingface_ner.label_studio.tasks import task_reader
from huggingface_ner.mentions.tallies import Tally
from huggingface_ner.settings import Settings
from huggingface_ner.spans import Span, TaggedText

TEXT = "ab cd ef gh ij kl"
CONFIG = parse_labeling_config(
    '<View><Labels name="label" toName="text"><Label value="PER"/><Label value="LOC"/></Labels>'
    '<Text name="text" value="$text"/></View>'
)
LABELS = st.sampled_from(["PER", "LOC"])
WORDS = [(start, start + 2) for start in range(0, len(TEXT), 3)]


@dataclass(frozen=True)
class Found:
    spans: list[Span]
    known: list[KnownString]
    score: float


@st.composite
def _found(draw: st.DrawFn) -> Found:
    """Draw the spans that a model finds in TEXT, without overlaps, and single words that are known strings."""
    spans: list[Span] = []
    known: list[KnownString] = []
    for start, end in WORDS:
        label, score = draw(LABELS), draw(st.floats(0, 1))
        kind = draw(st.sampled_from(["span", "longer", "nothing"]))
        if kind == "longer" and spans and spans[-1].end == start - 1:
            spans[-1] = replace(spans[-1], end=end)
        elif kind == "span":
            spans.append(Span(start, end, label, score))
        if draw(st.booleans()):
            occurrences = draw(st.integers(1, 9))
            marked = draw(st.integers(0, occurrences))
            other = draw(st.integers(0, marked))
            tally = Tally(occurrences, marked)
            tally.labels.update({"PER": marked - other, "LOC": other})
            known.append(KnownString(start, end, {"label": tally}))
    return Found(spans, known, draw(st.floats(0, 1)))


def _predicted(found: Found, min_score: float) -> tuple[list[dict[str, Any]], float]:
    def tag(texts: Sequence[str]) -> list[TaggedText]:
        return [TaggedText(found.spans, found.score) for _ in texts]

    (prediction,) = predict_tasks(
        [{"id": 1, "data": {"text": TEXT}}],
        CONFIG,
        {label: label for label in CONFIG.label_names},
        task_reader(Settings()),
        tag,
        find_known=lambda text: found.known,
        min_score=min_score,
    )
    regions = [{**region, "id": None} for region in prediction["result"]]
    return regions, prediction["score"]


@given(_found(), st.floats(0, 1))
def test_what_is_less_likely_than_the_minimum_is_not_shown_and_all_else_is(found: Found, min_score: float) -> None:
    everything, score = _predicted(found, 0.0)
    shown, same_score = _predicted(found, min_score)
    assert shown == [region for region in everything if region["score"] >= min_score]
    assert same_score == score == found.score


def test_strings_that_are_known_count_too() -> None:
    tally = Tally(5, 4)
    tally.labels.update({"PER": 2, "LOC": 2})
    known = [KnownString(0, 2, dict.fromkeys(("label", "", "1"), tally))]
    found = Found([], known, 0.5)
    assert [region["score"] for region in _predicted(found, 0.4)[0]] == [0.4]
    assert _predicted(found, 0.5)[0] == []
