"""Borders inside words, which a model learns from its annotations.

In some texts, annotators mark parts of words: "Ankara" in the Turkish "Ankarada", "القاهرة" in "والقاهرة",
"London" in "LoveLondon". Where such parts begin and end depends on the language, and no setting states it. But the
rest of these words occurs with other names too: "da" follows them, and "و" precedes them. So these affixes are
learned from the annotated texts. Every word that begins or ends with one of them is cut there. The model decides
which of the parts are entities.
"""

from functools import cached_property
from typing import Final

import regex
from pydantic import BaseModel

# Maximum length of an affix, in code points; a longer string is hardly an affix.
MAX_AFFIX_LENGTH: Final = 30

_CLUSTER = regex.compile(r"\X")
_CASE_CHANGE = regex.compile(r"(?<=\p{Ll}\p{M}*)\p{Lu}")


class InnerBorders(BaseModel, frozen=True, extra="forbid"):
    """Where words are cut, in addition to the rules in ``words.py``.

    prefixes, suffixes: a word is cut after each of these prefixes and before each of these suffixes. The affixes
    are in lower case; the word can be in any case.
    case_changes: whether a word is cut before each capital letter that follows a small one.
    """

    prefixes: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()
    case_changes: bool = False

    def cuts(self, word: str) -> list[int]:
        """Return the places in a word where it is cut, ascending; never inside a grapheme cluster."""
        found = [len(prefix) for prefix in self.prefixes_of(word)]
        found += [len(word) - len(suffix) for suffix in self.suffixes_of(word)]
        if self.case_changes:
            found += case_changes(word)
        return sorted(cluster_starts(word).intersection(found)) if found else []

    def prefixes_of(self, word: str) -> list[str]:
        """Return the beginnings of a word that are prefixes, in the case of the word."""
        return [word[:n] for n in _lengths(self._prefixes, word) if word[:n].lower() in self._prefixes]

    def suffixes_of(self, word: str) -> list[str]:
        """Return the ends of a word that are suffixes, in the case of the word."""
        return [word[-n:] for n in _lengths(self._suffixes, word) if word[-n:].lower() in self._suffixes]

    @cached_property
    def _prefixes(self) -> frozenset[str]:
        return frozenset(self.prefixes)

    @cached_property
    def _suffixes(self) -> frozenset[str]:
        return frozenset(self.suffixes)


def case_changes(word: str) -> list[int]:
    """Return the places of the capital letters that follow a small letter."""
    return [match.start() for match in _CASE_CHANGE.finditer(word)]


def cluster_starts(text: str) -> set[int]:
    """Return where a text's grapheme clusters begin; nobody can select a part of one."""
    return {match.start() for match in _CLUSTER.finditer(text)}


def _lengths(affixes: frozenset[str], word: str) -> range:
    """Return the lengths that an affix of a word may have."""
    return range(1, min(len(word), MAX_AFFIX_LENGTH + 1)) if affixes else range(0)
