"""Finds contradictory annotations: strings, or whole texts, that are annotated in different ways.

Dickinson and Meurers (2003) find annotation errors in this way: by variation in the annotation of the same words.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from huggingface_ner.learning.occurrences import AnnotatedStrings, Occurrence
from huggingface_ner.learning.overlaps import Groups
from huggingface_ner.learning.quotes import clean, name, quote, quoted
from huggingface_ner.spans import AnnotatedText, Span

# Maximum numbers of contradictory strings, of texts annotated in several ways, and of examples of each string.
MAX_STRINGS = 100
MAX_TEXTS = 50
MAX_EXAMPLES = 3
# Maximum numbers of characters that are quoted from a text, and from a string.
MAX_TEXT = 200
MAX_STRING = 120
# Maximum number of ways to annotate a string or a text, and maximum numbers of tasks and spans of each way. Those
# that are not listed are counted.
MAX_WAYS = 5
MAX_TASKS = 10
MAX_SPANS = 10


# The index of a layer, and a string.
Key = tuple[int, str]
# The ways in which a text is annotated, each with the texts that are annotated in this way.
Ways = dict[frozenset[Span], list[AnnotatedText]]


class Treatments(Counter[str]):
    """How the occurrences of a string are annotated: the number of them for each label, and for UNMARKED."""

    @property
    def majority(self) -> str:
        """The label that most occurrences have."""
        return max(sorted(self), key=lambda label: self[label])


class Contradictions:
    """Finds contradictions in texts, which are read several times.

    layers: the labels of each layer; labels of different layers do not contradict each other.
    """

    def __init__(self, texts: Sequence[AnnotatedText], layers: Groups) -> None:
        self._texts = texts
        self._strings = AnnotatedStrings(texts, layers)
        self._treatments: dict[Key, Treatments] = {}
        same: dict[bytes, set[bytes]] = {}  # text -> the ways in which it is annotated, as digests
        for text in texts:
            same.setdefault(_digest(text.text), set()).add(_digest(sorted(set(text.spans))))
            for occurrence in self._strings.find(text):
                self._treatments.setdefault(_key(occurrence), Treatments())[occurrence.label] += 1
        differing = {digest for digest, ways in same.items() if len(ways) > 1}
        self._more_texts = len(differing) - len(kept := sorted(differing)[:MAX_TEXTS])
        self._identical: dict[bytes, Ways] = {digest: {} for digest in kept}
        for text in texts if kept else ():
            ways = self._identical.get(_digest(text.text))
            if ways is not None:
                ways.setdefault(frozenset(text.spans), []).append(text)

    def treatments(self, text: AnnotatedText) -> Iterator[tuple[Occurrence, Treatments]]:
        """Yield each occurrence of an annotated string in a text, and how the string is annotated in all texts."""
        for occurrence in self._strings.find(text):
            yield occurrence, self._treatments[_key(occurrence)]

    def identical(self, text: AnnotatedText) -> Counter[frozenset[Span]]:
        """Return how often a text is annotated in each way, over all its occurrences.

        The result is empty if it is always annotated in the same way, or if MAX_TEXTS other texts are kept.
        """
        ways = self._identical.get(_digest(text.text), {})
        return Counter({spans: len(texts) for spans, texts in ways.items()})

    def strings(self) -> dict[str, Any]:
        """Return the strings that are annotated in several ways, as JSON; the clearest contradictions first.

        ``strings``: each has the ``counts`` of its labels, the most frequent first, and ``examples`` of all labels
        except the most frequent one. The label "" stands for occurrences that are not annotated. ``more_labels``,
        ``more_examples``: the numbers of further labels, and of further such occurrences.
        ``more``: the number of further strings.
        """
        found = [(key, one) for key, one in self._treatments.items() if len(one) > 1]
        found.sort(key=lambda item: (item[1].total() - 2 * max(item[1].values()), item[0]))
        examples: dict[Key, list[dict[str, str]]] = {key: [] for key, _ in found[:MAX_STRINGS]}
        for text in self._texts if examples else ():
            for occurrence, treatments in self.treatments(text):
                own = examples.get(_key(occurrence))
                if own is not None and occurrence.label != treatments.majority and len(own) < MAX_EXAMPLES:
                    place = quote(text.text, occurrence.span)
                    own.append({"task": name(text.task_id), "label": name(occurrence.label), **place})
        strings = [
            {
                "string": clean(key[1], MAX_STRING),
                "counts": [{"label": name(label), "count": count} for label, count in one.most_common(MAX_WAYS)],
                "more_labels": max(len(one) - MAX_WAYS, 0),
                "examples": examples[key],
                "more_examples": one.total() - one[one.majority] - len(examples[key]),
            }
            for key, one in found[:MAX_STRINGS]
        ]
        return {"strings": strings, "more": len(found[MAX_STRINGS:])}

    def texts(self) -> dict[str, Any]:
        """Return the texts that occur several times and are annotated differently, as JSON.

        ``texts``: each has its beginning as ``text``, the ``ways`` in which it is annotated, the most frequent
        first, and the number of further ways as ``more_ways``. Each way has the ``tasks`` in which the text is
        annotated in this way, and those of its ``spans`` that not all ways share; ``more_tasks``, ``more_spans``:
        the numbers of further ones.
        ``more``: the number of further texts.
        """
        return {"texts": [_ways(ways) for ways in self._identical.values()], "more": self._more_texts}


def _key(occurrence: Occurrence) -> Key:
    return occurrence.layer, occurrence.string


def _ways(ways: Ways) -> dict[str, Any]:
    shared = frozenset.intersection(*ways)
    first = next(iter(ways.values()))[0]
    by_frequency = sorted(ways.items(), key=lambda way: -len(way[1]))
    return {
        "text": clean(first.text, MAX_TEXT),
        "ways": [
            {
                "tasks": [name(text.task_id) for text in texts[:MAX_TASKS]],
                "more_tasks": len(texts[MAX_TASKS:]),
                "spans": [
                    {"text": quoted(first.text, span), "label": name(span.label)}
                    for span in sorted(spans - shared)[:MAX_SPANS]
                ],
                "more_spans": max(len(spans - shared) - MAX_SPANS, 0),
            }
            for spans, texts in by_frequency[:MAX_WAYS]
        ],
        "more_ways": len(by_frequency[MAX_WAYS:]),
    }


def _digest(value: object) -> bytes:
    return hashlib.sha256(repr(value).encode("utf-8", "surrogatepass")).digest()[:16]
