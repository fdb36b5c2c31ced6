"""Prepared engines, which are kept beside a model and loaded from there.

Engines are tried when a model has been published or is first served. The folder ``engine`` in a model's folder has
``engine.json`` (the trials, and what a tagger must know about the model), the tokenizer, and the files of the
chosen engine. With these, an engine of OpenVINO or ONNX Runtime serves without PyTorch.
"""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from huggingface_ner.engines.agreement import Trial

ENGINE = "engine"
_RECORD = "engine.json"
_TOKENIZER = "tokenizer.json"


class Record(BaseModel, frozen=True):
    """The contents of ``engine.json``: the trials, and the model's tags, window length and padding token.

    reading: how the tags are read, see tagging.reading; None in records of older versions, which did not store it.
    """

    tags: list[str]
    window_length: int
    pad_id: int
    trials: list[Trial]
    reading: dict[str, Any] | None = None


def engine_folder(folder: Path) -> Path:
    """Return the folder, inside a model's folder, in which its engine is kept."""
    return folder / ENGINE


def tokenizer_file(folder: Path) -> Path:
    """Return the file in which an engine's tokenizer is kept."""
    return engine_folder(folder) / _TOKENIZER


def write_record(record: Record, folder: Path) -> None:
    """Write a record to ``engine.json``, from which ``read_record`` reads it."""
    (engine_folder(folder) / _RECORD).write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")


def is_tried(folder: Path) -> bool:
    """Return whether engines were tried on the model in a folder."""
    return read_record(folder) is not None


def read_record(folder: Path) -> Record | None:
    """Return the record of the engines' trials; None if no engine was tried, or the record is damaged."""
    try:
        return Record.model_validate_json((engine_folder(folder) / _RECORD).read_bytes())
    except (OSError, ValidationError):
        return None
