"""The file that says which of a project's tasks are held out, and which were learned from.

It belongs to the project, not to a version, because each task keeps its part from one version to the next.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from huggingface_ner.store.damages import damages
from huggingface_ner.store.files import make_folder, replaced_file

SPLIT = "split.json"
# Upper bound on the tasks in a range: more than any project has, so that a damaged file does not fill the memory.
MAX_TASKS = 10_000_000


@dataclass(frozen=True, slots=True)
class Split:
    """The parts of a project's tasks, by task id; no task is in both.

    held_out: the tasks that no version learns from, so that versions can be scored on them. learned: the tasks
    that some version has learned from. Tasks that no training has seen are in neither; deleted tasks stay.
    since: "" if ``learned`` covers all versions. Otherwise, it was not known which tasks earlier versions had
    learned from, and a new split was begun. ``since`` is the version that was current then; ``learned`` lacks the
    tasks of this version and of earlier ones.
    """

    held_out: frozenset[str] = frozenset()
    learned: frozenset[str] = frozenset()
    since: str = ""


def read_split(folder: Path) -> Split | None:
    """Return a project's split, or None if there is none; if the file is damaged, log this and return None."""
    path = folder / SPLIT
    try:
        content = json.loads(path.read_bytes())
        held_out = frozenset(_read_ids(content["held_out"]))
        split = Split(held_out, frozenset(_read_ids(content["learned"])) - held_out, str(content["since"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        what = f"{path} cannot be read ({error!r}): the next version is published without a comparison"
        damages.found(path, what)
        return None
    damages.repaired(path)
    return split


def write_split(folder: Path, split: Split) -> None:
    """Replace a project's split; raises OSError."""
    make_folder(folder)
    content = {
        "held_out": list(_write_ids(split.held_out)),
        "learned": list(_write_ids(split.learned)),
        "since": split.since,
    }
    with replaced_file(folder / SPLIT) as file:
        file.write_text(json.dumps(content) + "\n", encoding="ascii")


def _write_ids(ids: Iterable[str]) -> Iterator[object]:
    """Yield ids in a short form: [first, last] for consecutive numbers, and strings for all other ids."""
    numbers = sorted(int(one) for one in ids if _is_number(one))
    for _, run in groupby(enumerate(numbers), key=lambda placed: placed[1] - placed[0]):
        ends = [number for _, number in run]
        yield [ends[0], ends[-1]]
    yield from sorted(one for one in ids if not _is_number(one))


def _read_ids(content: Iterable[object]) -> Iterator[str]:
    for one in content:
        if isinstance(one, str):
            yield one
        elif isinstance(one, list):
            first, last = one
            if last - first >= MAX_TASKS:
                raise ValueError(f"{one} are more than {MAX_TASKS} tasks")
            yield from map(str, range(first, last + 1))
        else:
            raise TypeError(f"{one!r} is not a valid entry")


def _is_number(task_id: str) -> bool:
    """Return whether an id is a number as Label Studio writes it, so that reading it gives the same id."""
    return task_id.isascii() and task_id.isdecimal() and len(task_id) < 19 and str(int(task_id)) == task_id
