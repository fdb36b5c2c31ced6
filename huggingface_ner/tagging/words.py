"""The words of a text: runs of characters of one kind, at whose edges an entity may begin and end.

An entity may begin or end

- between letters and digits (500mg),
- between letters of two scripts,
- between letters and any other character (_Lyon_, a name before an emoji or a footnote mark),
- between any two characters of a script that is written without blanks, or in which particles follow a name
  directly, as in Korean.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import regex

# The current version of the rules. Version 1 is for models that were trained before version 2 existed.
WORD_RULES: Final = 2

_WITHOUT_BLANKS = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_SPLIT = _WITHOUT_BLANKS + r"\p{Hangul}"
# A word may contain marks and zero-width joiners after its first character, and may end with them.
_EXTENDING = r"\p{M}\u200c\u200d"
# The soft hyphen and the word joiner are part of a word only between two of its letters; at its end, they are
# invisible.
_HIDDEN = r"\u00ad\u2060"
# A flag, as \X matches it. For each flag, \X itself goes back to the first of all flags in a row.
_FLAG = r"\p{RI}{1,2}[\p{GCB=Extend}\p{GCB=ZWJ}\p{GCB=SpacingMark}]*+"
_RAISED = r"\p{dt=Super}\p{dt=Sub}"
_SCRIPTS = [
    rf"\p{{{script}}}"
    for script in (
        *("Latin", "Cyrillic", "Greek", "Arabic", "Hebrew", "Armenian", "Georgian", "Ethiopic", "Devanagari"),
        *("Bengali", "Gurmukhi", "Gujarati", "Tamil", "Telugu", "Kannada", "Malayalam", "Sinhala"),
    )
]
# The letters of each of these scripts, and the letters of all other scripts.
_LETTERS = (*(rf"\p{{L}}&&{script}" for script in _SCRIPTS), rf"\p{{L}}--[{_SPLIT}{''.join(_SCRIPTS)}]")
# The kinds of characters that a run may consist of.
_CHARACTERS = (*(rf"[{each}]--[{_RAISED}]" for each in (*_LETTERS, r"\p{N}")), _RAISED)


def _run(characters: str) -> str:
    return rf"[{characters}](?:[[{characters}]{_EXTENDING}]|[{_HIDDEN}]++(?=[{characters}]))*+"


_RULES = {
    1: regex.compile(
        rf"(?V1)(?P<split>[{_WITHOUT_BLANKS}]\p{{M}}*)|"
        rf"(?P<run>[\p{{L}}\p{{N}}\p{{M}}_--[{_WITHOUT_BLANKS}]]+)|\S\p{{M}}*"
    ),
    2: regex.compile(
        rf"(?V1)(?P<split>(?=[{_SPLIT}])\X)|"
        rf"(?P<run>{'|'.join(_run(characters) for characters in _CHARACTERS)})|{_FLAG}|(?!\s)\X"
    ),
}


@dataclass(frozen=True, slots=True)
class Runs:
    """The runs of characters of which a text's words are made; in order, without overlaps and without blanks.

    starts, ends: code points, half-open.
    lettered: whether a run consists of letters or digits.
    hard: whether a token that crosses the start of a run has to be cut there. It is False between two characters
    of a script in which every character is a run, such as Chinese: there, a token of several characters stays one
    word.
    """

    starts: list[int]
    ends: list[int]
    lettered: list[bool]
    hard: list[bool]

    @classmethod
    def of(cls, text: str, rules: int) -> "Runs":
        """Return the runs of a text by one version of the rules."""
        runs = cls([], [], [], [])
        split_end = -1
        for match in _RULES[rules].finditer(text):
            start, end = match.span()
            split = match.lastgroup == "split"
            runs.starts.append(start)
            runs.ends.append(end)
            runs.lettered.append(match.lastgroup is not None)
            runs.hard.append(not (split and start == split_end))
            split_end = end if split else -1
        return runs

    @classmethod
    def of_words(cls, words: Sequence[tuple[int, int]]) -> "Runs":
        """Return the runs of a text that is cut into these words."""
        starts, ends = [start for start, _ in words], [end for _, end in words]
        return cls(starts, ends, [True] * len(words), [True] * len(words))

    def at(self, index: int) -> tuple[int, int]:
        """Return the run that contains a character; a blank is a run by itself."""
        found = bisect_right(self.starts, index) - 1
        return (
            (self.starts[found], self.ends[found])
            if found >= 0 and index < self.ends[found]
            else (index, index + 1)
        )

    def borders(self, start: int, end: int) -> list[int]:
        """Return the borders of a stretch's runs: its start, the starts of all runs but the first, and its end."""
        first = bisect_right(self.ends, start)
        return [start, *self.starts[first + 1 : bisect_right(self.starts, end - 1)], end]

    def cut_by(self, start: int, end: int, *, unknown: bool) -> bool:
        """Return whether a token hides a border that an entity may need.

        start, end: the token's stretch of the text.
        unknown: whether it is the tokenizer's unknown token, which says nothing about the letters it stands for.
        A known token hides a hard border if it covers only part of a run, as "'O" of d'Oslo does. A token that
        covers whole runs, as "U.S." does, is a word that the model knows.
        """
        first = bisect_right(self.starts, start) - 1
        last = bisect_right(self.starts, end - 1) - 1
        if first < 0 or first == last:
            return False
        if unknown:
            return any(self.lettered[first : last + 1])
        whole = self.starts[first] == start and self.ends[last] == end
        return not whole and any(self.hard[first + 1 : last + 1])


def group_tokens(
    text: str, offsets: Sequence[tuple[int, int]], runs: Runs
) -> tuple[list[tuple[int, int]], list[int]]:
    """Return the words of a text and each word's first token; no word begins or ends inside a token or a run.

    Tokenizers disagree on what a word is. For some, "Paris." is a word. For others, a Japanese sentence is a word.
    So words are made from the runs of the text. If one token spans several runs, these runs are one word.
    """
    words: list[tuple[int, int]] = []
    first_tokens: list[int] = []
    for token, offset in enumerate(offsets):
        token_start, token_end = stripped(text, offset)
        if token_start == token_end:
            continue
        start, end = runs.at(token_start)[0], runs.at(token_end - 1)[1]
        if words and start < words[-1][1]:
            words[-1] = (words[-1][0], max(words[-1][1], end))
        else:
            words.append((start, end))
            first_tokens.append(token)
    return words, first_tokens


def stripped(text: str, offset: tuple[int, int]) -> tuple[int, int]:
    """Return a token's stretch without the blanks around it, which some tokenizers include."""
    start, end = offset
    surface = text[start:end]
    if len(surface.strip()) == len(surface):  # almost always so, and fast to find out
        return offset
    start += len(surface) - len(surface.lstrip())
    return start, max(start, end - len(surface) + len(surface.rstrip()))
