"""Versions of a project's model on disk: publish, current, keep the last few, roll back.

A version is a folder that is written aside, synced and renamed into place; ``current`` is a small file that names
the one that serves, replaced in one step. A reader sees the old or the new, never half, also on a volume that
several machines share. A new version serves from a moment on that the file tells, so that every process can load
it before and all of them change over at once: Label Studio asks one for the version, another for predictions.
"""

import json
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from huggingface_ner.errors import HuggingFaceNERError
from huggingface_ner.store.damages import damages
from huggingface_ner.store.files import delete_folder, delete_leftovers, folder_aside, place_folder, replaced_file

CURRENT = "current"
METRICS = "metrics.json"
# UTC, to the second, and something that keeps two machines apart.
_PATTERN = r"\d{8}-\d{6}-[0-9a-f]{4}"
_VERSION = re.compile(_PATTERN)
_PROJECT = re.compile("0|[1-9][0-9]*")

# From publishing to serving: what loading takes several times over.
ACTIVATION_DELAY = 5.0


class StoreError(HuggingFaceNERError):
    """A version that cannot be used; the message names it and those that can."""


@dataclass(frozen=True, slots=True)
class Version:
    """A published model: its name, its folder, and what is known of it."""

    name: str
    folder: Path
    metrics: Mapping[str, Any]


class Pointer(BaseModel, frozen=True):
    """What ``current`` says: ``version`` serves from ``since`` (seconds since 1970) on, until then ``before``.

    Before the first version, None serves: the baseline.
    """

    version: str = Field(pattern=f"^{_PATTERN}$")
    before: str | None = Field(None, pattern=f"^{_PATTERN}$")
    since: float

    def serving_version(self) -> str | None:
        """Return the version that serves now."""
        return self.version if time.time() >= self.since else self.before


class ModelStore:
    """The versions of one project.

    folder: made when the first version is published.
    keep: how many versions stay when one is published; those that serve always do. None: all of them.
    """

    def __init__(self, folder: Path, keep: int | None = None) -> None:
        self._folder = folder
        self._keep = keep

    def versions(self) -> list[Version]:
        """Return the published versions, oldest first."""
        return [self._version(name) for name in self._names()]

    def folder(self, name: str) -> Path:
        """Return where a version is, or would be."""
        return self._folder / name

    def pointer(self) -> Pointer | None:
        """Return what serves; None before the first version. Cheap: one small file is read.

        If that file is damaged, the newest version serves, and the log says so. Raises OSError if the versions
        cannot be listed either.
        """
        path = self._folder / CURRENT
        try:
            pointer = Pointer.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            return self._newest(path, error)
        damages.repaired(path)
        return pointer

    def _newest(self, path: Path, error: Exception) -> Pointer | None:
        names = self._names()
        reason = str(error) if isinstance(error, OSError) else "it is not a valid pointer"
        serves = f"the newest version, {names[-1]}, serves" if names else "the baseline serves"
        damages.found(
            path, f"{path} cannot be read ({reason}): {serves}; choose a version with `versions use VERSION`"
        )
        return Pointer(version=names[-1], before=None, since=0.0) if names else None

    def current(self) -> str | None:
        """Return the name of the newest choice, which serves or is about to; None before the first version."""
        pointer = self.pointer()
        return pointer.version if pointer else None

    def serving_version(self) -> str | None:
        """Return the name of the version that serves now; None before the first. As cheap as pointer."""
        pointer = self.pointer()
        return pointer.serving_version() if pointer else None

    def current_version(self) -> Version | None:
        """Return the version of the newest choice, or its first fallback if it is gone; None before the first."""
        name = self.current()
        return next(iter(self.fallbacks(name)), None) if name is not None else None

    def fallbacks(self, name: str) -> list[Version]:
        """Return a version and, for when it cannot be loaded, the ones before it, newest first.

        If it is gone and there are none before it, those after it are returned, newest first.
        """
        versions = self.versions()[::-1]
        fallbacks = [version for version in versions if version.name <= name] or versions
        if fallbacks and all(version.name != name for version in fallbacks):
            gone = self._folder / name
            damages.found(gone, f"{gone} is gone: {fallbacks[0].name} serves instead")
        return fallbacks

    def publish(self, write: Callable[[Path], None], metrics: Mapping[str, Any]) -> Version:
        """Make a version of what ``write`` puts into the folder that it is given, and let it serve.

        Raises whatever ``write`` does, and OSError (a full disk); the version that serves stays then.
        """
        with folder_aside(self._folder) as aside:
            write(aside)
            (aside / METRICS).write_text(
                json.dumps(metrics, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
            )
            name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
            before = self.serving_version()
            place_folder(aside, self._folder / name)
        self._point_to(name, before)
        self._prune()
        return self._version(name)

    def use(self, name: str) -> None:
        """Let a version serve; raises StoreError where there is none of that name."""
        self._check(name)
        self._point_to(name, self.serving_version())

    def remove(self, name: str) -> None:
        """Delete a version; raises StoreError where there is none of that name or where it serves."""
        self._check(name)
        pointer = self.pointer()
        if pointer and name in (pointer.version, pointer.serving_version()):
            raise StoreError(f"{name}: it is the one that serves; let another serve first, with `use`")
        delete_folder(self._folder / name)

    def _names(self) -> list[str]:
        try:
            paths = list(self._folder.iterdir())
        except FileNotFoundError:
            return []
        return sorted(path.name for path in paths if _VERSION.fullmatch(path.name) and path.is_dir())

    def _version(self, name: str) -> Version:
        return Version(name, self._folder / name, _read_metrics(self._folder / name / METRICS))

    def _check(self, name: str) -> None:
        names = self._names()
        if name not in names:
            raise StoreError(f"{name}: there is no such version in {self._folder}; there are: {names}")

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
    """Return where a project's versions are kept; see ModelStore."""
    return ModelStore(models_folder / str(project_id), keep)


def project_stores(models_folder: Path) -> dict[int, ModelStore]:
    """Return the stores of all projects that have one, by project."""
    folders = [path for path in models_folder.glob("*") if _PROJECT.fullmatch(path.name) and path.is_dir()]
    numbers = sorted(int(folder.name) for folder in folders)
    return {number: project_store(models_folder, number) for number in numbers}


def serving_versions(models_folder: Path) -> dict[int, str]:
    """Return the version that serves each project now; a project whose folder cannot be read is left out."""
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


def _read_metrics(path: Path) -> dict[str, Any]:
    """Return what a version's metrics.json says; of one that is damaged nothing, and the log says so."""
    unknown = "its scores are not known; the version can serve"
    try:
        metrics = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        if path.parent.is_dir():  # else the version was deleted meanwhile
            damages.found(path, f"{path} cannot be read ({error}): {unknown}")
        return {}
    if not isinstance(metrics, dict):
        damages.found(path, f"{path} is not a JSON object: {unknown}")
        return {}
    damages.repaired(path)
    return metrics
