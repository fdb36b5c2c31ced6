"""The command ``predict``: tasks to a file of predictions."""
# ruff: noqa: PLC0415

import argparse
import json
from pathlib import Path
from typing import Any

from tqdm import tqdm

from huggingface_ner.commands.inputs import read_config, read_tasks
from huggingface_ner.commands.options import Commands, add_command, add_config, add_model
from huggingface_ner.settings import Settings

# Texts are tagged so many at a time, which is how often a progress bar moves.
TEXTS_AT_A_TIME = 100


def add_predict(commands: Commands) -> None:
    """Add the command ``predict``."""
    parser = add_command(commands, predict, "Write tasks with predictions, a file that Label Studio imports.")
    add_model(parser)
    add_config(parser)
    parser.add_argument("--tasks", type=Path, required=True, help="tasks as Label Studio imports or exports them")
    parser.add_argument("--out", type=Path, required=True, help="file to write, JSON")


def predict(options: argparse.Namespace, settings: Settings) -> None:
    """Write a file of tasks with predictions that Label Studio imports."""
    from huggingface_ner.label_studio.predictions import predict_tasks
    from huggingface_ner.label_studio.tasks import task_reader
    from huggingface_ner.tagging.tagger import Tagger

    config = read_config(options.config)
    tasks = read_tasks(options.tasks)
    tagger = Tagger.load(options.model, device=settings.device, preference=settings.engine_preference)
    reader = task_reader(settings)
    names = config.match_labels(tagger.labels)
    version = "_".join(options.model.resolve().name.split())
    imported: list[dict[str, Any]] = []
    with tqdm(desc="predicting", unit="task", total=len(tasks), disable=None) as bar:
        for start in range(0, len(tasks), TEXTS_AT_A_TIME):
            some = tasks[start : start + TEXTS_AT_A_TIME]
            predictions = predict_tasks(some, config, names, reader, tagger.tag)
            for task, prediction in zip(some, predictions, strict=True):
                kept: dict[str, Any] = {key: task[key] for key in ("id", "data", "meta") if key in task}
                imported.append({**kept, "predictions": [{**prediction, "model_version": version}]})
            bar.update(len(some))
    options.out.write_text(json.dumps(imported, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    regions = sum(len(task["predictions"][0]["result"]) for task in imported)
    print(f"{options.out}: {regions} regions in {len(imported)} tasks")
