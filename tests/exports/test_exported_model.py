import io
import json
import zipfile
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from huggingface_ner.engine_kinds import EnginePreference
from huggingface_ner.engines.prepared import engine_folder
from huggingface_ner.exports.exported_model import (
    ExportError,
    exported_files,
    onnx_files,
    write_folder,
    write_zip,
    zip_pieces,
)
from huggingface_ner.exports.model_card import CardOptions
from huggingface_ner.exports.pipeline_code import pipeline_code
from huggingface_ner.store.versions import Version
from huggingface_ner.tagging.engine_trials import prepare_engine
from huggingface_ner.tagging.loading import load_tagger, load_torch_tagger
from tests.exports.versions import SECRET, change_config, publish, read
from tests.tiny_models import TEXTS

OPTIONS = CardOptions("me/model", "apache-2.0", ("de",))


@pytest.fixture
def version(tiny_bert: Path, tmp_path: Path) -> Version:
    return publish(tmp_path / "models", tiny_bert)


def _content(files: dict[str, Path | bytes]) -> dict[str, bytes]:
    return {name: one if isinstance(one, bytes) else one.read_bytes() for name, one in files.items()}


def test_it_is_a_model_with_a_card_and_nothing_else(version: Version, tmp_path: Path) -> None:
    files = exported_files(version, OPTIONS)
    expected = {"model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json", "README.md"}
    assert set(files) == expected | set(pipeline_code())
    write_folder(files, tmp_path / "out")
    written = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert written == _content(files)
    assert ModelCard.load(tmp_path / "out" / "README.md").data.to_dict()["license"] == "apache-2.0"
    spans = load_torch_tagger(version.folder, "cpu").find_spans(TEXTS)
    assert load_tagger(tmp_path / "out", device="cpu").find_spans(TEXTS) == spans, (
        "the exported model can be a baseline"
    )


@pytest.mark.parametrize("path", ["/home/anna/private-model", "anna/private-model", "private-model"])
def test_no_text_of_the_project_and_no_path_of_the_machine_is_in_it(version: Version, path: str) -> None:
    change_config(version, _name_or_path=path)
    tokenizer = version.folder / "tokenizer_config.json"
    tokenizer.write_text(json.dumps({**json.loads(tokenizer.read_bytes()), "name_or_path": path}))
    assert any(SECRET in path.read_text() for path in version.folder.rglob("*.json"))
    archive = b"".join(zip_pieces(exported_files(version, OPTIONS), "model"))
    for secret in (SECRET, path, "mistakes"):
        assert secret.encode() not in archive


def test_a_zip_file_has_the_same_files_in_a_folder(version: Version, tmp_path: Path) -> None:
    files = exported_files(version, OPTIONS)
    write_zip(files, tmp_path / "model.zip", "model")
    with zipfile.ZipFile(tmp_path / "model.zip") as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == {
            f"model/{name}": content for name, content in _content(files).items()
        }
    assert (tmp_path / "model.zip").read_bytes() == b"".join(zip_pieces(files, "model")), (
        "the archive is reproducible"
    )


def test_a_large_file_is_sent_in_pieces(tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(bytes(5 << 20))
    pieces = list(zip_pieces({"large": large, "small": b"1"}, "x"))
    assert max(map(len, pieces)) < 2 << 20
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as archive:
        assert archive.read("x/large") == large.read_bytes()


def test_a_folder_that_is_not_a_model_is_not_replaced(version: Version, tmp_path: Path) -> None:
    files = exported_files(version, OPTIONS)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(FileExistsError, match="not a model"):
        write_folder(files, tmp_path / "mine")
    write_folder(files, tmp_path / "out")
    write_folder(files, tmp_path / "out")
    assert (tmp_path / "mine" / "thesis.txt").exists()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("config.json", b"{", "not valid JSON"),
        ("config.json", b"[]", "not a JSON object"),
        ("tokenizer_config.json", b"\xff", "not valid JSON"),
        ("model.safetensors", None, "no .*safetensors"),
    ],
)
def test_a_damaged_version_is_refused(version: Version, name: str, content: bytes | None, reason: str) -> None:
    if content is None:
        (version.folder / name).unlink()
    else:
        (version.folder / name).write_bytes(content)
    with pytest.raises(ExportError, match=reason):
        exported_files(version, OPTIONS)


def test_the_versions_own_config_is_not_changed(version: Version) -> None:
    before = read(version)
    exported_files(version, OPTIONS)
    assert read(version) == before
    assert "custom_pipelines" not in before


@pytest.mark.parametrize("has_one", [True, False])
def test_the_onnx_engine_is_exported_or_made(
    version: Version, has_one: bool, tmp_path: Path, all_is_fast: None
) -> None:
    if has_one:
        prepare_engine(version.folder, preference=EnginePreference("onnx", "fp32", 0.95), device="cpu")
    files = onnx_files(version, EnginePreference("auto", "fp32", 0.95), tmp_path / "made")
    assert any(name.endswith(".onnx") for name in files)
    assert all(path.is_relative_to(version.folder) == has_one for path in files.values())
    write_folder({**exported_files(version, OPTIONS), **files}, tmp_path / "out")
    tagger = load_tagger(tmp_path / "out", device="cpu", preference=EnginePreference("onnx", "fp32", 0.95))
    assert tagger.choice.kind.engine == "onnx"
    assert tagger.find_spans(TEXTS) == load_torch_tagger(version.folder, "cpu").find_spans(TEXTS)
    assert SECRET not in "".join(path.read_text() for path in (tmp_path / "out" / "engine").glob("engine.json"))


def test_an_onnx_engine_in_another_precision_is_not_exported(
    version: Version, tmp_path: Path, all_is_fast: None
) -> None:
    place = engine_folder(version.folder)
    for name in ("model.int8.onnx", "model.static.int8.onnx"):  # the first one is from release 0.1.0
        (place / name).write_bytes(b"")
    files = onnx_files(version, EnginePreference(), tmp_path / "made")
    assert sorted(files) == ["engine/engine.json", "engine/model.fp32.onnx", "engine/tokenizer.json"]
