"""How much the annotators of a project agree: by label, by pair of annotators, and where they do not.

Two measures are given. F1 of the spans of two annotators: 1.0 if they mark exactly the same. Krippendorff's alpha
(Krippendorff 1980) takes off what they would agree on by chance. Its units are words: the value of a word is the
set of the labels that an annotator's spans give to any part of it, or nothing; for the alpha of one label, whether
that label is among them.
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

# Words that alpha is computed of: those of the first texts. A word takes about 500 bytes while it is.
MAX_WORDS = 30_000
# The numbers of labels, pairs and disputed tasks that are kept: the most frequent labels, and the pairs and tasks
# that agree least.
MAX_LABELS = 50
MAX_PAIRS = 50
MAX_TASKS = 50
# What is kept of a disputed task: places, and of each the annotators and the labels that they give it; and of a
# pair: kinds of differences.
MAX_PLACES = 5
MAX_VOTES = 10
MAX_VOTE_LABELS = 3
MAX_DIFFERENCES = 5

# The labels that an annotator gives to a word.
Value = frozenset[str]
# The annotators of a word, and the value that each gives to it.
Word = Sequence[tuple[int | None, Any]]
Pair = tuple[int, int]


class AnnotatorAgreement:
    """Collects what several annotators mark in the same texts, text by text."""

    def __init__(self) -> None:
        self._tasks: set[str] = set()
        self._pair_tasks: dict[Pair, set[str]] = {}
        self._counts: dict[Pair | str | None, Counter[str]] = {}  # of a pair, of a label, and of all
        self._differences: dict[Pair, Counter[tuple[str, str]]] = {}
        self._words: list[Word] = []
        self._disputed: list[dict[str, Any]] = []
        self._more = 0

    def add(self, text: AnnotatedText) -> None:
        """Add a text; one without annotations of different people is ignored."""
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

    def as_dict(self) -> dict[str, Any]:
        """Return what was collected, as JSON.

        ``tasks``: how many tasks several people annotated. ``f1``, ``alpha``: of all labels and annotators; None
        if nothing was marked. ``words``: of how many words alpha was computed. ``labels``, ``pairs``: the same for
        each label and each pair of annotators; ``more_labels``, ``more_pairs``: how many further ones there are.
        ``disputed``: the tasks in which annotations differ and none is the ground truth; ``more``: how many
        further ones there are.
        """
        self._drop_disputed()
        return {
            "tasks": len(self._tasks),
            **self._measures(None, self._words),
            "words": len(self._words),
            **self._labels(),
            **self._pairs(),
            "disputed": self._disputed,
            "more": self._more,
        }

    def _drop_disputed(self) -> None:
        """Keep the texts that annotators agree least on."""
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
        for pair in sorted(self._pair_tasks, key=order)[:MAX_PAIRS]:  # alpha is slow: only of those that are kept
            words = ([one for one in word if one[0] in pair] for word in self._words)
            differences = self._differences[pair].most_common(MAX_DIFFERENCES)
            found.append(
                {
                    "annotators": list(pair),
                    "tasks": len(self._pair_tasks[pair]),
                    **self._measures(pair, (word for word in words if len(word) == 2)),
                    "differences": [
                        {"labels": [name(label) for label in labels], "count": count}
                        for labels, count in differences
                    ],
                }
            )
        return {"pairs": found, "more_pairs": len(self._pair_tasks) - len(found)}


def word_values(text: str, annotations: Sequence[Sequence[Span]]) -> list[list[Value]]:
    """Return for each word of a text the labels that each annotation gives to it."""
    runs = Runs.of(text, WORD_RULES)
    labels: list[list[set[str]]] = [[set() for _ in annotations] for _ in runs.starts]
    for number, spans in enumerate(annotations):
        for span in spans:
            for word in range(bisect_right(runs.ends, span.start), bisect_left(runs.starts, span.end)):
                labels[word][number].add(span.label)
    return [[frozenset(of_one) for of_one in of_word] for of_word in labels]


def alpha(words: Iterable[Word]) -> float | None:
    """Return Krippendorff's alpha of nominal values; None if there is only one value, or no word."""
    data = [(place, number, value) for number, word in enumerate(words) for place, (_, value) in enumerate(word)]
    if len({value for _, _, value in data}) < 2:
        return None
    return float(AnnotationTask(data=data).alpha())


def _dispute(task_id: str, text: str, votes: Sequence[Vote]) -> dict[str, Any]:
    """Return where the annotations of a text differ: the places, and who marks each as what."""
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
                }
                for vote, marked in zip(votes[:MAX_VOTES], by, strict=False)
            ],
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
