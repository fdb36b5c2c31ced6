"""Writes files and folders completely or not at all, even if the process is killed or the power fails.

Everything is written under a temporary name beside its final place, synced to the disk, and renamed; then the
parent folder is synced too.
"""

import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# Prefix of the temporary names of files and folders that are being written or deleted; random digits follow.
ASIDE = ".new-"
_ASIDE_NAME = f"{ASIDE}{'[0-9a-f]' * 8}"
# Seconds after which a temporary file is considered left behind by a killed process.
STALE_AFTER = 24 * 3600.0


@contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write a file to; it replaces ``path`` unless the with block raises."""
    aside = _aside(path.parent)
    try:
        yield aside
        _sync(aside)
        aside.replace(path)
        _sync(path.parent)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def folder_aside(parent: Path) -> Iterator[Path]:
    """Yield a new temporary folder in ``parent``, and delete it afterwards unless it was renamed.

    ``parent`` is created if it is missing.
    """
    make_folder(parent)
    aside = _aside(parent)
    try:
        aside.mkdir()
        yield aside
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def place_folder(aside: Path, path: Path) -> None:
    """Rename a complete folder to ``path``, on the same volume, and replace any folder there.

    A folder at ``path`` is renamed first. If the process is killed between the two renames, nothing is at
    ``path``, and both folders are complete under temporary names.
    """
    for written in [*aside.rglob("*"), aside]:
        _sync(written)
    replaced = _aside(path.parent) if path.exists() else None
    if replaced is not None:
        path.rename(replaced)
    try:
        aside.rename(path)
    except BaseException:
        if replaced is not None:
            replaced.rename(path)
        raise
    _sync(path.parent)
    if replaced is not None:
        shutil.rmtree(replaced, ignore_errors=True)


def make_folder(path: Path) -> None:
    """Create a folder and its parents if they are missing, and sync them."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in missing:
        _sync(folder.parent)


def delete_folder(path: Path) -> None:
    """Delete a folder; it is renamed first, so that no reader sees a partly deleted folder."""
    aside = _aside(path.parent)
    path.rename(aside)
    shutil.rmtree(aside)


def delete_leftovers(parent: Path) -> None:
    """Delete the temporary files and folders in a folder that are older than STALE_AFTER."""
    for left in parent.glob(_ASIDE_NAME):
        # another process may delete it too, or it may be another user's
        with suppress(FileNotFoundError, PermissionError):
            if time.time() - left.stat().st_mtime > STALE_AFTER:
                if left.is_dir():
                    shutil.rmtree(left, ignore_errors=True)
                else:
                    left.unlink()


def _aside(parent: Path) -> Path:
    return parent / f"{ASIDE}{secrets.token_hex(4)}"


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
