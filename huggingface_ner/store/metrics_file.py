"""The file in a version's folder that says how the version was trained, how it scored and which engine it has."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_ner.store.damages import read_object
from huggingface_ner.store.files import replaced_file

METRICS = "metrics.json"


def write_metrics(folder: Path, metrics: Mapping[str, Any]) -> None:
    """Write a version's metrics into its folder, or replace them; raises OSError."""
    with replaced_file(folder / METRICS) as file:
        file.write_text(json.dumps(metrics, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def read_metrics(folder: Path) -> dict[str, Any]:
    """Return a version's metrics; if the file is damaged or missing, log this and return {}."""
    consequence = "its scores are unknown; the version itself can be used"
    return read_object(folder / METRICS, consequence, is_optional=False)
