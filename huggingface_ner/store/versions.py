"""The versions of a project's model on disk: publishing, choosing, falling back, deleting the oldest.

A version is a folder that is written completely before it gets its name (see files.py). The pointer, a small file
``current``, names the version in use, and is replaced in one step. So readers see either the old or the new
pointer, also on a volume that several machines share. The pointer also says when a new version takes effect. Every
process loads the version before that time, and all switch at the same moment. Otherwise Label Studio could get the
version's name from one process, and predictions of a different version from another process.
"""

import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from huggingface_ner.errors import HuggingFaceNERError
from huggingface_ner.store.damages import damages
from huggingface_ner.store.files import delete_folder, delete_leftovers, folder_aside, place_folder, replaced_file
from huggingface_ner.store.history import (
    Entry,
    SuggestionCounts,
    merged,
    read_history,
    with_suggestions,
    write_history,
)
from huggingface_ner.store.metrics_file import read_metrics, write_metrics
from huggingface_ner.store.pointer import MAX_DELAY, Pointer, read_pointer
from huggingface_ner.store.split_file import Split, read_split, write_split
from huggingface_ner.store.version_names import is_version_name, new_name, sort_key

CURRENT = "current"
_PROJECT = re.compile("0|[1-9][0-9]*")

# Seconds until a published version takes effect: several times as long as loading takes.
ACTIVATION_DELAY = 5.0


class StoreError(HuggingFaceNERError):
    """A version cannot be used; the message names it and says what to do."""


@dataclass(frozen=True, slots=True)
class Version:
    """A published model: its name, its folder, and the content of its metrics.json; {} if the file is damaged."""

    name: str
    folder: Path
    metrics: Mapping[str, Any]


