"""Preparing engines for models that have none."""

import gc
import math
import os
import shutil
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from huggingface_ner.engine_kinds import EnginePreference
from huggingface_ner.serving import engine_preparer
from huggingface_ner.serving.engine_preparer import EnginePreparer, _Untried
from huggingface_ner.store.files import place_folder
from huggingface_ner.tagging.engine_trials import prepare_engine
from tests.tiny_models import save_tiny_model

ONNX = EnginePreference("onnx", "fp32")


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture
def preparers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[EnginePreparer]]:
    monkeypatch.setattr(engine_preparer, "NICENESS", 0)
    made = [EnginePreparer(tmp_path / "engines", ONNX, "cpu") for _ in range(2)]
    yield made
    for preparer in made:
        preparer.close()


def test_torch_serves_until_the_engine_is_there_and_all_processes_take_it(
    tiny_bert: Path, tmp_path: Path, preparers: list[EnginePreparer]
) -> None:
    taggers = [preparer.load(tiny_bert) for preparer in preparers]
    before = [tagger.find_spans(["Anna flew to Zürich."]) for tagger in taggers]
    assert [str(tagger.choice.kind) for tagger in taggers] == ["torch fp32"] * 2
    _until(lambda: {str(tagger.choice.kind) for tagger in taggers} == {"onnx fp32"})
    assert [tagger.find_spans(["Anna flew to Zürich."]) for tagger in taggers] == before
    assert not (tiny_bert / "engine").exists(), "nothing is written into folders of other models"
    (kept,) = [path for path in (tmp_path / "engines").iterdir() if path.is_dir()]
    assert (kept / "engine" / "model.fp32.onnx").is_file()
    assert str(preparers[0].load(tiny_bert).choice.kind) == "onnx fp32", "the next load uses it at once"


def test_what_a_worker_chose_is_taken_without_trials(
    tiny_bert: Path, tmp_path: Path, preparers: list[EnginePreparer], monkeypatch: pytest.MonkeyPatch
) -> None:
    version = shutil.copytree(tiny_bert, tmp_path / "version")
    monkeypatch.setattr(EnginePreparer, "_prepare", lambda *_: pytest.fail("the worker tries engines"))
    taggers = [preparer.load(version, time.time() + 600) for preparer in preparers]
    before = [tagger.find_spans(["Anna flew to Zürich."]) for tagger in taggers]
    assert [str(tagger.choice.kind) for tagger in taggers] == ["torch fp32"] * 2
    prepare_engine(version, preference=ONNX, device="cpu", into=tmp_path / "aside")
    place_folder(tmp_path / "aside" / "engine", version / "engine")
    _until(lambda: {str(tagger.choice.kind) for tagger in taggers} == {"onnx fp32"})
    assert [tagger.find_spans(["Anna flew to Zürich."]) for tagger in taggers] == before


def test_a_worker_that_chose_nothing_is_not_waited_for(
    tiny_bert: Path, tmp_path: Path, preparers: list[EnginePreparer]
) -> None:
    """The worker was killed, or its settings allow other engines than the server's settings."""
    version = shutil.copytree(tiny_bert, tmp_path / "version")
    killed = preparers[0].load(version, time.time() + 0.5)
    _until(lambda: str(killed.choice.kind) == "onnx fp32")
    other = shutil.copytree(tiny_bert, tmp_path / "other")
    prepare_engine(other, preference=EnginePreference("torch", "fp32"), device="cpu")
    tagger = preparers[1].load(other, time.time() + 3600)
    _until(lambda: str(tagger.choice.kind) == "onnx fp32")


def test_a_model_that_nothing_uses_any_more_is_let_go(tiny_bert: Path, preparers: list[EnginePreparer]) -> None:
    tagger = weakref.ref(preparers[0].load(tiny_bert, time.time() + 3600))

    def is_freed() -> bool:
        gc.collect()
        return tagger() is None

    _until(is_freed)
    assert preparers[0]._settle(_Untried(tagger, tiny_bert, tiny_bert, math.inf))


def test_another_model_in_the_same_folder_is_another_engine(
    tmp_path: Path, preparers: list[EnginePreparer]
) -> None:
    folder = save_tiny_model(tmp_path / "model", "bert")
    before = preparers[0]._place(folder)
    assert preparers[1]._place(folder) == before
    save_tiny_model(folder, "bert", ("O", "B-X", "I-X"))
    assert preparers[0]._place(folder) != before
    assert preparers[0]._place("no such/name or folder") is None


def test_where_nothing_can_be_written_torch_serves(
    tiny_bert: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    preparer = EnginePreparer(tmp_path / "file" / "engines", ONNX, "cpu")
    tagger = preparer.load(tiny_bert)
    _until(lambda: "; torch fp32 stays in use" in caplog.text)
    assert str(tagger.choice.kind) == "torch fp32"
    preparer.close()


def test_those_prepared_last_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_preparer, "MAX_KEPT", 2)
    preparer = EnginePreparer(tmp_path, ONNX, "cpu")
    for age, name in enumerate("abc"):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    preparer._prune()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_each_place_is_looked_into_once(tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Path] = []
    monkeypatch.setattr(engine_preparer, "load_prepared", lambda *arguments: looked.append(arguments[-1]))
    preparer = EnginePreparer(tmp_path, EnginePreference("torch", "fp32"), "cpu")
    assert str(preparer.load(tiny_bert).choice.kind) == "torch fp32"
    assert looked == [tiny_bert, preparer._place(tiny_bert)]
