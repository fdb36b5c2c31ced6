"""Finds which of many strings occur in a text as whole words."""

from collections import Counter
from collections.abc import Iterable, Iterator

from huggingface_ner.label_studio.occurrences import is_whole

# Strings are looked up by their first characters. With three of them, one lookup is enough to
# rule out almost any place of a text.
PREFIX_CHARACTERS = 3


class StringFinder:
    """A set of non-empty strings that can be found in texts.

    The time to search a text is proportional to its length; it hardly depends on the number of strings.
    """

    def __init__(self, strings: Iterable[str] = ()) -> None:
        self._strings: set[str] = set()
        # prefix -> the lengths of the strings that have it as their prefix, and how many strings have each length
        self._lengths: dict[str, Counter[int]] = {}
        self._sizes: Counter[int] = Counter()  # how many prefixes have each length
        for string in strings:
            self.add(string)

    def __contains__(self, string: str) -> bool:
        return string in self._strings

    def __len__(self) -> int:
        return len(self._strings)

    def add(self, string: str) -> None:
        """Add a string; do nothing if it is already in the set."""
        if string not in self._strings:
            self._strings.add(string)
            prefix = string[:PREFIX_CHARACTERS]
            if prefix not in self._lengths:
                self._lengths[prefix] = Counter()
                self._sizes[len(prefix)] += 1
            self._lengths[prefix][len(string)] += 1

    def discard(self, string: str) -> None:
        """Remove a string; do nothing if it is not in the set."""
        if string in self._strings:
            self._strings.remove(string)
            prefix = string[:PREFIX_CHARACTERS]
            lengths = self._lengths[prefix]
            lengths[len(string)] -= 1
            if not lengths[len(string)]:
                del lengths[len(string)]
            if not lengths:
                del self._lengths[prefix]
                self._sizes[len(prefix)] -= 1

    def find(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield the stretches of a text in which one of the strings occurs as whole words, in code points.

        The stretches are in order, and may overlap.
        """
        for start, end in sorted(self._stretches(text)):
            if is_whole(text, start, end):
                yield start, end

    def _stretches(self, text: str) -> Iterator[tuple[int, int]]:
        strings, by_prefix = self._strings, self._lengths
        for size in [size for size, prefixes in self._sizes.items() if prefixes]:
            for start in range(len(text) - size + 1):
                for length in by_prefix.get(text[start : start + size], ()):
                    end = start + length
                    if end <= len(text) and text[start:end] in strings:
                        yield start, end


def places_of(string: str, text: str) -> list[tuple[int, int]]:
    """Return the stretches of a text in which StringFinder would find a string."""
    places = []
    start = text.find(string)
    while start >= 0:
        if is_whole(text, start, start + len(string)):
            places.append((start, start + len(string)))
        start = text.find(string, start + 1)
    return places
