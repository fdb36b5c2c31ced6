"""Reads the files that users pass to commands: labelling configs, tasks and annotated tasks."""
# ruff: noqa: PLC0415

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_ner.errors import HuggingFaceNERError
from huggingface_ner.settings import Settings

if TYPE_CHECKING:
    from huggingface_ner.label_studio.labeling_config import LabelingConfig
    from huggingface_ner.left_out import LeftOut
    from huggingface_ner.spans import AnnotatedText


logger = logging.getLogger(__name__)


class InputError(HuggingFaceNERError):
    """A file from the command line cannot be used; the message names it and says what is needed."""


def read_config(path: Path) -> "LabelingConfig":
    """Read a labelling config; raises InputError and OSError."""
    from huggingface_ner.label_studio.labeling_config import LabelingConfigError, parse_labeling_config

    try:
        return parse_labeling_config(read_text(path))
    except LabelingConfigError as error:
        raise InputError(f"{path}: {error}") from error


def read_text(path: Path) -> str:
    """Read a text file; raises InputError and OSError."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not valid UTF-8: {error}") from error


def read_tasks(path: Path) -> list[dict[str, Any]]:
    """Read tasks, each with its ``data``; raises InputError and OSError."""
    try:
        tasks = json.loads(read_text(path))
    except ValueError as error:
        raise InputError(f"{path}: not valid JSON: {error}") from error
    except RecursionError as error:
        raise InputError(f"{path}: nested too deeply") from error
    if not isinstance(tasks, list):
        raise InputError(f"{path}: not a list of tasks; export them from Label Studio as JSON")
    odd = next((number for number, task in enumerate(tasks, start=1) if not isinstance(task, dict)), None)
    if odd is not None:
        raise InputError(f"{path}: number {odd} of the list is not a task; export tasks from Label Studio as JSON")
    # Label Studio also imports tasks that consist of their data only
    return [task if "data" in task else {"data": task} for task in tasks]


def read_annotated_tasks(
    path: Path, config: "LabelingConfig", settings: Settings, left_out: "LeftOut"
) -> list["AnnotatedText"]:
    """Read the texts of annotated tasks; raises InputError and OSError.

    It is also an InputError if the file has no such texts.
    left_out: counts the regions and tasks that are not used; see read_gold.
    """
    from huggingface_ner.label_studio.gold import read_gold
    from huggingface_ner.label_studio.tasks import task_reader

    gold = list(read_gold(read_tasks(path), config, task_reader(settings), left_out))
    if not gold:
        raise InputError(
            f"{path}: no task has a text that can be read and an annotation that is not cancelled; "
            "annotate some tasks and export them as JSON"
        )
    return gold


def warn_of_labels(labels: Sequence[str], config: "LabelingConfig") -> None:
    """Log which labels of the config a model with these labels never suggests."""
    from huggingface_ner.label_studio.label_matching import match_labels

    match = match_labels(labels, config)
    if not match.is_complete:
        logger.warning("%s", match)
