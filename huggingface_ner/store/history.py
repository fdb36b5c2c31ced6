"""The scores of the versions that a project has had, in a small file that outlives the versions.

Only the last KEEP_VERSIONS versions are kept, but the learning curve goes back to the first one.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, NonNegativeInt, ValidationError

from huggingface_ner.intervals import Interval, share_interval
from huggingface_ner.json_values import read_json
from huggingface_ner.store.damages import damages
from huggingface_ner.store.files import replaced_file
from huggingface_ner.store.version_names import sort_key

HISTORY = "history.json"
# Maximum number of entries. If there are more, every second entry of the older half is dropped, which keeps the
# shape of the learning curve.
MAX_ENTRIES = 200
MAX_LABELS = 50


class Counts(BaseModel, frozen=True):
    """The counts of scores.Scores."""

    correct: int
    predicted: int
    gold: int


class SuggestionCounts(BaseModel, frozen=True):
    """What annotators did with a version's suggestions in a number of tasks; see edits.Edits for the counts."""

    tasks: NonNegativeInt
    exact: NonNegativeInt
    to_mend: NonNegativeInt
    to_delete: NonNegativeInt
    missing: NonNegativeInt

    @property
    def suggested(self) -> int:
        """The number of suggestions."""
        return self.exact + self.to_mend + self.to_delete

    @property
    def share(self) -> float | None:
        """The share of the suggestions that were accepted unchanged; None if there are none."""
        return self.exact / self.suggested if self.suggested else None

    @property
    def interval(self) -> Interval:
        """The 95 % interval of the share."""
        return share_interval(self.exact, self.suggested)

    def as_dict(self) -> dict[str, Any]:
        """Return the counts, the share and its interval, for programs."""
        return {
            "tasks": self.tasks,
            "suggested": self.suggested,
            "accepted": self.exact,
            "changed": self.to_mend,
            "deleted": self.to_delete,
            "missing": self.missing,
            "share": self.share,
            "interval": self.interval,
        }


class Entry(BaseModel, frozen=True):
    """One version: the size of its training data, its scores, and what annotators did with its suggestions.

    tasks: the number of annotated tasks, including those held out. overall: None if the version was not scored.
    suggestions: None if no later training has found an annotation that was made after a suggestion of it.
    """

    version: str
    tasks: int
    overall: Counts | None = None
    labels: dict[str, Counts] = {}
    suggestions: SuggestionCounts | None = None

    @classmethod
    def of(cls, version: str, metrics: Mapping[str, Any]) -> Self | None:
        """Return the entry of a version, given its metrics.json; None if this file is damaged."""
        scored = metrics.get("labels")
        labels = dict(list(scored.items())[:MAX_LABELS]) if isinstance(scored, Mapping) else {}
        overall = metrics if isinstance(metrics.get("gold"), int) else None
        try:
            return cls.model_validate(
                {"version": version, "tasks": metrics.get("tasks"), "overall": overall, "labels": labels}
            )
        except ValidationError:
            return None


def read_history(folder: Path) -> dict[str, Entry]:
    """Return a project's entries by version, oldest first; if the file is damaged, log this and return {}."""
    path = folder / HISTORY
    try:
        entries = [Entry.model_validate(entry) for entry in read_json(path.read_bytes())]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, RecursionError) as error:
        damages.found(path, f"{path} cannot be read ({error}): the learning curve begins with the versions kept")
        return {}
    damages.repaired(path)
    return {entry.version: entry for entry in sorted(entries, key=lambda entry: sort_key(entry.version))}


def merged(history: Mapping[str, Entry], versions: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, Entry]:
    """Add versions to a history, given the name and the metrics.json of each; return all entries, oldest first."""
    entries = dict(history)
    for name, metrics in versions:
        entry = Entry.of(name, metrics)
        if entry is not None:
            known = history.get(name)
            entries[name] = entry.model_copy(update={"suggestions": known.suggestions}) if known else entry
    return {version: entries[version] for version in sorted(entries, key=sort_key)}


def with_suggestions(entries: Iterable[Entry], counts: Mapping[str, SuggestionCounts]) -> dict[str, Entry]:
    """Return a history with new counts of suggestions; counts of unknown versions are ignored.

    Tasks and predictions can be deleted in Label Studio, so counts of fewer tasks than before are ignored too.
    """
    updated = {}
    for entry in entries:
        found, known = counts.get(entry.version), entry.suggestions
        is_more = found is not None and (known is None or found.tasks >= known.tasks)
        updated[entry.version] = entry.model_copy(update={"suggestions": found}) if is_more else entry
    return updated


def newest_with_suggestions(entries: Sequence[Entry]) -> Entry | None:
    """Return the newest version for which at least one suggestion was counted; None if there is none."""
    known = [entry for entry in entries if entry.suggestions is not None and entry.suggestions.suggested]
    return max(known, key=lambda entry: sort_key(entry.version), default=None)


def write_history(folder: Path, history: Mapping[str, Entry]) -> None:
    """Replace a project's history; raises OSError."""
    entries = [history[version] for version in sorted(history, key=sort_key)]
    if len(entries) > MAX_ENTRIES:
        half = len(entries) // 2
        entries = [*entries[:half:2], *entries[half:]]
    with replaced_file(folder / HISTORY) as file:
        file.write_text(json.dumps([entry.model_dump() for entry in entries]), encoding="ascii")
