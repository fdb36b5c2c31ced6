"""The mistakes of a version, as the page of a project shows them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from huggingface_ner.json_values import mapping, mappings, whole_number_or_zero
from huggingface_ner.label_studio.addresses import task_address
from huggingface_ner.server.pages.facts import ProjectFacts

# Maximum number of labels in the table of mistakes: those with the most mistakes.
MAX_TABLE_LABELS = 10
EXAMPLE_FIELDS = ("task", "before", "text", "after", "predicted")


@dataclass(frozen=True, slots=True)
class MistakeKind:
    """A kind of mistake, with examples; see learning.mistakes. The ``link`` of an example opens its task."""

    gold: str
    predicted: str
    count: int
    examples: tuple[Mapping[str, str | None], ...]

    @property
    def more_examples(self) -> int:
        """The number of such mistakes that are not among the examples."""
        return max(self.count - len(self.examples), 0)


@dataclass(frozen=True, slots=True)
class Table:
    """Mistakes by label.

    rows: each has an annotated label and a count for each label that the model gave, with the correct spans on the
    diagonal. Then follow the numbers of spans that were found with the right label and wrong borders, and of spans
    that were missed. The last row, whose label is "", counts the invented spans. more_labels: the number of labels
    with mistakes that are not in the table.
    """

    labels: tuple[str, ...]
    rows: tuple[tuple[str, tuple[int, ...]], ...]
    more_labels: int


def mistake_kinds(mistakes: Mapping[str, Any], known: ProjectFacts) -> tuple[MistakeKind, ...]:
    """Return the kinds of mistakes in a mistakes.json, with links to the tasks of their examples."""
    found = []
    for kind in mappings(mistakes.get("kinds")):
        examples = tuple(
            {
                **{name: str(example.get(name, "")) for name in EXAMPLE_FIELDS},
                "link": task_address(known.label_studio, known.project_id, str(example.get("task", ""))),
            }
            for example in mappings(kind.get("examples"))
        )
        gold, predicted = str(kind.get("gold", "")), str(kind.get("predicted", ""))
        found.append(MistakeKind(gold, predicted, whole_number_or_zero(kind.get("count")), examples))
    return tuple(found)


def mistake_table(correct: object, mistakes: tuple[MistakeKind, ...]) -> Table | None:
    """Return the table of mistakes, for the labels with the most mistakes; None if there are no mistakes."""
    totals: dict[str, int] = {}
    for one in mistakes:
        for label in {one.gold, one.predicted} - {""}:
            totals[label] = totals.get(label, 0) + one.count
    labels = tuple(sorted(totals, key=lambda label: -totals[label])[:MAX_TABLE_LABELS])
    if not labels:
        return None
    counts = {(one.gold, one.predicted): one.count for one in mistakes}
    right = mapping(correct)
    rows = []
    for gold in (*labels, ""):
        cells = [
            whole_number_or_zero(right.get(gold)) if gold == label else counts.get((gold, label), 0)
            for label in labels
        ]
        if gold:
            cells += [counts.get((gold, gold), 0), counts.get((gold, ""), 0)]
        rows.append((gold, tuple(cells)))
    return Table(labels, tuple(rows), len(totals) - len(labels))
