"""Learns where to cut words, from annotated regions that begin or end inside a word."""

import logging
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from huggingface_ner.learning.dataset import tokenized
from huggingface_ner.spans import AnnotatedText, Span
from huggingface_ner.tagging.inner_borders import MAX_AFFIX_LENGTH, InnerBorders, case_changes, cluster_starts
from huggingface_ner.tagging.windows import TokenizedText, Windower

# Words are cut if at least this many regions, and at least this share of the regions, begin or end inside a word.
# They are also cut at changes of case if at least as many regions begin or end at such a change. The values were
# measured; see bench/README.md.
MIN_REGIONS = 2
MIN_SHARE = 0.02
# Words are cut at an affix, or at changes of case, only if the number of regions that need the cut is at least
# this share of the number of words that have the affix or a change of case.
MIN_AFFIX_SHARE = 0.03
# Maximum number of prefixes, and of suffixes; the most frequent ones are kept.
MAX_AFFIXES = 1000

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Rest:
    """The part of a word before a region that begins in it, or after a region that ends in it; it can be "".

    is_case_change: whether a capital letter follows a small one at the region's border.
    """

    text: str = ""
    is_case_change: bool = False


# The number of regions for each pair of rests: (before the region, after the region).
_Inner = Counter[tuple[_Rest, _Rest]]


def learn_inner_borders(
    examples: Sequence[AnnotatedText], labels: Collection[str], windower: Windower
) -> InnerBorders | None:
    """Return where words have to be cut, or None if regions hardly ever begin or end inside a word.

    labels: regions with other labels are ignored.
    windower: it cuts texts into words by the rules alone, without learned borders.
    """
    regions = 0
    inner: _Inner = Counter()
    for example, text in tokenized(examples, windower):
        for span in dict.fromkeys(span for span in example.spans if span.label in labels):
            rests = _rests(example.text, text, span)
            regions += 1
            inner[rests] += any(rest.text for rest in rests)
    needed = max(MIN_REGIONS, MIN_SHARE * regions)
    if inner.total() < needed:
        return None
    borders = _inner_borders(inner, needed, tokenized(examples, windower))
    if borders == InnerBorders():
        return None
    logger.info(
        "%d of %d regions begin or end inside a word, so words are cut: after %d prefixes, before %d suffixes%s",
        *(inner.total(), regions, len(borders.prefixes), len(borders.suffixes)),
        ", and at changes of case" if borders.case_changes else "",
    )
    return borders


def _inner_borders(
    inner: _Inner, needed: float, texts: Iterator[tuple[AnnotatedText, TokenizedText]]
) -> InnerBorders:
    """Return the borders that the regions need, except those that would cut too many other words of the texts."""
    prefixes, suffixes = _count(inner, except_case_changes=False)
    candidates = InnerBorders(prefixes=tuple(prefixes), suffixes=tuple(suffixes))
    with_prefix: Counter[str] = Counter()
    with_suffix: Counter[str] = Counter()
    with_case_change = 0
    for example, text in texts:
        for start, end in text.words:
            word = example.text[start:end]
            with_prefix.update(prefix.lower() for prefix in candidates.prefixes_of(word))
            with_suffix.update(suffix.lower() for suffix in candidates.suffixes_of(word))
            with_case_change += bool(case_changes(word))
    at_case_changes = sum(count for rests, count in inner.items() if any(rest.is_case_change for rest in rests))
    cut_at_case_changes = at_case_changes >= max(needed, MIN_AFFIX_SHARE * with_case_change)
    prefixes, suffixes = _count(inner, except_case_changes=cut_at_case_changes)
    return InnerBorders(
        prefixes=_frequent(prefixes, with_prefix),
        suffixes=_frequent(suffixes, with_suffix),
        case_changes=cut_at_case_changes,
    )


def _count(inner: _Inner, *, except_case_changes: bool) -> tuple[Counter[str], Counter[str]]:
    """Return how many regions need each prefix and each suffix."""
    prefixes: Counter[str] = Counter()
    suffixes: Counter[str] = Counter()
    for rests, count in inner.items():
        for affixes, rest in zip((prefixes, suffixes), rests, strict=True):
            can_be_saved = not _LONE_SURROGATE.search(rest.text)
            is_cut = except_case_changes and rest.is_case_change
            if 0 < len(rest.text) <= MAX_AFFIX_LENGTH and can_be_saved and not is_cut and count:
                affixes[rest.text] += count
    return prefixes, suffixes


def _frequent(affixes: Counter[str], words: Counter[str]) -> tuple[str, ...]:
    """Return the affixes whose count is at least MIN_AFFIX_SHARE of the number of words that have them."""
    enough = Counter({affix: count for affix, count in affixes.items() if count >= MIN_AFFIX_SHARE * words[affix]})
    return tuple(sorted(affix for affix, _ in enough.most_common(MAX_AFFIXES)))


def _rests(text: str, tokens: TokenizedText, span: Span) -> tuple[_Rest, _Rest]:
    """Return the rests before and after a region."""
    before = _word_around(text, tokens, span.start)
    after = _word_around(text, tokens, span.end)
    return (
        _rest(text, before, (before[0], span.start), span.start),
        _rest(text, after, (span.end, after[1]), span.end),
    )


def _rest(text: str, word: tuple[int, int], place: tuple[int, int], border: int) -> _Rest:
    start, end = place
    return _Rest(text[start:end].lower(), border - word[0] in case_changes(text[slice(*word)]))


def _word_around(text: str, tokens: TokenizedText, place: int) -> tuple[int, int]:
    """Return the word that a place divides between two grapheme clusters; (place, place) if it divides no word."""
    index = bisect_left(tokens.words, (place, 0)) - 1
    if index >= 0:
        start, end = tokens.words[index]
        if place < end and place - start in cluster_starts(text[start:end]):
            return start, end
    return place, place
