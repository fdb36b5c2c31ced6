"""How many cores torch takes."""

import os

import torch


def share_cores(processes: int) -> None:
    """Give this process its share of the cores, so that several do not fight for them; OMP_NUM_THREADS wins."""
    if not os.environ.get("OMP_NUM_THREADS"):
        available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        torch.set_num_threads(max(available // processes, 1))
