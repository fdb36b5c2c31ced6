"""With the code snippet of its card, an exported model finds the same spans as the service."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import transformers
from transformers import dynamic_module_utils

from huggingface_ner.exports.entities import EntitiesPipeline
from huggingface_ner.exports.exported_model import exported_files, write_folder
from huggingface_ner.exports.model_card import CardOptions
from huggingface_ner.spans import Span
from huggingface_ner.store.versions import Version
from huggingface_ner.tagging.loading import load_torch_tagger
from huggingface_ner.tagging.sample_texts import SAMPLE_TEXTS
from huggingface_ner.tagging.tag_groups import TagGroups
from tests.exports.versions import change_config, publish
from tests.tiny_models import TEXTS, save_tiny_model

WEIGHTS = [[0.05, 0.11, -3.7], [-0.34, -0.53, 0.81], [0.0, -0.6, 0.28]]
HARD = (
    *TEXTS,
    "",
    " \n ",
    "😀😀 Barack Obama visited Zürich. 🇺🇸 ok",
    "Ankarada ve İstanbul'da, 500mg d'Oslo",
    "lone \ud800 surrogate in Lyon",
    " ".join(TEXTS * 40),
)


@pytest.fixture(scope="module", autouse=True)
def modules(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let transformers copy the code of models into one folder for all tests, and import it from there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path_factory.mktemp("modules")))
        patch.setattr(sys, "path", [*sys.path])
        yield
    # pytest may come back to this module after others, and Python would look for the code in the old folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "transformers_modules"]:
        del sys.modules[name]


def _export(version: Version, folder: Path) -> Path:
    write_folder(exported_files(version, CardOptions(folder.name)), folder)
    return folder


def _pipeline(folder: Path, **options: Any) -> Any:
    load: Any = transformers.pipeline
    return load("entities", model=str(folder), trust_remote_code=True, device="cpu", **options)


def _expected(version: Version, texts: list[str]) -> list[list[Span]]:
    return load_torch_tagger(version.folder, "cpu").find_spans(texts)


def _found(folder: Path, texts: list[str]) -> list[list[Span]]:
    find = _pipeline(folder)
    assert type(find).__module__.startswith("transformers_modules.")
    for text, entities in zip(texts, answers := find(texts), strict=True):
        assert [entity["word"] for entity in entities] == [text[e["start"] : e["end"]] for e in entities]
    return [[Span(e["start"], e["end"], e["entity_group"], e["score"]) for e in entities] for entities in answers]


def _check_same(version: Version, folder: Path, texts: list[str]) -> int:
    """Check that the service and the exported model give the same spans and scores; return the number of spans."""
    expected, found = _expected(version, texts), _found(folder, texts)
    assert found == expected
    scores = [[span.score for spans in each for span in spans] for each in (expected, found)]
    assert scores[1] == pytest.approx(scores[0], abs=1e-4)
    return len(scores[0])


def test_the_snippet_of_the_card_finds_what_the_service_finds(news_model: Path, tmp_path: Path) -> None:
    """The snippet runs unchanged, in a Python that cannot import this package."""
    version = publish(tmp_path / "models", news_model)
    folder = _export(version, tmp_path / "my-model")
    card = (folder / "README.md").read_text(encoding="utf-8")
    (snippet,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    (text,) = re.findall(r'find\("(.*)"\)', snippet)
    environment = {**os.environ, "HF_MODULES_CACHE": str(tmp_path / "modules")}
    environment.pop("PYTHONPATH", None)
    told = subprocess.run(
        [sys.executable, "-c", snippet], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    ).stdout
    spans = _expected(version, [text])[0]
    assert spans
    assert told.splitlines() == [
        f"{span.label} {text[span.start : span.end]} {span.start} {span.end} {round(span.score, 2)}"
        for span in spans
    ]


def test_a_trained_model_finds_the_same(
    news_model: Path, news_tasks: list[dict[str, Any]], tmp_path: Path
) -> None:
    version = publish(tmp_path / "models", news_model)
    texts = [task["data"]["text"] for task in news_tasks[:40]]
    assert _check_same(version, _export(version, tmp_path / "news"), [*texts, *SAMPLE_TEXTS, *HARD]) > 100


@pytest.mark.parametrize(
    "reading",
    [
        {},
        {"transitions": [WEIGHTS]},
        {"transitions": [WEIGHTS], "inner_borders": {"suffixes": ["da", "m"], "case_changes": True}},
        None,
    ],
)
def test_every_kind_of_model_and_reading_finds_the_same(
    tiny_model: Path, reading: dict[str, Any] | None, tmp_path: Path
) -> None:
    version = publish(tmp_path / "models", tiny_model)
    saved = None if reading is None else {"tag_scheme": "IOB2", "word_rules": 2, **reading}
    change_config(version, huggingface_ner=saved)
    folder = _export(version, tmp_path / f"model-{tiny_model.name}-{len(str(reading))}")
    assert _check_same(version, folder, [*HARD]) > 5
    if saved is None:  # a model of an older release keeps the word rules of that release
        assert json.loads((folder / "config.json").read_bytes())["huggingface_ner"]["word_rules"] == 1


def test_entities_of_several_groups_may_overlap(tmp_path: Path) -> None:
    groups = [["PER", "LOC"], ["PER"]]
    names = TagGroups.bio(groups).names
    version = publish(tmp_path / "models", save_tiny_model(tmp_path / "tiny", "bert", names))
    reading = {"tag_scheme": "IOB2", "word_rules": 2, "groups": groups, "transitions": [WEIGHTS, WEIGHTS]}
    change_config(version, huggingface_ner=reading)
    folder = _export(version, tmp_path / "model-groups")
    assert _check_same(version, folder, [*HARD]) > 5
    assert "2 groups of tags" in (folder / "README.md").read_text(encoding="utf-8")


def test_a_parameter_that_it_does_not_have_is_refused(news_model: Path, tmp_path: Path) -> None:
    version = publish(tmp_path / "models", news_model)
    folder = _export(version, tmp_path / "parameters")
    with pytest.raises(TypeError, match="aggregation_strategy: the pipeline has no such parameter"):
        _pipeline(folder, aggregation_strategy="first")
    assert type(_pipeline(folder)).__name__ == EntitiesPipeline.__name__
