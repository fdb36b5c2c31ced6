"""Finds the occurrences of a mention in a text: the same characters, as whole words."""

import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import accumulate

import regex

# A longer mention is a passage. Searching for a passage takes long in a text that repeats itself.
MAX_MENTION_CHARACTERS = 1_000
# Scripts written without spaces: nothing marks the end of a word. Line_Break=SA is Thai, Lao, Khmer, Burmese and
# similar scripts; Script_Extensions adds the marks that these scripts share, such as the Japanese long vowel mark.
_UNSPACED = r"\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{Bopomofo}\p{Yi}\p{lb=SA}"
_WORD = rf"[[\p{{L}}\p{{N}}\p{{M}}\p{{Join_Control}}_]--[{_UNSPACED}]]"
# A boundary inside a word ("Paris|ian"), a number ("3|.5") or a character ("e|\u0301"). Hyphens and apostrophes
# end a word, as they do for the models.
_INSIDE_WORD = regex.compile(
    rf"(?V1)(?<={_WORD})(?={_WORD})"
    r"|(?<=\p{Nd})(?=[.,]\p{Nd})|(?<=\p{Nd}[.,])(?=\p{Nd})"
    r"|(?=[\p{M}\p{Join_Control}\p{Emoji_Modifier}])|(?<=\u200d)"
)
# Korean writes particles onto a word, up to three in a row: "서울에서는" is "서울" (Seoul) with two of them. The
# particles are listed, because otherwise "한국" (Korea) would be found in "한국어" (the Korean language) too.
_PARTICLES = (
    "은|는|이|가|을|를|의|에|에서|에게|에게서|께|께서|한테|한테서|도|만|와|과|랑|이랑|하고|"
    "로|으로|로서|으로서|로써|으로써|까지|부터|처럼|같이|보다|마다|조차|마저|밖에|뿐|"
    "나|이나|나마|이나마|라도|이라도|라고|이라고|라는|이라는|란|이란|며|이며|고|이고|"
    "이다|입니다|이었다|였다|인|들|님|씨"
)
_AFTER_WORD = regex.compile(
    # the particles may be composed or, as in files from macOS, decomposed
    rf"(?:{_PARTICLES}|{unicodedata.normalize('NFD', _PARTICLES)}){{1,3}}(?![\p{{Hangul}}\p{{M}}])"
)


def find_occurrences(text: str, mention: str, taken: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the stretches of a text in which a mention's characters occur, in order and without overlaps.

    Stretches are in code points, half-open. Stretches that overlap one in ``taken`` or are part of a longer word
    are left out. Unicode's properties say what a word is, in any language. In a script that is written without
    spaces, no stretch counts as part of a longer word.
    mention: must not be empty. In the worst case, the time is proportional to the text's length times the
    mention's.
    """
    stretches = sorted(taken)
    starts = [start for start, _ in stretches]
    # for each stretch, the furthest end among the stretch and all stretches before it
    ends = list(accumulate((end for _, end in stretches), max))
    start = text.find(mention)
    while start >= 0:
        end = start + len(mention)
        before = bisect_left(starts, end)
        is_free = before == 0 or ends[before - 1] <= start
        if is_free and is_whole(text, start, end):
            yield start, end
            start = text.find(mention, end)
        else:
            start = text.find(mention, start + 1)


def is_whole(text: str, start: int, end: int) -> bool:
    """Return whether a stretch of a text is not part of a longer word; see find_occurrences."""
    if _INSIDE_WORD.match(text, start):
        return False
    return not _INSIDE_WORD.match(text, end) or _AFTER_WORD.match(text, end) is not None
