"""The command ``predict``: writes predictions for a file of tasks."""
# ruff: noqa: PLC0415

import argparse
import json
from pathlib import Path
from typing import Any

from tqdm import tqdm

from huggingface_ner.commands.inputs import InputError, read_config, read_tasks, read_text, warn_of_labels
from huggingface_ner.commands.options import Commands, add_command, add_config, add_model
from huggingface_ner.settings import Settings

# The number of tasks in a batch; the progress bar moves after each batch.
TASKS_AT_A_TIME = 100


def add_predict(commands: Commands) -> None:
    """Add the command ``predict``."""
    parser = add_command(commands, predict, "Write a file of tasks with predictions, to import into Label Studio.")
    add_model(parser)
    add_config(parser)
    parser.add_argument("--tasks", type=Path, required=True, help="tasks as Label Studio imports or exports them")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")


def predict(options: argparse.Namespace, settings: Settings) -> None:
    """Write a file of tasks with predictions, to import into Label Studio."""
    from huggingface_ner.label_studio.model_class import load_model_class
    from huggingface_ner.model import HuggingFaceNER
    from huggingface_ner.store.files import replaced_file
    from huggingface_ner.tagging.loading import load_tagger
    from huggingface_ner.tagging.single_model import SingleModel

    model_class = load_model_class(settings.model_class, HuggingFaceNER)
    if not options.out.parent.is_dir():
        raise InputError(f"{options.out}: there is no folder {options.out.parent}; create it first")
    config = read_config(options.config)
    tasks = read_tasks(options.tasks)
    tagger = load_tagger(options.model, device=settings.device, preference=settings.engine_preference)
    warn_of_labels(tagger.labels, config)
    version = "_".join(options.model.resolve().name.split())
    model = model_class(
        label_config=read_text(options.config), settings=settings, models=SingleModel(version, tagger)
    )
    imported: list[dict[str, Any]] = []
    with tqdm(desc="predicting", unit="task", total=len(tasks), disable=None) as bar:
        for start in range(0, len(tasks), TASKS_AT_A_TIME):
            some = tasks[start : start + TASKS_AT_A_TIME]
            for task, prediction in zip(some, model.predict(some), strict=True):
                kept: dict[str, Any] = {key: task[key] for key in ("id", "data", "meta") if key in task}
                imported.append({**kept, "predictions": [prediction]})
            bar.update(len(some))
    written = json.dumps(imported, ensure_ascii=False, indent=1) + "\n"
    with replaced_file(options.out) as file:
        # UTF-8 cannot encode a lone surrogate, but JSON can have it as an escape
        file.write_bytes(written.encode("utf-8", "backslashreplace"))
    regions = sum(len(task["predictions"][0]["result"]) for task in imported)
    print(f"{options.out}: {regions} regions in {len(imported)} tasks")
