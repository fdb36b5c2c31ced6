"""Which annotations a training or an evaluation did not use, or did not use as they were drawn, and why."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self, get_args

from huggingface_ner.json_values import mapping

# Reasons found when a region is read; they are about its task, its control, its labels or its place.
ReadingReason = Literal[
    "no_text",
    "unknown_control",
    "unknown_label",
    "no_label",
    "unreadable_place",
    "outside_text",
    "nothing_selected",
    "blank",
    "crosses_border",
    "outvoted",
]
# Reasons found when texts are split into the words that a model is trained on.
LearningReason = Literal["duplicate", "inside", "overlap", "shared_word", "no_word", "part_of_word"]
Reason = ReadingReason | LearningReason
TaskReason = Literal["not_fetched", "unreadable", "skipped"]

READING_REASONS: tuple[ReadingReason, ...] = get_args(ReadingReason)
LEARNING_REASONS: tuple[LearningReason, ...] = get_args(LearningReason)
# Regions with these reasons do not count as left out. Regions with one of the first two reasons are used, but a
# model cannot suggest exactly these stretches. Regions with the third reason were outvoted: they are not gold
# regions.
_NOT_LEFT_OUT: tuple[Reason, ...] = ("crosses_border", "part_of_word", "outvoted")
# What the summary says about one region, and about several regions.
_REGIONS: Mapping[Reason, tuple[str, str]] = {
    "no_text": ("is over a text that cannot be read", "are over texts that cannot be read"),
    "unknown_control": (
        "belongs to a control that labels no text in the labelling config",
        "belong to controls that label no text in the labelling config",
    ),
    "unknown_label": (
        "has a label that is not in the labelling config",
        "have labels that are not in the labelling config",
    ),
    "no_label": ("has no label", "have no label"),
    "unreadable_place": ("has a place that cannot be read", "have places that cannot be read"),
    "outside_text": ("lies outside the text", "lie outside the text"),
    "nothing_selected": ("selects nothing", "select nothing"),
    "blank": ("selects only blanks", "select only blanks"),
    "duplicate": ("repeats another region", "repeat other regions"),
    "inside": ("lies inside too many longer regions", "lie inside too many longer regions"),
    "overlap": ("overlaps too many other regions", "overlap too many other regions"),
    "shared_word": ("shares its words with another region", "share their words with other regions"),
    "no_word": ("contains no word", "contain no word"),
    "crosses_border": (
        "crosses the border of an utterance or a block, where suggestions are cut",
        "cross borders of utterances or blocks, where suggestions are cut",
    ),
    "outvoted": (
        "was outvoted by other annotations of its task",
        "were outvoted by other annotations of their tasks",
    ),
    "part_of_word": (
        "begins or ends inside a word and was learned as the whole word",
        "begin or end inside a word and were learned as whole words",
    ),
}
# Annotators skip tasks on purpose, so the summary does not mention skipped tasks.
_TASKS: Mapping[TaskReason, str] = {
    "not_fetched": "could not be fetched",
    "unreadable": "could not be read",
}
MAX_LABEL_LENGTH = 100
# Maximum number of labels counted for each reason. All other labels share one count, named OTHER_LABELS.
MAX_LABELS = 50
OTHER_LABELS = "…"
# Maximum number of labels that the summary names for each reason.
MAX_LABELS_TOLD = 4


@dataclass
class LeftOut:
    """Counts of the regions and tasks that were not used; the steps of a training add to them.

    regions_seen: all regions, used or not. A region with several labels counts once for each of them.
    regions: the number of regions that were not used, by reason and label; the label is "" if there is none. The
    regions with the reasons "part_of_word" and "crosses_border" were used, but cannot be suggested as they
    are; those with the reason "outvoted" were outvoted by other annotations of their task, see consensus.
    tasks: the number of annotated tasks whose text was not used, by reason.
    labels: the labels of the labelling config for which a training had no example, each once.
    """

    regions_seen: int = 0
    regions: Counter[tuple[Reason, str]] = field(default_factory=Counter)
    tasks: Counter[TaskReason] = field(default_factory=Counter)
    labels: list[str] = field(default_factory=list)

    def add(self, reason: Reason, label: object) -> None:
        """Count a region. label: the label as it is saved, which can be any JSON value."""
        self.regions[reason, _name(label) if isinstance(label, str) else ""] += 1

    def add_labels(self, labels: Iterable[str], learned: Mapping[str, int]) -> None:
        """Record which of these labels have no example.

        learned: how many regions of each label the training got, including those that it then left out.
        """
        for label in labels:
            name = _name(label)
            unused = sum(self.regions[reason, name] for reason in LEARNING_REASONS if reason not in _NOT_LEFT_OUT)
            if learned.get(label, 0) <= unused and name not in self.labels:
                self.labels.append(name)

    def merge(self, other: Self) -> None:
        """Add the counts of another LeftOut to these."""
        self.regions_seen += other.regions_seen
        self.regions.update(other.regions)
        self.tasks.update(other.tasks)
        self.labels += [label for label in other.labels if label not in self.labels]

    @property
    def regions_left_out(self) -> int:
        """The number of regions that were not used."""
        return sum(count for (reason, _), count in self.regions.items() if reason not in _NOT_LEFT_OUT)

    def only(self, reasons: Iterable[Reason]) -> "LeftOut":
        """Return only the labels, and the counts of the regions that were left out for one of these reasons."""
        wanted = frozenset(reasons)
        regions = Counter({key: count for key, count in self.regions.items() if key[0] in wanted})
        return LeftOut(regions=regions, labels=[*self.labels])

    def as_dict(self) -> dict[str, Any]:
        """Return the counts and the summary, for ``left_out`` in metrics.json and GET /training."""
        return {
            "regions_seen": self.regions_seen,
            "regions_left_out": self.regions_left_out,
            "regions": {reason: _shortened(labels) for reason, labels in self._by_reason()},
            "tasks": dict(self.tasks),
            "labels": self.labels[:MAX_LABELS],
            "summary": self.summary(),
        }

    @classmethod
    def from_dict(cls, saved: object) -> Self:
        """Read counts that ``as_dict`` returned; invalid values are ignored, because the file may be damaged."""
        found = cls()
        by_reason = mapping(mapping(saved).get("regions"))
        seen = mapping(saved).get("regions_seen")
        found.regions_seen = seen if isinstance(seen, int) else 0
        for reason in _REGIONS:
            for label, count in mapping(by_reason.get(reason)).items():
                if isinstance(label, str) and isinstance(count, int):
                    found.regions[reason, label] += count
        tasks = mapping(mapping(saved).get("tasks"))
        for task_reason in get_args(TaskReason):
            if isinstance(tasks.get(task_reason), int):
                found.tasks[task_reason] += tasks[task_reason]
        labels = mapping(saved).get("labels")
        found.labels += [label for label in labels if isinstance(label, str)] if isinstance(labels, list) else []
        return found

    def summary(self) -> str:
        """Return one sentence for people, without a full stop; "" if everything was used."""
        told = []
        by_reason = {reason: _told(reason, labels) for reason, labels in self._by_reason()}
        if self.regions_left_out:
            regions = "region" if self.regions_seen == 1 else "regions"
            were = "was" if self.regions_left_out == 1 else "were"
            parts = "; ".join(by_reason[reason] for reason in by_reason if reason not in _NOT_LEFT_OUT)
            told.append(f"{self.regions_left_out} of {self.regions_seen} {regions} {were} not used: {parts}")
        told += [by_reason[reason] for reason in _NOT_LEFT_OUT if reason in by_reason]
        for reason, what in _TASKS.items():
            count = self.tasks[reason]
            if count:
                told.append(f"{count} {'task' if count == 1 else 'tasks'} {what}")
        if self.labels:
            rest = len(self.labels) - MAX_LABELS_TOLD
            others = f" and {rest} other {'label' if rest == 1 else 'labels'}" if rest > 0 else ""
            told.append(f"no examples of {', '.join(self.labels[:MAX_LABELS_TOLD])}{others}")
        return "; ".join(told)

    def reasons(self) -> list[str]:
        """Return a text about each reason, written for people; the most frequent reason comes first."""
        return [_told(reason, labels) for reason, labels in self._by_reason()]

    def _by_reason(self) -> list[tuple[Reason, Counter[str]]]:
        """Return the labels' counts for each reason, the most frequent reason first."""
        found: dict[Reason, Counter[str]] = {}
        for (reason, label), count in self.regions.items():
            found.setdefault(reason, Counter())[label] += count
        return sorted(found.items(), key=lambda item: (-item[1].total(), item[0]))


def _name(label: str) -> str:
    # a lone surrogate cannot be written as UTF-8, and a label can have any length
    return label[:MAX_LABEL_LENGTH].encode("utf-8", "replace").decode()


def _shortened(labels: Counter[str]) -> dict[str, int]:
    shown = dict(labels.most_common(MAX_LABELS))
    rest = labels.total() - sum(shown.values())
    return {**shown, OTHER_LABELS: shown.get(OTHER_LABELS, 0) + rest} if rest else shown


def _told(reason: Reason, labels: Counter[str]) -> str:
    frequent = labels.most_common(MAX_LABELS_TOLD)
    parts = [f"{count} {label}".strip() for label, count in frequent]
    rest = labels.total() - sum(count for _, count in frequent)
    parts += [f"{rest} {'other' if rest == 1 else 'others'}"] if rest else []
    subject = f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else parts[0]
    return f"{subject} {_REGIONS[reason][labels.total() > 1]}"
