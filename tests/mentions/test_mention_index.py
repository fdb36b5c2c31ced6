"""MentionIndex gives the same counts as a simple count of words, after any sequence of changes."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huggingface_ner.consensus import Agreement, Ballot, decide
from huggingface_ner.label_studio.annotation_entries import AnnotationEntry, EntryText, Mention
from huggingface_ner.mentions.mention_index import MentionIndex
from huggingface_ner.mentions.string_finder import StringFinder
from huggingface_ner.mentions.tallies import Tally

Words = tuple[str, ...]


def entry(
    number: int, text: str, *mentions: tuple[str, str], task: int | None = None, **more: Any
) -> AnnotationEntry:
    """Return an annotation that labels the first occurrence of each string."""
    found = [
        Mention(text.index(string), text.index(string) + len(string), "l", label) for string, label in mentions
    ]
    texts = (EntryText(text, ("l",), tuple(found)),)
    return AnnotationEntry(number, task or number, more.pop("updated_at", 0), texts=texts, **more)


def tally(index: MentionIndex, string: str, layer: str = "l") -> tuple[Any, Any, dict[str, Any]]:
    found = index.tallies(string).get(layer, Tally())
    return found.occurrences, found.marked, dict(found.labels)


def test_an_occurrence_in_an_earlier_or_a_later_text_counts() -> None:
    index = MentionIndex()
    index.change([entry(1, "Paris is Paris.")])
    assert list(index.find("Paris")) == [], "nobody has annotated the string"
    index.change([entry(2, "To Paris", ("Paris", "LOC"))])
    index.change([entry(3, "Parisians like Paris")])
    assert tally(index, "Paris") == (4, 1, {"LOC": 1})
    assert list(index.find("In Paris, Parisians")) == [(3, 8)]
    assert list(index.find("in paris")) == [], "only exact occurrences are found"


def test_occurrences_inside_a_longer_mention_do_not_count() -> None:
    index = MentionIndex()
    index.change(
        [entry(1, "New York", ("New York", "LOC")), entry(2, "The New York Times", ("New York Times", "ORG"))]
    )
    assert tally(index, "New York") == (1, 1, {"LOC": 1})
    index.change([entry(3, "New York Times Square", ("Times Square", "LOC"))])
    assert tally(index, "New York") == (2, 1, {"LOC": 1})
    assert tally(index, "New York Times") == (2, 1, {"ORG": 1}), (
        "an occurrence that overlaps a shorter mention counts"
    )


def test_a_part_of_a_word_is_never_known() -> None:
    index = MentionIndex()
    index.change([entry(1, "Parisian", ("Paris", "LOC"))])
    assert tally(index, "Paris") == (0, 0, {})


def test_annotations_of_a_task_are_weighed() -> None:
    index = MentionIndex()
    text = "Ada met Ada"
    index.change([entry(1, text, ("Ada", "PER"), task=1), entry(2, text, task=1), entry(3, text, task=1)])
    assert list(index.find("Ada")) == [], "only one of three annotations marks it"
    index.change([entry(2, text, ("Ada", "PER"), task=1)])
    assert tally(index, "Ada") == (2, 1, {"PER": 1})
    index.change([entry(4, text, ("Ada", "ORG"), task=1, is_ground_truth=True, updated_at=1)])
    assert tally(index, "Ada") == (2, 1, {"ORG": 1}), "the ground truth wins"
    index.change([entry(5, text, task=1, is_ground_truth=True, updated_at=2)])
    assert list(index.find("Ada")) == [], "the newest of several ground truths wins"
    index.change([], [4, 5])
    index.change([replace(entry(2, text, task=1), is_cancelled=True), entry(3, text, ("Ada", "PER"), task=1)])
    assert tally(index, "Ada") == (2, 1, {"PER": 1})


def test_of_two_annotations_the_one_of_who_agrees_more_is_followed() -> None:
    index = MentionIndex()
    contested = [
        entry(1, "Ada", ("Ada", "PER"), task=1, annotator=1),
        entry(2, "Ada", ("Ada", "ORG"), task=1, annotator=2, updated_at=1),
    ]
    index.change(contested)
    assert tally(index, "Ada") == (1, 1, {"ORG": 1}), "the newest annotation counts"
    agreed = [entry(number, "Bob", ("Bob", "PER"), task=2, annotator=number - 2) for number in (3, 5)]
    index.change(agreed)
    assert tally(index, "Ada") == (1, 1, {"PER": 1}), "annotator 1 agrees with annotator 3 in another task"
    index.change([], [5])
    assert tally(index, "Ada") == (1, 1, {"ORG": 1})
    index.change([replace(contested[0], texts=contested[1].texts)])
    index.change(agreed)
    assert tally(index, "Ada") == (1, 1, {"ORG": 1}), "the annotators no longer disagree"


def test_a_text_that_has_changed_is_another_text() -> None:
    index = MentionIndex()
    index.change([entry(1, "Ada", ("Ada", "PER"), task=1), entry(2, "Bob", ("Bob", "PER"), task=1)])
    assert (list(index.find("Ada")), tally(index, "Bob")) == ([], (1, 1, {"PER": 1}))
    old = [entry(number, "Ada left", ("Ada", "PER"), task=1) for number in (1, 2)]
    index.change([*old, entry(3, "We met Ada", task=1)])
    assert list(index.find("We met Ada")) == [], "the majority marked a place in the old text"
    index.change([entry(4, "Ada", ("Ada", "PER"))])
    assert tally(index, "Ada") == (2, 1, {"PER": 1})


def test_an_annotation_may_move_and_nothing_is_left_of_a_removed_one() -> None:
    index = MentionIndex()
    index.change([entry(1, "Ada", ("Ada", "PER"), task=1), entry(2, "Ada", task=2)])
    index.change([entry(1, "Ada", ("Ada", "PER"), task=2, updated_at=1)])
    assert tally(index, "Ada") == (1, 1, {"PER": 1})
    assert (len(index), index.size) == (2, 6)
    index.change([], [1, 2, 3])
    assert (len(index), index.size, list(index.find("Ada")), index.tallies("Ada")) == (0, 0, [], {})


def test_layers_are_counted_apart() -> None:
    index = MentionIndex()
    both = EntryText("Ada", ("one", "two"), (Mention(0, 3, "two", "PER"),))
    only = EntryText("Ada", ("two",), (Mention(0, 3, "two", "PER"),))
    index.change([AnnotationEntry(1, 1, 0, texts=(both, only))])
    assert tally(index, "Ada", "one") == (1, 0, {})
    assert tally(index, "Ada", "two") == (2, 2, {"PER": 2})


def test_strings_of_a_gazetteer_are_counted_before_and_after_they_are_annotated() -> None:
    index = MentionIndex(StringFinder(["Ada", "Bob"]))
    index.change([entry(1, "Ada met Bob")])
    assert tally(index, "Ada") == (1, 0, {})
    index.change([entry(2, "Ada", ("Ada", "PER"))])
    assert tally(index, "Ada") == (2, 1, {"PER": 1})
    index.change([], [2])
    assert tally(index, "Ada") == (1, 0, {})
    assert sorted(index.find("Bob and Ada")) == [(0, 3), (8, 11)]


WORDS = st.lists(st.sampled_from(["a", "b", "c"]), min_size=0, max_size=6)


@st.composite
def texts(draw: st.DrawFn) -> tuple[Words, tuple[tuple[int, int, str], ...]]:
    """Draw a text as words, and mentions as stretches of words that do not overlap."""
    words = tuple(draw(WORDS))
    place, mentions = 0, []
    while place < len(words):
        length = draw(st.integers(0, 3))
        if length and place + length <= len(words):
            mentions.append((place, place + length, draw(st.sampled_from(["X", "Y"]))))
        place += max(length, 1)
    return words, tuple(mentions)


ENTRIES = st.tuples(
    st.integers(1, 6),
    st.integers(1, 3),
    texts(),
    st.integers(0, 5),
    st.booleans(),
    st.booleans(),
    st.one_of(st.none(), st.integers(1, 3)),
)


def _entry(drawn: Any) -> AnnotationEntry:
    number, task, (words, stretches), updated_at, truth, cancelled, annotator = drawn
    starts = [2 * place for place in range(len(words))]
    mentions = tuple(Mention(starts[first], starts[last - 1] + 1, "l", label) for first, last, label in stretches)
    text = EntryText(" ".join(words), ("l",), mentions)
    return AnnotationEntry(number, task, updated_at, truth, cancelled, (text,), annotator)


Weighed = tuple[Words, tuple[tuple[int, int, str], ...]]


def _weighed(entries: dict[int, Any]) -> list[Weighed]:
    """Return the words of each task, and the mentions that count."""
    by_task: dict[int, list[Any]] = {}
    for drawn in sorted(entries.values(), key=lambda drawn: (drawn[3], drawn[0])):
        if not drawn[5]:
            by_task.setdefault(drawn[1], []).append(drawn)
    agreement, found = Agreement(), []
    ballots = {
        task: [Ballot(one[6], frozenset((one[2][0], mention) for mention in one[2][1]), one[4]) for one in drawns]
        for task, drawns in by_task.items()
    }
    for some in ballots.values():
        agreement.add(some)
    for task, drawns in by_task.items():
        decision = decide(ballots[task], agreement.ranks())
        words = drawns[decision.source][2][0]
        found.append((words, tuple(sorted(mention for own, mention in decision.marks if own == words))))
    return found


def _judged(weighed: list[Weighed], string: Words) -> tuple[int, int, dict[str, int]]:
    """Count words, as a check of MentionIndex, which counts stretches of characters."""
    occurrences, marked, labels = 0, 0, Counter[str]()
    for words, mentions in weighed:
        place = 0
        own = {first: label for first, last, label in mentions if words[first:last] == string}
        occurrences += len(own)
        marked += len(own)
        labels.update(label for first, last, label in mentions if words[first:last] == string)
        blocked = {
            word
            for first, last, _ in mentions
            if words[first:last] == string or len(" ".join(words[first:last])) > len(" ".join(string))
            for word in range(first, last)
        }
        while place + len(string) <= len(words):
            stretch = range(place, place + len(string))
            if words[place : place + len(string)] == string and not blocked & set(stretch):
                occurrences += 1
                place += len(string)
            else:
                place += 1
    return occurrences, marked, dict(labels)


@pytest.mark.parametrize("listed", [(), ("a", "a b")])
@given(steps=st.lists(st.lists(st.one_of(ENTRIES, st.integers(1, 6)), max_size=4), max_size=8))
def test_any_sequence_of_changes_leaves_what_is_counted_by_words(
    listed: tuple[str, ...], steps: list[Any]
) -> None:
    index, kept = MentionIndex(StringFinder(listed)), dict[int, Any]()
    for step in steps:
        removed = [one for one in step if isinstance(one, int)]
        put = {one[0]: one for one in step if not isinstance(one, int)}
        index.change([_entry(one) for one in put.values()], removed)
        for number in removed:
            kept.pop(number, None)
        kept.update(put)
    strings = {words[first:last] for _, _, (words, mentions), *_ in kept.values() for first, last, _ in mentions}
    weighed = _weighed(kept)
    known = {string for string in strings if _judged(weighed, string)[1]}
    for string in known | {tuple(one.split()) for one in listed}:
        assert tally(index, " ".join(string)) == _judged(weighed, string)
    everything = " . ".join(" ".join(string) for string in strings)
    found = {everything[start:end] for start, end in index.find(everything)}
    assert found >= {" ".join(string) for string in known}
    fresh = MentionIndex(StringFinder(listed))
    fresh.change([_entry(one) for one in kept.values()])
    assert (len(index), index.size) == (len(fresh), fresh.size)
    words = ["a", "b", "c"]
    for string in [*words, *(f"{one} {other}" for one in words for other in words)]:
        assert index.tallies(string) == fresh.tallies(string)
