"""How many tasks a project has, and how many of them are annotated, as Label Studio counts them.

Label Studio's answer about a project and every webhook event have these counts, so no request is made for them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from huggingface_ner.label_studio.places import whole_number

# The counts of a project that Label Studio 1.23.2 sends.
FIELDS = (
    *("task_number", "num_tasks_with_annotations", "finished_task_number", "ground_truth_number"),
    "total_predictions_number",
)
# Larger counts are invalid: Label Studio numbers its tasks up to this.
MAX_COUNT = 2**31


@dataclass(frozen=True, slots=True)
class TaskCounts:
    """The tasks of a project.

    in_all: all tasks. annotated: those with an annotation that is not skipped. skipped: those that Label Studio
    takes as finished without such an annotation. predictions: the stored predictions of all models.
    """

    in_all: int
    annotated: int
    skipped: int = 0
    predictions: int = 0

    @classmethod
    def from_dict(cls, counts: Mapping[str, object]) -> Self | None:
        """Return the counts that ``as_dict`` gave; None if they are missing or invalid."""
        values = [counts.get(name) for name in ("in_all", "annotated", "skipped", "predictions")]
        numbers = [value for value in map(whole_number, values) if value is not None]
        return cls(*numbers) if len(numbers) == len(values) else None

    @property
    def left(self) -> int:
        """The number of tasks that are still to be annotated."""
        return max(self.in_all - self.annotated - self.skipped, 0)

    def as_dict(self) -> dict[str, int]:
        """Return the counts as JSON."""
        return {
            "in_all": self.in_all,
            "annotated": self.annotated,
            "skipped": self.skipped,
            "left": self.left,
            "predictions": self.predictions,
        }


def read_task_counts(project: Mapping[str, object]) -> TaskCounts | None:
    """Return the counts in Label Studio's JSON of a project; None if one of them is missing or invalid.

    Label Studio counts the annotated tasks without those that only have annotations marked as ground truth. How
    many tasks have such annotations is not sent, only how many annotations. If there are any, the finished tasks
    tell how many tasks are annotated, as long as both counts allow it.
    """
    counts = [whole_number(project.get(field)) for field in FIELDS]
    if any(count is None or not 0 <= count < MAX_COUNT for count in counts):
        return None
    in_all, without_truth, finished, truth, predictions = (count or 0 for count in counts)
    annotated = min(max(finished, without_truth), without_truth + truth, in_all)
    return TaskCounts(in_all, annotated, max(min(finished, in_all) - annotated, 0), predictions)