class ModelStore:
    """The versions of one project.

    folder: created when the first version is published.
    keep: how many versions remain after one is published, always including those in use; None keeps all.
    """

    def __init__(self, folder: Path, keep: int | None = None) -> None:
        self._folder = folder
        self._keep = keep

    def versions(self) -> list[Version]:
        """Return the published versions, oldest first."""
        return [self._version(name) for name in self._names()]

    def version(self, name: str) -> Version | None:
        """Return a version, or None if it does not exist. Cheap: it reads one small file."""
        return self._version(name) if is_version_name(name) and self.folder(name).is_dir() else None

    def history(self) -> list[Entry]:
        """Return the scores of all versions, oldest first, including those of deleted versions."""
        kept = [(version.name, version.metrics) for version in self.versions()]
        return list(merged(read_history(self._folder), kept).values())

    def note_suggestions(self, counts: Mapping[str, SuggestionCounts]) -> None:
        """Store what annotators did with the suggestions of versions, see with_suggestions; raises OSError."""
        entries = self.history()
        updated = with_suggestions(entries, counts)
        if list(updated.values()) != entries:
            write_history(self._folder, updated)

    def split(self) -> Split | None:
        """Return which tasks are held out; see read_split."""
        return read_split(self._folder)

    def write_split(self, split: Split) -> None:
        """Note which tasks are held out; raises OSError."""
        write_split(self._folder, split)

    def folder(self, name: str) -> Path:
        """Return the folder of a version, which need not exist."""
        return self._folder / name

    def pointer(self) -> Pointer | None:
        """Return the pointer, or None before the first version. Cheap: it reads one small file.

        If that file is damaged or lost, the newest version is used, and the log says so. Raises OSError if the
        versions cannot be listed either.
        """
        path = self._folder / CURRENT
        try:
            return read_pointer(path)
        except FileNotFoundError as error:
            return self._newest(path, error) if self._is_lost(path) else None
        except (OSError, ValidationError) as error:
            return self._newest(path, error)

    def _is_lost(self, path: Path) -> bool:
        """Return whether a pointer that is not there has been there: whether there is a version.

        A version that was placed a moment ago gets its pointer in a moment.
        """
        names = self._names()
        with suppress(FileNotFoundError):  # the version was removed meanwhile, with the project
            return bool(names) and time.time() - self.folder(names[-1]).stat().st_ctime > MAX_DELAY
        return False

    def _newest(self, path: Path, error: Exception) -> Pointer | None:
        names = self._names()
        reason = str(error) if isinstance(error, OSError) else "not a valid pointer file"
        used = f"the newest version, {names[-1]}, is used" if names else "the baseline is used"
        damages.found(path, f"{path} cannot be read ({reason}): {used}; choose one with `versions use VERSION`")
        return Pointer(version=names[-1], before=None, since=0.0) if names else None

    def current(self) -> str | None:
        """Return the name of the version chosen last, which is in use now or soon; None before the first."""
        pointer = self.pointer()
        return pointer.version if pointer else None

    def serving_version(self) -> str | None:
        """Return the name of the version in use now; None before the first takes effect. As cheap as pointer."""
        pointer = self.pointer()
        return pointer.serving_version() if pointer else None

    def current_version(self) -> Version | None:
        """Return the version chosen last, or its fallback if it is missing; None before the first version."""
        name = self.current()
        return next(iter(self.fallbacks(name)), None) if name is not None else None

    def fallbacks(self, name: str) -> list[Version]:
        """Return a version and the earlier ones, newest first, to be tried in this order until one can be loaded.

        If neither the version nor an earlier one exists, all versions are returned, newest first.
        """
        versions = self.versions()[::-1]
        fallbacks = [version for version in versions if sort_key(version.name) <= sort_key(name)] or versions
        if fallbacks and all(version.name != name for version in fallbacks):
            missing = self._folder / name
            damages.found(missing, f"{missing} is missing: {fallbacks[0].name} is used instead")
        return fallbacks

    def publish(self, write: Callable[[Path], None], metrics: Mapping[str, Any]) -> Version:
        """Publish a new version, which takes effect after ACTIVATION_DELAY.

        write: is called with a folder, and writes the model's files into it.
        Raises any exception of ``write``, and OSError, for example if the disk is full. After an exception, the
        version in use is the same as before.
        """
        with folder_aside(self._folder) as aside:
            write(aside)
            write_metrics(aside, metrics)
            known = [*self._names(), *(entry.version for entry in self.history())]
            name = new_name(set(known), metrics, datetime.now(UTC))
            before = self.serving_version()
            place_folder(aside, self._folder / name)
        self._point_to(name, before)
        self._write_history()
        self._prune()
        return self._version(name)

    def add(self, version: Version, name: str, write: Callable[[Path], Mapping[str, Any]]) -> None:
        """Add a folder and metrics to a published version, each completely or not at all.

        write: is called with a folder, writes a folder ``name`` into it, and returns the metrics to add.
        Raises any exception of ``write``, and OSError, for example if the version was removed meanwhile.
        """
        with folder_aside(self._folder) as aside:
            metrics = {**version.metrics, **write(aside)}
            write_metrics(version.folder, metrics)
            place_folder(aside / name, version.folder / name)

    def use(self, name: str) -> None:
        """Switch to a version; raises StoreError if it does not exist."""
        self._check(name)
        self._point_to(name, self.serving_version())

    def remove(self, name: str) -> None:
        """Delete a version; raises StoreError if it does not exist or is in use."""
        self._check(name)
        pointer = self.pointer()
        if pointer and name in (pointer.version, pointer.serving_version()):
            raise StoreError(f"{name}: this version is in use; switch to another first: `versions use VERSION`")
        self._write_history()
        delete_folder(self._folder / name)

    def delete(self) -> None:
        """Delete all versions, including the one in use, and the history of earlier versions; raises OSError."""
        delete_folder(self._folder)

    def delete_stale_leftovers(self) -> None:
        """Delete the files that killed processes have left in the project's folder; raises OSError."""
        for folder in (self._folder, *map(self.folder, self._names())):
            delete_leftovers(folder)

    def _write_history(self) -> None:
        """Store the scores of all versions, before some of the versions are deleted."""
        entries = self.history()
        if entries:
            write_history(self._folder, {entry.version: entry for entry in entries})

    def _names(self) -> list[str]:
        try:
            paths = list(self._folder.iterdir())
        except FileNotFoundError:
            return []
        return sorted((path.name for path in paths if is_version_name(path.name) and path.is_dir()), key=sort_key)

    def _version(self, name: str) -> Version:
        return Version(name, self._folder / name, read_metrics(self._folder / name))

    def _check(self, name: str) -> None:
        names = self._names()
        if name not in names:
            raise StoreError(
                f"{name}: no such version in {self._folder}; existing versions: {', '.join(names) or 'none'}"
            )

    def _point_to(self, name: str, before: str | None) -> None:
        chosen = Pointer(version=name, before=before, since=time.time() + ACTIVATION_DELAY)
        with replaced_file(self._folder / CURRENT) as file:
            file.write_text(chosen.model_dump_json(), encoding="ascii")

    def _prune(self) -> None:
        pointer = self.pointer()
        needed = {pointer.version, pointer.before} if pointer else set()
        names = self._names()
        spare = [name for name in names if name not in needed]
        for name in spare[: max(len(names) - self._keep, 0)] if self._keep is not None else ():
            delete_folder(self._folder / name)
        delete_leftovers(self._folder)


def project_store(models_folder: Path, project_id: int, keep: int | None = None) -> ModelStore:
    """Return a project's store; see ModelStore."""
    return ModelStore(models_folder / str(project_id), keep)


def project_stores(models_folder: Path) -> dict[int, ModelStore]:
    """Return the stores of all projects that have one, by project id."""
    folders = [path for path in models_folder.glob("*") if _PROJECT.fullmatch(path.name) and path.is_dir()]
    numbers = sorted(int(folder.name) for folder in folders)
    return {number: project_store(models_folder, number) for number in numbers}


def serving_versions(models_folder: Path) -> dict[int, str]:
    """Return the version in use now, by project id; a project whose folder cannot be read is left out."""
    serving: dict[int, str] = {}
    for project_id, store in project_stores(models_folder).items():
        folder = models_folder / str(project_id)
        try:
            name = store.serving_version()
        except OSError as error:
            damages.found(folder, f"{folder} cannot be read: {error}")
            continue
        damages.repaired(folder)
        if name is not None:
            serving[project_id] = name
    return serving


def delete_stale_leftovers(models_folder: Path) -> None:
    """Delete the files that killed processes have left in the models folder, in projects and in versions.

    See files.STALE_AFTER.
    """
    delete_leftovers(models_folder)
    for project_id, store in project_stores(models_folder).items():
        try:
            store.delete_stale_leftovers()
        except OSError as error:
            folder = models_folder / str(project_id)
            damages.found(folder, f"{folder} cannot be read: {error}")
