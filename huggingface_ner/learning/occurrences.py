"""Finds where annotated strings occur in annotated texts, and how each occurrence is annotated.

A string occurs wherever its words follow one another; see tagging.words. An occurrence that overlaps a longer span
is left out, because the annotator meant the longer string: "New York" in "New York Times", for example.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from huggingface_ner.learning.overlaps import Groups
from huggingface_ner.spans import AnnotatedText, Places, Span
from huggingface_ner.tagging.words import WORD_RULES, Runs

# Maximum number of words in a string; a longer string is a passage, not a name.
MAX_WORDS = 12
# Maximum number of strings to find; the most frequent ones are kept.
MAX_STRINGS = 100_000
# The label of an occurrence that is not annotated.
UNMARKED = ""


@dataclass(frozen=True, slots=True)
class Occurrence:
    """An occurrence of an annotated string in a text, for one layer.

    layer: the index of the layer. span: the place of the occurrence, with its label in this layer; the label is
    UNMARKED if the occurrence is not annotated.
    """

    string: str
    layer: int
    span: Span

    @property
    def label(self) -> str:
        """The label of the span."""
        return self.span.label


class AnnotatedStrings:
    """The strings that are annotated in some texts, by layer.

    layers: the labels of each layer; see fine_tune.
    """

    def __init__(self, texts: Iterable[AnnotatedText], layers: Groups) -> None:
        self._layers = layers
        self._layer_of = {label: layer for layer, labels in enumerate(layers) for label in labels}
        found = Counter(
            (self._layer(span), text.text[span.start : span.end]) for text in texts for span in text.spans
        )
        self._strings = {key for key, _ in found.most_common(MAX_STRINGS)}
        # word -> the lengths, in words, of the strings that begin with it
        self._lengths: dict[str, set[int]] = {}
        for _, string in self._strings:
            runs = Runs.of(string, WORD_RULES)
            if 0 < len(runs.starts) <= MAX_WORDS:
                self._lengths.setdefault(string[runs.starts[0] : runs.ends[0]], set()).add(len(runs.starts))

    def find(self, text: AnnotatedText) -> Iterator[Occurrence]:
        """Yield the occurrences in a text; a place with several labels of a layer is yielded once for each."""
        places = list(self._places(text.text))
        for layer in range(len(self._layers)):
            spans = _Spans([span for span in text.spans if self._layer(span) == layer])
            for start, end in places:
                string = text.text[start:end]
                if (layer, string) in self._strings:
                    for label in spans.labels(start, end):
                        yield Occurrence(string, layer, Span(start, end, label))

    def _layer(self, span: Span) -> int:
        return self._layer_of.get(span.label, 0)

    def _places(self, text: str) -> Iterator[tuple[int, int]]:
        runs = Runs.of(text, WORD_RULES)
        for word, start in enumerate(runs.starts):
            for length in sorted(self._lengths.get(text[start : runs.ends[word]], ())):
                last = word + length - 1
                if last < len(runs.ends):
                    yield start, runs.ends[last]


class _Spans:
    """The spans of a layer in a text."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self._labels: dict[tuple[int, int], set[str]] = {}
        for span in spans:
            self._labels.setdefault((span.start, span.end), set()).add(span.label)
        self._places = Places(self._labels)

    def labels(self, start: int, end: int) -> list[str]:
        """Return the labels of a stretch.

        For a stretch without labels, return UNMARKED, or an empty list if the stretch overlaps a longer span.
        """
        labels = self._labels.get((start, end))
        if labels is not None:
            return sorted(labels)
        return [] if self._places.longer_overlap(start, end) else [UNMARKED]
