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
from huggingface_ner.store.files import delete_folder, delete_leftovers, folder_aside, place_folder, replaced_file

CURRENT = "current"
METRICS = "metrics.json"
# UTC, to the second, and something that keeps two machines apart.
_PATTERN = r"\d{8}-\d{6}-[0-9a-f]{4}"
_VERSION = re.compile(_PATTERN)

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
        try:
            names = sorted(path.name for path in self._folder.iterdir() if _VERSION.fullmatch(path.name))
        except FileNotFoundError:
            return []
        return [self._version(name) for name in names]

    def folder(self, name: str) -> Path:
        """Return where a version is, or would be."""
        return self._folder / name

    def pointer(self) -> Pointer | None:
        """Return what serves; None before the first version. Cheap: one small file is read."""
        try:
            return Pointer.model_validate_json((self._folder / CURRENT).read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def current(self) -> str | None:
        """Return the name of the newest choice, which serves or is about to; None before the first version."""
        pointer = self.pointer()
        return pointer.version if pointer else None

    def serving_version(self) -> str | None:
        """Return the name of the version that serves now; None before the first. As cheap as pointer."""
        pointer = self.pointer()
        return pointer.serving_version() if pointer else None

    def current_version(self) -> Version | None:
        """Return the version of the newest choice; None before the first, or where it is gone."""
        name = self.current()
        return next((version for version in self.versions() if version.name == name), None)

    def fallbacks(self, name: str) -> list[Version]:
        """Return a version and, for when it cannot be loaded, the ones before it, newest first."""
        return [version for version in reversed(self.versions()) if version.name <= name]

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
            place_folder(aside, self._folder / name)
        self._point_to(name)
        self._prune()
        return self._version(name)

    def use(self, name: str) -> None:
        """Let a version serve; raises StoreError where there is none of that name."""
        self._check(name)
        self._point_to(name)

    def remove(self, name: str) -> None:
        """Delete a version; raises StoreError where there is none of that name or where it serves."""
        self._check(name)
        pointer = self.pointer()
        if pointer and name in (pointer.version, pointer.serving_version()):
            raise StoreError(f"{name}: it is the one that serves; let another serve first, with `use`")
        delete_folder(self._folder / name)

    def _version(self, name: str) -> Version:
        folder = self._folder / name
        try:
            metrics = json.loads((folder / METRICS).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            metrics = {}
        return Version(name, folder, metrics if isinstance(metrics, dict) else {})

    def _check(self, name: str) -> None:
        names = [version.name for version in self.versions()]
        if name not in names:
            raise StoreError(f"{name}: there is no such version in {self._folder}; there are: {names}")

    def _point_to(self, name: str) -> None:
        chosen = Pointer(version=name, before=self.serving_version(), since=time.time() + ACTIVATION_DELAY)
        with replaced_file(self._folder / CURRENT) as file:
            file.write_text(chosen.model_dump_json(), encoding="ascii")

    def _prune(self) -> None:
        pointer = self.pointer()
        needed = {pointer.version, pointer.before} if pointer else set()
        names = [version.name for version in self.versions()]
        spare = [name for name in names if name not in needed]
        for name in spare[: max(len(names) - self._keep, 0)] if self._keep is not None else ():
            delete_folder(self._folder / name)
        delete_leftovers(self._folder)


def project_store(models_folder: Path, project_id: int, keep: int | None = None) -> ModelStore:
    """Return where a project's versions are kept; see ModelStore."""
    return ModelStore(models_folder / str(project_id), keep)


def project_stores(models_folder: Path) -> dict[int, ModelStore]:
    """Return the stores of all projects that have one, by project."""
    numbers = sorted(int(path.name) for path in models_folder.glob("[0-9]*") if path.name.isdecimal())
    return {number: project_store(models_folder, number) for number in numbers}


def serving_versions(models_folder: Path) -> dict[int, str]:
    """Return the version that serves each project now."""
    serving = {project_id: store.serving_version() for project_id, store in project_stores(models_folder).items()}
    return {project_id: name for project_id, name in serving.items() if name is not None}
