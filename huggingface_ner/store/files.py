"""Files and folders that are there whole or not at all, whatever is killed and whenever the power fails.

What is written goes to a new name beside its place, is synced to the disk, and is renamed into place; then the
folder that holds the name is synced too.
"""

import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# Names of what is being written or deleted begin so.
ASIDE = ".new-"
# Seconds after which something aside is taken for what a killed process left.
STALE_AFTER = 24 * 3600.0


@contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """Give the name of a file to write, which replaces ``path`` at the end unless an exception was raised."""
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
    """Give a new, empty folder in ``parent``, which is made too; it is deleted unless it was renamed meanwhile."""
    make_folder(parent)
    aside = _aside(parent)
    try:
        aside.mkdir()
        yield aside
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def place_folder(aside: Path, path: Path) -> None:
    """Move a complete folder to ``path``, in the same parent; what is there already is deleted.

    A kill at the worst moment leaves nothing at ``path``, and both folders aside; never a mixture of the two.
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
    """Make a folder and those above it, if they are missing."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in missing:
        _sync(folder.parent)


def delete_folder(path: Path) -> None:
    """Delete a folder; it is renamed first, so that nobody sees half of it."""
    aside = _aside(path.parent)
    path.rename(aside)
    shutil.rmtree(aside)


def delete_leftovers(parent: Path) -> None:
    """Delete what killed processes left aside in a folder more than STALE_AFTER ago."""
    for left in parent.glob(f"{ASIDE}*"):
        with suppress(FileNotFoundError):  # somebody else deletes it
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
