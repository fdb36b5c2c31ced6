"""The file in a version's folder with the annotations to review; see learning.review.

It quotes texts of the project and contains the names of its annotators. It is read only when somebody looks at
these annotations.
"""

import json
from collections.abc import Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

from huggingface_ner.json_values import mapping, mappings
from huggingface_ner.store.damages import read_object
from huggingface_ner.store.files import replaced_file

REVIEW = "review.json"


def write_review(folder: Path, review: Mapping[str, Any]) -> None:
    """Write the annotations to review into a version's folder, or replace the file; raises OSError."""
    with replaced_file(folder / REVIEW) as file:
        file.write_text(json.dumps(review) + "\n", encoding="ascii")


def read_review(folder: Path) -> Mapping[str, Any]:
    """Return the annotations to review, or {} if there is no file; if it is damaged, log this and return {}."""
    return read_object(folder / REVIEW, "the annotations to review are not shown")


def tasks_to_review(review: Mapping[str, Any]) -> list[int]:
    """Return the ids of the tasks to review, each once, the most urgent first.

    Dubious annotations and disputed tasks alternate. Then come texts that are annotated in different ways, and
    then contradictory strings. Entries that cannot be read are left out.
    """
    dubious = [one.get("task") for one in mappings(review.get("dubious"))]
    disputed = [one.get("task") for one in mappings(mapping(review.get("agreement")).get("disputed"))]
    strings = mappings(mapping(review.get("contradictions")).get("strings"))
    texts = mappings(mapping(review.get("identical")).get("texts"))
    found = [task for pair in zip_longest(dubious, disputed) for task in pair]
    found += [task for text in texts for way in mappings(text.get("ways")) for task in _listed(way.get("tasks"))]
    found += [one.get("task") for string in strings for one in mappings(string.get("examples"))]
    ids = [int(task) for task in found if isinstance(task, str) and task.isascii() and task.isdecimal()]
    return list(dict.fromkeys(ids))


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
