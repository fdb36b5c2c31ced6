"""The scores of all versions that a project ever had, in a small file of its own that outlives the versions.

Only the last KEEP_VERSIONS versions are kept, but the learning curve goes back to the first.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ValidationError

from huggingface_ner.store.damages import damages
from huggingface_ner.store.files import replaced_file
from huggingface_ner.store.version_names import order

HISTORY = "history.json"
# Maximum number of entries. Beyond it, every other one of the older half is dropped, so the curve keeps its form.
MAX_ENTRIES = 200
MAX_LABELS = 50


class Counts(BaseModel, frozen=True):
    """The counts of scores.Scores."""

    correct: int
    predicted: int
    gold: int


class Entry(BaseModel, frozen=True):
    """One version: what it was trained on, and how it scored.

    tasks: how many annotated tasks there were, those held out included. overall: None if it was not scored.
    """

    version: str
    tasks: int
    overall: Counts | None = None
    labels: dict[str, Counts] = {}

    @classmethod
    def of(cls, version: str, metrics: Mapping[str, Any]) -> Self | None:
        """Return the entry of a version, given its metrics.json; None if that is damaged."""
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
        entries = [Entry.model_validate(entry) for entry in json.loads(path.read_bytes())]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, RecursionError) as error:
        damages.found(path, f"{path} cannot be read ({error}): the learning curve begins with the versions kept")
        return {}
    damages.repaired(path)
    return {entry.version: entry for entry in sorted(entries, key=lambda entry: order(entry.version))}


def merged(history: Mapping[str, Entry], versions: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, Entry]:
    """Return a history with the entries of versions, given the name and metrics.json of each; oldest first."""
    found = [entry for name, metrics in versions if (entry := Entry.of(name, metrics)) is not None]
    together = {**history, **{entry.version: entry for entry in found}}
    return {version: together[version] for version in sorted(together, key=order)}


def write_history(folder: Path, history: Mapping[str, Entry]) -> None:
    """Replace a project's history; raises OSError."""
    entries = [history[version] for version in sorted(history, key=order)]
    if len(entries) > MAX_ENTRIES:
        half = len(entries) // 2
        entries = [*entries[:half:2], *entries[half:]]
    with replaced_file(folder / HISTORY) as file:
        file.write_text(json.dumps([entry.model_dump() for entry in entries]), encoding="ascii")
