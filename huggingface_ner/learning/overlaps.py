"""Spans that overlap: which labels need tag groups of their own, and which group learns which span."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from huggingface_ner.left_out import LeftOut
from huggingface_ner.spans import AnnotatedText, Span, insert_without_overlap, longest_first

# An overlap of two labels counts if it occurs at least this often in the texts. See bench/README.md.
MIN_OVERLAPS = 1
# Maximum number of groups that the labels of one layer are divided into.
MAX_GROUPS = 8
# Maximum number of groups for the entities of one label that overlap each other.
MAX_LEVELS = 3

# The labels of each group, or of each layer.
Groups = Sequence[Sequence[str]]


def plan_groups(texts: Iterable[AnnotatedText], layers: Groups) -> list[list[str]]:
    """Return the labels of the tag groups that a head needs for learning the texts.

    layers: the labels of each layer, see LabelingConfig.layers. Each layer is one group, unless its spans overlap
    in the texts. Then labels that overlap each other go into different groups, and a label that overlaps itself
    goes into a further group too.
    """
    counts = [_Counts(labels) for labels in layers]
    for text in texts:
        for layer in counts:
            layer.add(text.spans)
    return [group for layer in counts for group in layer.groups()]


class _Counts:
    """Counts the overlaps in one layer.

    overlaps: how many spans overlap an earlier one of another label, by the two labels in alphabetical order.
    levels: how many spans lie on each level, by label and level. A span is on the first level on which it overlaps
    no longer span of its label.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self._labels = list(dict.fromkeys(labels))
        self._known = frozenset(labels)
        self._overlaps: Counter[tuple[str, str]] = Counter()
        self._levels: Counter[tuple[str, int]] = Counter()

    def add(self, spans: Iterable[Span]) -> None:
        """Count the overlaps of a text."""
        own = sorted({span for span in spans if span.label in self._known})
        ends: dict[str, int] = {}
        for span in own:
            ends = {label: end for label, end in ends.items() if end > span.start}
            for label in ends.keys() - {span.label}:
                self._overlaps[min(label, span.label), max(label, span.label)] += 1
            ends[span.label] = max(span.end, ends.get(span.label, 0))
        levels: dict[str, list[list[Span]]] = {}
        for span in longest_first(own):
            for number, kept in enumerate(levels.setdefault(span.label, [[] for _ in range(MAX_LEVELS)])):
                if insert_without_overlap(span, kept):
                    self._levels[span.label, number] += 1
                    break

    def groups(self) -> list[list[str]]:
        """Return the labels of the groups that this layer needs."""
        groups = []
        for group in self._without_overlaps():
            groups.append(group)
            for level in range(1, MAX_LEVELS):
                again = [label for label in group if self._levels[label, level] >= MIN_OVERLAPS]
                groups += [again] if again else []
        return groups

    def _without_overlaps(self) -> list[list[str]]:
        """Divide the labels into up to MAX_GROUPS, so that labels that overlap each other are in different ones.

        If MAX_GROUPS are too few, a label goes where it has the fewest overlaps.
        """
        rivals: dict[str, Counter[str]] = {label: Counter() for label in self._labels}
        for (one, other), count in self._overlaps.items():
            if count >= MIN_OVERLAPS:
                rivals[one][other] = rivals[other][one] = count
        groups: list[list[str]] = []
        placed: dict[str, int] = {}
        for label in self._labels:
            conflicts = [0] * len(groups)
            for rival, count in rivals[label].items():
                if rival in placed:
                    conflicts[placed[rival]] += count
            if not conflicts or (min(conflicts) and len(groups) < MAX_GROUPS):
                placed[label] = len(groups)
                groups.append([label])
            else:
                placed[label] = conflicts.index(min(conflicts))
                groups[placed[label]].append(label)
        return groups


def learnable_spans(
    spans: Iterable[Span], groups: Sequence[Collection[str]], left_out: LeftOut
) -> list[list[Span]]:
    """Return the spans that each tag group learns, in order and without overlaps.

    groups: the labels of each group. A span goes into the first group that has its label and no longer span that
    overlaps it; of equally long spans, the first comes first.
    left_out: counts the spans that fit into no group.
    """
    known: dict[Span, None] = {}
    for span in spans:
        if not any(span.label in labels for labels in groups):
            left_out.add("unknown_label", span.label)
        elif span in known:
            left_out.add("duplicate", span.label)
        else:
            known[span] = None
    learned: list[list[Span]] = [[] for _ in groups]
    for span in longest_first(known):
        own = [kept for kept, labels in zip(learned, groups, strict=True) if span.label in labels]
        if not any(insert_without_overlap(span, kept) for kept in own):
            left_out.add("inside" if any(_is_inside(span, kept) for kept in own) else "overlap", span.label)
    return learned


def _is_inside(span: Span, kept: Sequence[Span]) -> bool:
    """Whether a span lies inside a longer one of these spans, which are in order and do not overlap."""
    longer = kept[max(bisect_right(kept, span.start, key=lambda other: other.start) - 1, 0)]
    is_inside = longer.start <= span.start and span.end <= longer.end
    return is_inside and span.end - span.start < longer.end - longer.start
