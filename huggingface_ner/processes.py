"""Processes that end with the one that started them, also where that was killed and could not say so."""

import os
import signal
import threading
import time
from collections.abc import Callable

# The number of the process that a child is to end with.
END_WITH_PARENT = "HUGGINGFACE_NER_END_WITH_PARENT"
POLL_INTERVAL = 0.5


def end_with_parent(end: Callable[[], object], parent: int) -> None:
    """Watch this process's parent in a thread, and call ``end`` once it is gone; it may be gone already."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(POLL_INTERVAL)
        end()

    threading.Thread(target=watch, name="watch-parent", daemon=True).start()


def end_with_parent_if_asked() -> None:
    """Do so where the parent left its number in the environment; then SIGTERM ends this process."""
    parent = os.environ.pop(END_WITH_PARENT, None)
    if parent is not None:
        end_with_parent(lambda: os.kill(os.getpid(), signal.SIGTERM), int(parent))


def is_running(pid: int) -> bool:
    """Whether there is a process with this number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
