"""Versions to export, with a secret in every place where a project's texts could be."""

import json
import shutil
from pathlib import Path
from typing import Any

from huggingface_ner.store.mistakes_file import write_mistakes
from huggingface_ner.store.versions import Version, project_store

SECRET = "Erika Mustermann, geboren 1964"
METRICS: dict[str, Any] = {
    "precision": 0.8,
    "recall": 2 / 3,
    "f1": 8 / 11,
    "correct": 40,
    "predicted": 50,
    "gold": 60,
    "labels": {
        "PER": {"correct": 30, "predicted": 40, "gold": 40},
        "LOC": {"correct": 10, "predicted": 10, "gold": 20},
    },
    "label_names": ["LOC", "PER", "NEW"],
    "label_spans": {"PER": 200, "LOC": 90, "NEW": 0},
    "tasks": 120,
    "trained": 96,
    "held_out": 24,
    "spans": 290,
    "baseline": "dslim/bert-base-NER",
    "baseline_source": "hub",
    "settings": {"learning_rate": 0.001, "num_train_epochs": 10.0, "weight_decay": 0.01, "seed": 0},
    "data_hash": "00",
    "left_out": {"summary": SECRET},
}


def publish(models_folder: Path, model: Path, project: int = 7, **metrics: Any) -> Version:
    """Publish a model as a version, with a text of the project in each file that may quote one."""

    def write(folder: Path) -> None:
        shutil.copytree(model, folder, dirs_exist_ok=True)
        write_mistakes(folder, {"kinds": [{"examples": [{"text": SECRET}]}]})
        (folder / "mentions.json").write_text(json.dumps([SECRET]))
        (folder / "engine").mkdir(exist_ok=True)
        (folder / "engine" / "engine.json").write_text(json.dumps(SECRET))

    return project_store(models_folder, project).publish(write, {**METRICS, **metrics})


def read(version: Version) -> dict[str, Any]:
    """Return the config of a version's model."""
    config: dict[str, Any] = json.loads((version.folder / "config.json").read_bytes())
    return config


def change_config(version: Version, **fields: Any) -> None:
    """Change fields of a version's config; fields that are None are removed."""
    config = {name: value for name, value in {**read(version), **fields}.items() if value is not None}
    (version.folder / "config.json").write_text(json.dumps(config))
