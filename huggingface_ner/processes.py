"""Processes that end when their parent does, even if the parent is killed."""

import os
import signal
import threading
import time
from collections.abc import Callable

# Environment variable with the pid of a process's parent; the process ends when the parent does.
END_WITH_PARENT = "HUGGINGFACE_NER_END_WITH_PARENT"
POLL_INTERVAL = 0.5


def end_with_parent(end: Callable[[], object], parent: int) -> None:
    """Watch the parent in a thread, and call ``end`` when it has ended, even if it ended before this call."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(POLL_INTERVAL)
        end()

    threading.Thread(target=watch, name="watch-parent", daemon=True).start()


def end_with_parent_if_requested() -> None:
    """Send this process SIGTERM when its parent ends, if the parent has set END_WITH_PARENT."""
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
