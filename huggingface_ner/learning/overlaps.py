"""Plans tag groups for labels whose spans overlap, and decides which group learns which span."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from huggingface_ner.left_out import LeftOut
from huggingface_ner.spans import AnnotatedText, Span, insert_without_overlap, longest_first

# Two labels go into different groups if they overlap each other at least this often, and if at least this share of
# the spans of the rarer one overlaps the other. The values were measured; see bench/README.md.
MIN_OVERLAPS = 3
MIN_SHARE = 0.2
# Maximum number of groups that the labels of one layer are divided into.
MAX_GROUPS = 8
# Maximum number of levels that the spans of one group are divided into, if some of them still overlap.
MAX_LEVELS = 3

# The labels of each group, or of each layer.
Groups = Sequence[Sequence[str]]


def plan_groups(texts: Collection[AnnotatedText], layers: Groups) -> list[list[str]]:
    """Return the labels of the tag groups that a head needs for learning the texts.

    layers: the labels of each layer, see LabelingConfig.layers. Each layer is one group, unless its spans overlap
    in the texts. Labels that often overlap each other go into different groups, so that all examples of a label
    are in one group. If spans in a group still overlap, further groups with the labels of these spans follow it.
    """
    overlaps = [_Overlaps(labels) for labels in layers]
    for text in texts:
        for layer in overlaps:
            layer.add(text.spans)
    divided = [group for layer in overlaps for group in layer.groups()]
    if not any(layer.any for layer in overlaps):
        return divided
    levels: list[Counter[tuple[str, int]]] = [Counter() for _ in divided]
    for text in texts:
        for group, counts in zip(divided, levels, strict=True):
            every_level = learnable_spans(text.spans, [group] * MAX_LEVELS, LeftOut())
            counts.update((span.label, level) for level, kept in enumerate(every_level) for span in kept)
    return [
        labels
        for group, counts in zip(divided, levels, strict=True)
        for level in range(MAX_LEVELS)
        if (labels := [label for label in group if level == 0 or counts[label, level]])
    ]


class _Overlaps:
    """Counts how often the labels of one layer overlap each other.

    any: whether any spans of the layer overlap.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.any = False
        self._labels = list(dict.fromkeys(labels))
        self._known = frozenset(labels)
        self._spans: Counter[str] = Counter()
        # (label, label), in alphabetical order -> how often a span of one overlaps an earlier span of the other
        self._pairs: Counter[tuple[str, str]] = Counter()

    def add(self, spans: Iterable[Span]) -> None:
        """Count the overlaps of a text."""
        ends: dict[str, int] = {}
        for span in sorted({span for span in spans if span.label in self._known}):
            self._spans[span.label] += 1
            ends = {label: end for label, end in ends.items() if end > span.start}
            self.any = self.any or bool(ends)
            for label in ends.keys() - {span.label}:
                self._pairs[min(label, span.label), max(label, span.label)] += 1
            ends[span.label] = max(span.end, ends.get(span.label, 0))

    def groups(self) -> list[list[str]]:
        """Divide the labels into up to MAX_GROUPS groups; labels that often overlap go into different groups.

        If MAX_GROUPS groups are not enough, a label goes into the group in which it has the fewest overlaps.
        """
        rivals: dict[str, Counter[str]] = {label: Counter() for label in self._labels}
        for (one, other), count in self._pairs.items():
            if count >= max(MIN_OVERLAPS, MIN_SHARE * min(self._spans[one], self._spans[other])):
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

    groups: the labels of each group. The longest spans are placed first; equally long ones are placed in the order
    of the text. Each goes into the first group that has its label and in which no span placed before overlaps it.
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
    """Return whether a span lies inside a longer one of the kept spans, which are in order and do not overlap."""
    longer = kept[max(bisect_right(kept, span.start, key=lambda other: other.start) - 1, 0)]
    is_inside = longer.start <= span.start and span.end <= longer.end
    return is_inside and span.end - span.start < longer.end - longer.start
