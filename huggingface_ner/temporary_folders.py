"""Temporary folders, which are deleted even if their process is killed: the next process deletes them.

The folders contain texts of tasks. A folder in use is locked. A pid in the folder's name would not show whether it
is in use: if a container is started again, its new process often has the pid of the killed one.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import gettempdir, mkdtemp


@contextmanager
def temporary_folder(prefix: str) -> Iterator[Path]:
    """Yield a new folder whose name begins with ``prefix``, and delete it afterwards.

    Folders with this prefix that killed processes have left behind are deleted first.
    """
    delete_leftover_folders(prefix)
    folder, lock = _locked_folder(prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def delete_leftover_folders(prefix: str) -> None:
    """Delete the temporary folders whose names begin with ``prefix``, except those that a process has locked."""
    for folder in Path(gettempdir()).glob(f"{prefix}*"):
        # another process uses the folder or has deleted it, or another user owns it
        with suppress(OSError):
            lock = _lock(folder)
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def _locked_folder(prefix: str) -> tuple[Path, int]:
    while True:
        folder = Path(mkdtemp(prefix=prefix))
        with suppress(FileNotFoundError, BlockingIOError):  # another process took it for a leftover first
            lock = _lock(folder)
            if folder.exists():
                return folder, lock
            os.close(lock)


def _lock(folder: Path) -> int:
    """Return a file descriptor that locks the folder until it is closed; raises BlockingIOError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(handle)
        raise
    return handle
