"""The file in a version's folder with the mistakes of its model; see learning.mistakes.

Unlike metrics.json, it quotes a few texts of the project. It is read only when somebody looks at the mistakes.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_ner.store.damages import read_object

MISTAKES = "mistakes.json"


def write_mistakes(folder: Path, mistakes: Mapping[str, Any]) -> None:
    """Write a version's mistakes into its folder; raises OSError."""
    (folder / MISTAKES).write_text(json.dumps(mistakes) + "\n", encoding="ascii")


def read_mistakes(folder: Path) -> Mapping[str, Any]:
    """Return a version's mistakes, or {} if it has none; if the file is damaged, log this and return {}."""
    return read_object(folder / MISTAKES, "the mistakes of this version are not shown")
