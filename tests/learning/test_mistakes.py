import json
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from huggingface_ner.learning.mistakes import MAX_EXAMPLES, MAX_KINDS, Mistakes
from huggingface_ner.learning.quotes import CONTEXT, MAX_SPAN
from huggingface_ner.scores import evaluate
from huggingface_ner.spans import AnnotatedText, Span

TEXT = "Anna Kovács flew from Zürich to São Paulo."
ANNA, ZURICH, PAULO = (0, 11), (22, 28), (32, 41)

SPANS = st.lists(
    st.builds(
        lambda start, length, label: Span(start, start + length, label),
        *map(st.integers, (0, 1), (12, 5)),
        st.sampled_from("AB"),
    )
)


def _kinds(gold: list[Span], predicted: list[Span], text: str = TEXT) -> dict[tuple[str, str], int]:
    mistakes = Mistakes()
    mistakes.add(AnnotatedText("7", text, tuple(gold)), predicted)
    return {(kind["gold"], kind["predicted"]): kind["count"] for kind in mistakes.as_dict()["kinds"]}


def test_each_kind_is_told_apart() -> None:
    gold = [Span(*ANNA, "PER"), Span(*ZURICH, "LOC"), Span(*PAULO, "LOC")]
    assert _kinds(gold, gold) == {}
    assert _kinds(gold, gold[:2]) == {("LOC", ""): 1}, "the gold span was missed"
    assert _kinds(gold[:2], gold) == {("", "LOC"): 1}, "the span was invented"
    assert _kinds(gold, [*gold[:2], Span(*PAULO, "PER")]) == {("LOC", "PER"): 1}, "the label is wrong"
    assert _kinds(gold, [*gold[:2], Span(36, 41, "LOC")]) == {("LOC", "LOC"): 1}, "the borders are wrong"
    assert _kinds(gold, [*gold[:2], Span(36, 41, "PER")]) == {("LOC", "PER"): 1}, "both are wrong"


def test_a_span_is_paired_with_the_one_that_is_most_like_it() -> None:
    assert _kinds([Span(0, 11, "PER")], [Span(0, 4, "PER"), Span(5, 11, "ORG")]) == {
        ("PER", "PER"): 1,
        ("", "ORG"): 1,
    }
    assert _kinds([Span(0, 11, "PER")], [Span(0, 11, "ORG"), Span(5, 11, "PER")]) == {
        ("PER", "ORG"): 1,
        ("", "PER"): 1,
    }


@given(SPANS, SPANS)
def test_the_counts_add_up_to_the_scores(gold: list[Span], predicted: list[Span]) -> None:
    mistakes = Mistakes()
    mistakes.add(AnnotatedText("7", TEXT, tuple(gold)), predicted)
    told = mistakes.as_dict()
    by_gold: Counter[str] = Counter(told["correct"])
    by_predicted: Counter[str] = Counter(told["correct"])
    for kind in told["kinds"]:
        by_gold[kind["gold"]] += kind["count"]
        by_predicted[kind["predicted"]] += kind["count"]
    for label, scores in evaluate([gold], [predicted]).by_label.items():
        assert by_gold[label] == scores.gold
        assert by_predicted[label] == scores.predicted
        assert told["correct"].get(label, 0) == scores.correct


def test_an_example_shows_the_place_and_what_was_selected() -> None:
    mistakes = Mistakes()
    text = f"{'x' * 100} {TEXT} {'y' * 100}"
    mistakes.add(AnnotatedText("7", text, (Span(101, 112, "PER"),)), [Span(106, 112, "PER")])
    (kind,) = mistakes.as_dict()["kinds"]
    (example,) = kind["examples"]
    assert example["task"] == "7"
    assert (example["text"], example["predicted"]) == ("Anna Kovács", "Kovács")
    assert example["before"] == f"…{text[101 - CONTEXT : 101]}"
    assert example["after"] == f"{text[112 : 112 + CONTEXT]}…"


def test_whatever_the_texts_are_the_file_is_small_and_can_be_written() -> None:
    mistakes = Mistakes()
    for number in range(1000):
        text = AnnotatedText(f"{number}", "\ud83d" * 10_000, (Span(0, 10_000, f"\ud83d{number}" * 100),))
        mistakes.add(text, [])
        mistakes.add(AnnotatedText("1", TEXT, (Span(*ANNA, "PER"),)), [])
    told = mistakes.as_dict()
    assert len(json.dumps(told, ensure_ascii=False).encode()) < 200_000
    assert (told["kinds"][0]["gold"], told["kinds"][0]["count"]) == ("PER", 1000), (
        "the most frequent kind comes first"
    )
    assert len(told["kinds"]) == MAX_KINDS
    assert told["more"] == 1000 - (MAX_KINDS - 1)
    assert len(told["kinds"][0]["examples"]) == MAX_EXAMPLES
    assert len(told["kinds"][1]["examples"][0]["text"]) == MAX_SPAN
