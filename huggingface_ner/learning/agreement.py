"""Measures how much the annotators of a project agree, and finds the places where they disagree.

There are two measures. Both are computed for all labels together, for each label, and for each pair of annotators.
F1 compares the spans of two annotators: it is 1.0 if both have marked exactly the same spans. Krippendorff's alpha
(Krippendorff 1980) corrects for agreement by chance. Its units are words. The value that an annotator gives to a
word is the set of the labels of all spans that cover any part of the word; the set is empty if there are none. For
the alpha of one label, the value is whether the label is in this set.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any

from nltk.metrics.agreement import AnnotationTask

from huggingface_ner.learning.mistakes import pair_spans
from huggingface_ner.learning.quotes import name, quote
from huggingface_ner.scores import Scores
from huggingface_ner.spans import AnnotatedText, Span, Vote
from huggingface_ner.tagging.words import WORD_RULES, Runs

# Alpha is computed from the words of the first texts: once there are this many words, further texts add none. A
# word takes about 500 bytes while alpha is computed.
MAX_WORDS = 30_000
# Maximum numbers of labels, pairs and disputed tasks in the result: the labels with the most spans, and the pairs
# and tasks with the least agreement.
MAX_LABELS = 50
MAX_PAIRS = 50
MAX_TASKS = 50
# Maximum number of places of a disputed task, of annotators of a place, and of labels that an annotator gives it.
MAX_PLACES = 5
MAX_VOTES = 10
MAX_VOTE_LABELS = 3
# Maximum number of kinds of differences of a pair.
MAX_DIFFERENCES = 5

# The labels that an annotator gives to a word.
Value = frozenset[str]
# For each annotator of a word: the annotator and the value that the annotator gives to the word.
Word = Sequence[tuple[int | None, Any]]
# The ids of two annotators, the smaller one first.
Pair = tuple[int, int]


class AnnotatorAgreement:
    """Collects what several annotators mark in the same texts, text by text."""

    def __init__(self) -> None:
        self._tasks: set[str] = set()
        self._pair_tasks: dict[Pair, set[str]] = {}
        self._counts: dict[Pair | str | None, Counter[str]] = {}  # by pair and by label; under None: all together
        self._differences: dict[Pair, Counter[tuple[str, str]]] = {}
        self._words: list[Word] = []
        self._more_texts = 0
        self._disputed: list[dict[str, Any]] = []
        self._more = 0

    def add(self, text: AnnotatedText) -> None:
        """Add a text; it is ignored unless different people have annotated it."""
        votes = text.latest_votes
        if text.is_disputed:
            self._disputed.append(_dispute(text.task_id, text.text, votes))
            if len(self._disputed) > 2 * MAX_TASKS:
                self._drop_disputed()
        if len(votes) < 2:
            return
        self._tasks.add(text.task_id)
        for one, other in combinations(votes, 2):
            self._compare(text.task_id, one, other)
        if len(self._words) < MAX_WORDS:
            words = word_values(text.text, [vote.spans for vote in votes])
            annotators = [vote.annotator for vote in votes]
            self._words += [list(zip(annotators, values, strict=True)) for values in words]
        else:
            self._more_texts += 1

    def as_dict(self) -> dict[str, Any]:
        """Return the agreement as JSON.

        ``tasks``: the number of tasks that several people annotated. ``f1``, ``alpha``: the agreement of all
        annotators over all labels; None if nothing was marked. ``words``: the number of words that alpha was
        computed from; ``more_texts``: the number of texts whose words were too many for this. ``labels``,
        ``pairs``: the same measures for each label and for each pair of annotators; ``more_labels``,
        ``more_pairs``: the numbers of labels and pairs that are not listed. The ``differences`` of a pair are the
        most frequent kinds; ``more_differences``: the number of differences of other kinds. ``disputed``: the
        tasks in which annotations differ and none is marked as ground truth; ``more``: the number of such tasks
        that are not listed.
        """
        self._drop_disputed()
        return {
            "tasks": len(self._tasks),
            **self._measures(None, self._words),
            "words": len(self._words),
            "more_texts": self._more_texts,
            **self._labels(),
            **self._pairs(),
            "disputed": self._disputed,
            "more": self._more,
        }

    def _drop_disputed(self) -> None:
        """Keep the MAX_TASKS texts with the least agreement, and count the others."""
        self._disputed.sort(key=lambda one: (one["f1"], one["task"]))
        self._more += len(self._disputed[MAX_TASKS:])
        del self._disputed[MAX_TASKS:]

    def _compare(self, task_id: str, one: Vote, other: Vote) -> None:
        first, second = set(one.spans), set(other.spans)
        self._count(None, first, second)
        for label in {span.label for span in first | second}:
            own, others = ({span for span in spans if span.label == label} for spans in (first, second))
            self._count(label, own, others)
        if one.annotator is None or other.annotator is None:
            return
        if one.annotator > other.annotator:
            one, other, first, second = other, one, second, first
        pair = one.annotator or 0, other.annotator or 0
        self._pair_tasks.setdefault(pair, set()).add(task_id)
        self._count(pair, first, second)
        differences = self._differences.setdefault(pair, Counter())
        for mine, theirs in pair_spans(sorted(first - second), sorted(second - first)):
            differences[mine.label if mine else "", theirs.label if theirs else ""] += 1

    def _count(self, of: Pair | str | None, first: set[Span], second: set[Span]) -> None:
        counts = self._counts.setdefault(of, Counter())
        counts.update(both=len(first & second), one=len(first), other=len(second))

    def _measures(self, of: Pair | str | None, words: Iterable[Word]) -> dict[str, Any]:
        return {"f1": self._f1(of), "alpha": alpha(words)}

    def _f1(self, of: Pair | str | None) -> float | None:
        counts = self._counts.get(of, Counter())
        scores = Scores(counts["both"], counts["one"], counts["other"])
        return scores.f1 if counts["one"] + counts["other"] else None

    def _labels(self) -> dict[str, Any]:
        spans = {
            label: counts["one"] + counts["other"]
            for label, counts in self._counts.items()
            if isinstance(label, str)
        }
        found = []
        for label in sorted(spans, key=lambda label: (-spans[label], label))[:MAX_LABELS]:
            words = ([(who, label in value) for who, value in word] for word in self._words)
            found.append({"label": name(label), "spans": spans[label], **self._measures(label, words)})
        return {"labels": found, "more_labels": len(spans) - len(found)}

    def _pairs(self) -> dict[str, Any]:
        def order(pair: Pair) -> tuple[float, Pair]:
            f1 = self._f1(pair)
            return 2.0 if f1 is None else f1, pair

        found = []
        for pair in sorted(self._pair_tasks, key=order)[:MAX_PAIRS]:  # not all pairs: alpha is slow
            words = ([one for one in word if one[0] in pair] for word in self._words)
            differences = self._differences[pair].most_common()
            found.append(
                {
                    "annotators": list(pair),
                    "tasks": len(self._pair_tasks[pair]),
                    **self._measures(pair, (word for word in words if len(word) == 2)),
                    "differences": [
                        {"labels": [name(label) for label in labels], "count": count}
                        for labels, count in differences[:MAX_DIFFERENCES]
                    ],
                    "more_differences": sum(count for _, count in differences[MAX_DIFFERENCES:]),
                }
            )
        return {"pairs": found, "more_pairs": len(self._pair_tasks) - len(found)}


def word_values(text: str, annotations: Sequence[Sequence[Span]]) -> list[list[Value]]:
    """Return, for each word of a text, the labels that each annotation gives to the word."""
    runs = Runs.of(text, WORD_RULES)
    labels: list[list[set[str]]] = [[set() for _ in annotations] for _ in runs.starts]
    for number, spans in enumerate(annotations):
        for span in spans:
            for word in range(bisect_right(runs.ends, span.start), bisect_left(runs.starts, span.end)):
                labels[word][number].add(span.label)
    return [[frozenset(of_one) for of_one in of_word] for of_word in labels]


def alpha(words: Iterable[Word]) -> float | None:
    """Return Krippendorff's alpha for nominal values; None if there are no words, or if all values are equal."""
    data = [(place, number, value) for number, word in enumerate(words) for place, (_, value) in enumerate(word)]
    if len({value for _, _, value in data}) < 2:
        return None
    return float(AnnotationTask(data=data).alpha())


