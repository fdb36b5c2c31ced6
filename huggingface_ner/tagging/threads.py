"""How many cores torch takes."""

import os

import torch


def share_cores(processes: int) -> None:
    """Give this process its share of the cores, so that several do not fight for them; OMP_NUM_THREADS wins."""
    if not os.environ.get("OMP_NUM_THREADS"):
        torch.set_num_threads(max(_available() // processes, 1))


def take_cores(threads: int | None) -> None:
    """Take so many cores; None: half of them, so that the server beside keeps the rest."""
    torch.set_num_threads(threads or max(_available() // 2, 1))


def _available() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
