"""Processes that end with the one that started them, also where that was killed and could not say so."""

import os
import signal
import threading
import time
from collections.abc import Callable

# Set for a child that is to end with its parent.
END_WITH_PARENT = "HUGGINGFACE_NER_END_WITH_PARENT"
SECONDS_BETWEEN_LOOKS = 0.5


def end_with_parent(end: Callable[[], object]) -> None:
    """Watch this process's parent in a thread, and call ``end`` once it is gone."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(SECONDS_BETWEEN_LOOKS)
        end()

    threading.Thread(target=watch, name="watch-parent", daemon=True).start()


def end_with_parent_if_asked() -> None:
    """Do so where the parent asked for it through the environment; then SIGTERM ends this process."""
    if os.environ.pop(END_WITH_PARENT, None):
        end_with_parent(lambda: os.kill(os.getpid(), signal.SIGTERM))
