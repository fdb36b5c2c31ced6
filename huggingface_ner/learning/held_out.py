"""Chooses the tasks to hold out of a training, so that models can be scored on tasks that they have not seen."""

import hashlib
from collections.abc import Collection, Set

from huggingface_ner.store.split_file import Split

# With fewer tasks, all are used for training.
MIN_TASKS_FOR_HELD_OUT = 20
MAX_HELD_OUT = 200
HELD_OUT_SHARE = 0.2


def divide(tasks: Set[str], before: Split, share: float, salt: str) -> Split:
    """Return the split of a project's tasks for its next training.

    A task that was held out stays held out, and a task that was learned stays learned. If too few tasks are held
    out, the missing ones are taken from the tasks that no training has seen, in the order of a hash. There is one
    exception: if more than half of the tasks are held out because others were deleted, some of them are learned
    from now on.

    tasks: the ids of all annotated tasks. before: the split of the last training. share: the share of the tasks to
    hold out, within [0, 1). It is rounded to whole tasks, at least one and at most MAX_HELD_OUT. With fewer than
    MIN_TASKS_FOR_HELD_OUT tasks, all tasks are learned, unless the project has held out some before.
    salt: it is hashed with each id, so that projects with the same ids hold out different tasks.
    """
    wanted = 0
    if share > 0 and (before.held_out or len(tasks) >= MIN_TASKS_FOR_HELD_OUT):
        wanted = _count(len(tasks), share)
    kept = _first(tasks & before.held_out, max(wanted, len(tasks) // 2) if wanted else 0, salt)
    new = _first(tasks - before.held_out - before.learned, max(wanted - len(kept), 0), salt)
    held_out = kept | new
    return Split((before.held_out - tasks) | held_out, before.learned | (tasks - held_out), before.since)


def held_out_once(tasks: Set[str], share: float) -> set[str]:
    """Return the tasks to hold out of a training that belongs to no project; see ``divide``."""
    return set(divide(tasks, Split(), share, "").held_out)


def split_by_id(tasks: Set[str]) -> Split:
    """Return the split of a project whose last version comes from a release that did not store splits.

    Up to release 0.2.0, a task was held out if the hash of its id, as a fraction, was below HELD_OUT_SHARE.
    All other tasks count as learned, because it is not known which of them are new.
    """
    by_hash = sorted(tasks, key=_fraction)
    chosen = sum(_fraction(task) < HELD_OUT_SHARE for task in tasks)
    held_out = frozenset(by_hash[: min(max(chosen, 1), MAX_HELD_OUT)])
    return Split(held_out, frozenset(tasks) - held_out)


def _count(tasks: int, share: float) -> int:
    return min(max(round(share * tasks), 1), MAX_HELD_OUT, max(tasks - 1, 0))


def _first(tasks: Collection[str], count: int, salt: str) -> frozenset[str]:
    return frozenset(sorted(tasks, key=lambda task: (_digest(f"{salt}\n{task}"), task))[:count])


def _fraction(task_id: str) -> float:
    return int.from_bytes(_digest(task_id)[:8]) / 2**64


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
