"""Counts the edits that an annotator needs to turn suggestions into the right annotation."""

from collections.abc import Sequence
from dataclasses import dataclass

from huggingface_ner.spans import Span, overlapping


@dataclass(frozen=True, slots=True)
class Edits:
    """The smallest number of edits that turn the suggested spans of a text into its gold spans.

    missing: the number of gold spans to add. to_delete: the number of suggested spans to delete.
    to_mend: the number of suggested spans to correct. Each has wrong borders or a wrong label, and becomes a gold
    span that it overlaps. exact: the number of suggested spans that are right.
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
    def suggested(self) -> int:
        """The number of suggested spans."""
        return self.to_delete + self.to_mend + self.exact

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

    An exact span needs no edit. Each other suggested span is corrected into at most one gold span. As many as
    possible are corrected, because one correction replaces a deletion and an addition.
    """
    wanted, found = sorted(set(gold) - set(suggested)), sorted(set(suggested) - set(gold))
    mended = _pairs(overlapping(wanted, found))
    return Edits(len(wanted) - mended, len(found) - mended, mended, len(set(gold) & set(suggested)))


def _pairs(partners: Sequence[Sequence[int]]) -> int:
    """Return the maximum number of items that can be paired if each partner belongs to at most one item.

    partners: the possible partners of each item.
    A maximum matching is found by augmenting paths; Kuhn, 1955, The Hungarian Method for the Assignment Problem.
    """
    holder: dict[int, int] = {}
    for one in range(len(partners)):
        # path: the items that have to change their partners. taken: the new partners of these items.
        path, taken, seen = [(one, iter(partners[one]))], list[int](), set[int]()
        while path:
            partner = next((partner for partner in path[-1][1] if partner not in seen), None)
            if partner is None:
                path.pop()
                del taken[-1:]
                continue
            seen.add(partner)
            taken.append(partner)
            if partner not in holder:
                holder.update((new, changed) for new, (changed, _) in zip(taken, path, strict=True))
                break
            path.append((holder[partner], iter(partners[holder[partner]])))
    return len(holder)
