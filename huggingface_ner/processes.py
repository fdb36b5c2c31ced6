"""Processes that end when their parent does, even if the parent is killed."""

import os
import signal
import threading
import time
from collections.abc import Callable

# Environment variable: the pid of the parent whose end ends this process.
END_WITH_PARENT = "HUGGINGFACE_NER_END_WITH_PARENT"
POLL_INTERVAL = 0.5


def end_with_parent(end: Callable[[], object], parent: int) -> None:
    """Watch the parent's pid in a thread, and call ``end`` when it is gone; it may be gone already."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(POLL_INTERVAL)
        end()

    threading.Thread(target=watch, name="watch-parent", daemon=True).start()


def end_with_parent_if_requested() -> None:
    """End this process by SIGTERM with its parent, if the parent set END_WITH_PARENT."""
    parent = os.environ.pop(END_WITH_PARENT, None)
    if parent is not None:
        end_with_parent(lambda: os.kill(os.getpid(), signal.SIGTERM), int(parent))


def is_running(pid: int) -> bool:
    """Return whether a process with this pid exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
