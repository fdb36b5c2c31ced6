"""This release serves a model that release 0.1.0 published, and the model's predictions are the same as then.

release_0_1_0/ is the MODEL_DIR that the code of that release wrote for a tiny model: it trained project 7 with
``train --project 7``, and wrote predictions.json with ``predict``.
"""

import json
import shutil
from pathlib import Path

import pytest

from huggingface_ner.model import HuggingFaceNER
from huggingface_ner.serving.served_models import ServedModels
from huggingface_ner.settings import Settings
from huggingface_ner.store.versions import project_store

RELEASE = Path(__file__).parent / "release_0_1_0"
CONFIG = (RELEASE / "config.xml").read_text(encoding="utf-8")
PREDICTED = json.loads((RELEASE / "predictions.json").read_text(encoding="utf-8"))
VERSION = PREDICTED[0]["predictions"][0]["model_version"]


@pytest.fixture
def settings(tmp_path: Path, tiny_bert: Path) -> Settings:
    shutil.copytree(RELEASE / "finetuned_model", tmp_path / "finetuned_model")
    return Settings(model_dir=tmp_path, baseline_model_name=str(tiny_bert), device="cpu")


def test_it_predicts_what_it_predicted_then(settings: Settings) -> None:
    models = ServedModels(settings)
    models.start()
    try:
        model = HuggingFaceNER(project_id="7", label_config=CONFIG, settings=settings, models=models)
        given = model.predict([{"id": task["id"], "data": task["data"]} for task in PREDICTED])
        assert models.passed_over() == {}
    finally:
        models.close()
    assert len(given) == len(PREDICTED)
    assert sum(len(prediction["result"]) for prediction in given) > 0
    for prediction, task in zip(given, PREDICTED, strict=True):
        (then,) = task["predictions"]
        assert prediction["model_version"] == VERSION
        assert prediction["score"] == pytest.approx(then["score"], abs=1e-4)
        now = [{**region["value"], "score": region["score"]} for region in prediction["result"]]
        assert now == [
            {**region["value"], "score": pytest.approx(region["score"], abs=1e-4)} for region in then["result"]
        ]


def test_its_scores_are_known(settings: Settings) -> None:
    store = project_store(settings.models_folder, 7)
    current = store.current_version()
    assert current is not None
    assert (current.name, current.metrics["f1"]) == (VERSION, pytest.approx(2 / 3))
    assert [entry.version for entry in store.history()] == [VERSION]
