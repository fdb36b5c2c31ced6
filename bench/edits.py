"""What it costs an annotator to turn suggestions into the right annotation."""

from collections.abc import Sequence
from dataclasses import dataclass

from huggingface_ner.spans import Span


@dataclass(frozen=True, slots=True)
class Edits:
    """The fewest edits that make the gold spans of a text from the suggested ones.

    missing: gold spans to add. to_delete: suggested spans to delete. to_mend: suggested spans whose borders or
    label are wrong, so that they become a gold span that they overlap. exact: suggested spans that are right.
    """

    missing: int = 0
    to_delete: int = 0
    to_mend: int = 0
    exact: int = 0

    @property
    def total(self) -> int:
        """The number of edits."""
        return self.missing + self.to_delete + self.to_mend

    @property
    def entities(self) -> int:
        """The number of gold spans."""
        return self.missing + self.to_mend + self.exact

    @property
    def cost(self) -> float | None:
        """Edits per gold span: 1.0 without suggestions; None if there are no gold spans."""
        return self.total / self.entities if self.entities else None

    def __add__(self, other: "Edits") -> "Edits":
        return Edits(
            self.missing + other.missing,
            self.to_delete + other.to_delete,
            self.to_mend + other.to_mend,
            self.exact + other.exact,
        )


def count_edits(gold: Sequence[Span], suggested: Sequence[Span]) -> Edits:
    """Count the edits of one text; a span that occurs twice counts once.

    An exact span is left alone. Of the others, each suggested span is mended into at most one gold span, and as
    many as possible are mended, because a mended span saves a deletion and an addition.
    """
    wanted, found = sorted(set(gold) - set(suggested)), sorted(set(suggested) - set(gold))
    mended = _pairs([[place for place, span in enumerate(wanted) if _overlap(span, other)] for other in found])
    return Edits(len(wanted) - mended, len(found) - mended, mended, len(set(gold) & set(suggested)))


def _overlap(span: Span, other: Span) -> bool:
    return span.start < other.end and other.start < span.end


def _pairs(partners: Sequence[Sequence[int]]) -> int:
    """Return how many can be paired at most, each with one of its partners, which is then no other's.

    Augmenting paths; Kuhn, 1955, The Hungarian Method for the Assignment Problem.
    """
    holder: dict[int, int] = {}

    def pair(one: int, seen: set[int]) -> bool:
        for partner in partners[one]:
            if partner not in seen:
                seen.add(partner)
                if partner not in holder or pair(holder[partner], seen):
                    holder[partner] = one
                    return True
        return False

    return sum(pair(one, set()) for one in range(len(partners)))
