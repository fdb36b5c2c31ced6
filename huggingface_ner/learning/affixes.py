"""Learns where words have to be cut, from annotated regions that begin or end inside a word."""

import logging
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from huggingface_ner.spans import AnnotatedText
from huggingface_ner.tagging.inner_borders import MAX_AFFIX_LENGTH, InnerBorders, case_changes, cluster_starts
from huggingface_ner.tagging.windows import TokenizedText, Windower

# Words are cut if at least this many regions, and this share of the regions, begin or end inside a word. The same
# holds for cutting at changes of case. See bench/README.md.
MIN_REGIONS = 2
MIN_SHARE = 0.02
# The most frequent prefixes, and the most frequent suffixes, are kept up to this number.
MAX_AFFIXES = 1000
# Number of texts that are tokenized at once.
TEXTS_AT_A_TIME = 1000

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Rest:
    """What a word has before the region that begins in it, or after the region that ends in it; "" if nothing.

    is_case_change: whether a capital letter follows a small one at the region's border.
    """

    text: str = ""
    is_case_change: bool = False


def learn_inner_borders(
    examples: Sequence[AnnotatedText], labels: Collection[str], windower: Windower
) -> InnerBorders | None:
    """Return where words have to be cut, or None if regions hardly ever begin or end inside a word.

    labels: regions with other labels are not looked at.
    windower: cuts texts into words by the rules alone.
    """
    regions = 0
    inner: Counter[tuple[_Rest, _Rest]] = Counter()
    for rests in _rests(examples, labels, windower):
        regions += 1
        inner[rests] += any(rest.text for rest in rests)
    needed = max(MIN_REGIONS, MIN_SHARE * regions)
    if inner.total() < needed:
        return None
    borders = _inner_borders(inner, needed)
    if borders == InnerBorders():
        return None
    logger.info(
        "%d of %d regions begin or end inside a word, so words are cut: after %d prefixes, before %d suffixes%s",
        *(inner.total(), regions, len(borders.prefixes), len(borders.suffixes)),
        ", and at changes of case" if borders.case_changes else "",
    )
    return borders


def _inner_borders(inner: Counter[tuple[_Rest, _Rest]], needed: float) -> InnerBorders:
    """Return the borders that regions need. inner: how often each pair of rests, before and after, comes."""
    at_case_changes = sum(count for rests, count in inner.items() if any(rest.is_case_change for rest in rests))
    cut_at_case_changes = at_case_changes >= needed
    prefixes: Counter[str] = Counter()
    suffixes: Counter[str] = Counter()
    for (before, after), count in inner.items():
        prefixes[before.text] += count * _is_affix(before, cut_at_case_changes=cut_at_case_changes)
        suffixes[after.text] += count * _is_affix(after, cut_at_case_changes=cut_at_case_changes)
    return InnerBorders(
        prefixes=_most_frequent(prefixes),
        suffixes=_most_frequent(suffixes),
        case_changes=cut_at_case_changes,
    )


def _rests(
    examples: Sequence[AnnotatedText], labels: Collection[str], windower: Windower
) -> Iterator[tuple[_Rest, _Rest]]:
    """Yield the rests before and after each region."""
    for start in range(0, len(examples), TEXTS_AT_A_TIME):
        some = examples[start : start + TEXTS_AT_A_TIME]
        for example, tokenized in zip(some, windower.tokenize([example.text for example in some]), strict=True):
            for span in dict.fromkeys(span for span in example.spans if span.label in labels):
                before = _word_around(example.text, tokenized, span.start)
                after = _word_around(example.text, tokenized, span.end)
                yield (
                    _rest(example.text, before, (before[0], span.start), span.start),
                    _rest(example.text, after, (span.end, after[1]), span.end),
                )


def _rest(text: str, word: tuple[int, int], place: tuple[int, int], border: int) -> _Rest:
    start, end = place
    return _Rest(text[start:end].lower(), border - word[0] in case_changes(text[slice(*word)]))


def _word_around(text: str, tokenized: TokenizedText, place: int) -> tuple[int, int]:
    """Return the word that has a place inside it, between two grapheme clusters; without one, an empty stretch."""
    index = bisect_left(tokenized.words, (place, 0)) - 1
    if index >= 0:
        start, end = tokenized.words[index]
        if place < end and place - start in cluster_starts(text[start:end]):
            return start, end
    return place, place


def _is_affix(rest: _Rest, *, cut_at_case_changes: bool) -> bool:
    """Whether words have to be cut at this rest of a word."""
    can_be_saved = not _LONE_SURROGATE.search(rest.text)
    is_cut = cut_at_case_changes and rest.is_case_change
    return 0 < len(rest.text) <= MAX_AFFIX_LENGTH and can_be_saved and not is_cut


def _most_frequent(affixes: Counter[str]) -> tuple[str, ...]:
    return tuple(sorted(affix for affix, count in affixes.most_common(MAX_AFFIXES) if count))
