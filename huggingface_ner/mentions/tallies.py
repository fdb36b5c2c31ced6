"""Counts how often strings occur in a text as whole words, and how often they are annotated there."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from huggingface_ner.label_studio.annotation_entries import EntryText, Mention
from huggingface_ner.spans import Places

Place = tuple[int, int]


@dataclass(slots=True)
class Tally:
    """How often a string occurs as whole words in the texts of a layer, and how often it is annotated there.

    occurrences: the number of occurrences. An occurrence that is not annotated, and overlaps a longer mention of
    the layer, does not count, because the longer string is suggested there.
    marked: the number of occurrences that are annotated. labels: the number of occurrences with each label.
    """

    occurrences: int = 0
    marked: int = 0
    labels: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Tally", weight: int) -> None:
        """Add the counts of another tally; with the weight -1, subtract them."""
        self.occurrences += weight * other.occurrences
        self.marked += weight * other.marked
        for label, count in other.labels.items():
            self.labels[label] += weight * count
            if not self.labels[label]:
                del self.labels[label]

    def copy(self) -> "Tally":
        """Return a tally with the same counts."""
        return Tally(self.occurrences, self.marked, self.labels.copy())


def tally_text(text: EntryText, places: Mapping[str, Sequence[Place]]) -> Iterator[tuple[str, str, Tally]]:
    """Yield the string, the layer and the tally, for each string and each layer in which it occurs.

    places: all stretches of the text in which each string is a whole word, in order; they may overlap.
    """
    for layer in text.layers if places else ():
        mentions = _Mentions(mention for mention in text.mentions if mention.layer == layer)
        for string, found in places.items():
            tally = mentions.tally(found)
            if tally.occurrences:
                yield string, layer, tally


class _Mentions:
    """The mentions of one layer of a text."""

    def __init__(self, mentions: Iterable[Mention]) -> None:
        self._labels: dict[Place, list[str]] = {}
        for mention in mentions:
            self._labels.setdefault((mention.start, mention.end), []).append(mention.label)
        self._places = Places(self._labels)

    def tally(self, places: Sequence[Place]) -> Tally:
        """Return the tally of the string that is at these places.

        Of places that overlap each other, the annotated ones count. If none is annotated, the first one counts.
        """
        marked = [place for place in places if place in self._labels]
        labels = Counter(label for place in marked for label in self._labels[place])
        count, free_from, next_marked = len(marked), 0, 0
        for start, end in places:
            while next_marked < len(marked) and marked[next_marked][1] <= start:
                next_marked += 1
            is_free = next_marked == len(marked) or marked[next_marked][0] >= end
            if start >= free_from and is_free and not self._places.longer_overlap(start, end):
                count += 1
                free_from = end
        return Tally(count, len(marked), labels)