def _dispute(task_id: str, text: str, votes: Sequence[Vote]) -> dict[str, Any]:
    """Return the places where the annotations of a text differ, with the labels that each annotator gives them.

    ``more_annotators``, ``more_labels``: how many annotators of a place, and how many labels of an annotator, are
    not listed.
    """
    pairs = [(set(one.spans), set(other.spans)) for one, other in combinations(votes, 2)]
    marks = sum(len(one) + len(other) for one, other in pairs)
    labels: dict[tuple[int, int], list[list[str]]] = {}
    for number, vote in enumerate(votes):
        for span in vote.spans:
            labels.setdefault((span.start, span.end), [[] for _ in votes])[number].append(span.label)
    places = [
        {
            **quote(text, Span(*place, "")),
            "by": [
                {
                    "annotator": vote.annotator,
                    "labels": [name(label) for label in sorted({*marked})[:MAX_VOTE_LABELS]],
                    "more_labels": max(len({*marked}) - MAX_VOTE_LABELS, 0),
                }
                for vote, marked in zip(votes[:MAX_VOTES], by, strict=False)
            ],
            "more_annotators": len(votes[MAX_VOTES:]),
        }
        for place, by in sorted(labels.items())
        if len({frozenset(marked) for marked in by}) > 1
    ]
    return {
        "task": name(task_id),
        "f1": 2 * sum(len(one & other) for one, other in pairs) / marks if marks else 0.0,
        "places": places[:MAX_PLACES],
        "more": len(places[MAX_PLACES:]),
    }
