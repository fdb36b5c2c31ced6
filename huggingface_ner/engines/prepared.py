"""Engines that are kept beside a model: tried when it is published or first served, then loaded from there.

The folder ``engine`` in a model's folder has ``engine.json`` (what was tried, and what a tagger must know of the
model), the tokenizer, and the files of the chosen engine: one of ONNX Runtime is served without PyTorch.
"""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from huggingface_ner.engines.agreement import Trial

_RECORD = "engine.json"
_TOKENIZER = "tokenizer.json"


class Record(BaseModel, frozen=True):
    """What ``engine.json`` says: the trials, and the model's tags, window length and padding token.

    reading: how the tags are read, see tagging.reading; None in records from before it was kept.
    """

    tags: list[str]
    window_length: int
    pad_id: int
    trials: list[Trial]
    reading: dict[str, Any] | None = None


def engine_folder(folder: Path) -> Path:
    """Return the folder, in a model's, in which its engine is kept."""
    return folder / "engine"


def tokenizer_file(folder: Path) -> Path:
    """Return the file in which an engine's tokenizer is kept."""
    return engine_folder(folder) / _TOKENIZER


def write_record(record: Record, folder: Path) -> None:
    """Write what ``read_record`` reads."""
    (engine_folder(folder) / _RECORD).write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")


def read_record(folder: Path) -> Record | None:
    """Return what was found when engines were tried; None if none were, or the record is damaged."""
    try:
        return Record.model_validate_json((engine_folder(folder) / _RECORD).read_bytes())
    except (OSError, ValidationError):
        return None
