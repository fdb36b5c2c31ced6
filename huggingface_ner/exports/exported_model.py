"""Exports a version as the files of a Hugging Face model, into a folder or a zip file.

Only files that transformers needs are exported. Files that quote the project's texts (mistakes.json) or are about
this service (metrics.json, the engines) are not, except the ONNX engine if it is requested.
"""

import io
import json
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from huggingface_ner.engine_kinds import ROUNDED, EnginePreference, Precision
from huggingface_ner.engines.onnx_engine import export_name
from huggingface_ner.engines.prepared import engine_folder
from huggingface_ner.errors import HuggingFaceNERError
from huggingface_ner.exports.model_card import CardOptions, model_card
from huggingface_ner.exports.pipeline_code import CUSTOM_PIPELINES, pipeline_code
from huggingface_ner.store.files import delete_leftovers, folder_aside, place_folder, replaced_file
from huggingface_ner.store.versions import Version
from huggingface_ner.tagging.reading import CONFIG_KEY, Reading

CONFIG, CARD = "config.json", "README.md"
TOKENIZER_CONFIG = "tokenizer_config.json"
# The files of a model's weights and of its tokenizer, as transformers names them.
_KEPT = (
    *("*.safetensors", "*.safetensors.index.json", "tokenizer.json", "special_tokens_map.json"),
    *("added_tokens.json", "vocab.json", "vocab.txt", "merges.txt", "*.model"),
)
# Fields of the configs that may contain paths of this machine; transformers sets them when it loads a model.
_PATHS = ("_name_or_path", "name_or_path")
_PIECE = 1 << 20

# Name of each file in the exported model -> its content, or the path of a file with this content.
Files = Mapping[str, Path | bytes]


class ExportError(HuggingFaceNERError):
    """A version cannot be exported; the message says why, and what to do."""


def exported_files(version: Version, options: CardOptions) -> dict[str, Path | bytes]:
    """Return a version's files as a Hugging Face model; nothing is computed. Raises ExportError and OSError."""
    config = _read_object(version.folder / CONFIG)
    reading = Reading.of_saved(config.get(CONFIG_KEY), version.name, ours=True)
    weights = sorted(path for pattern in _KEPT for path in version.folder.glob(pattern))
    if not any(path.suffix == ".safetensors" for path in weights):
        raise ExportError(f"{version.folder}: it has no *.safetensors, so the version is damaged; use another one")
    config |= {CONFIG_KEY: reading.saved(), "custom_pipelines": CUSTOM_PIPELINES}
    tokenizer_config = _read_object(version.folder / TOKENIZER_CONFIG)
    return {
        **{path.name: path for path in weights},
        CONFIG: _json(config),
        TOKENIZER_CONFIG: _json(tokenizer_config),
        **pipeline_code(),
        CARD: model_card(version.metrics, len(reading.groups or [()]), options).encode(),
    }


def onnx_files(version: Version, preference: EnginePreference, into: Path) -> dict[str, Path]:
    """Return the files of a version's ONNX engine; if the version has none in this precision, make the files now.

    Making them can take a minute. They are in float32 unless int8 is requested, because the project's texts, on
    which ranges for int8 should be measured, are not at hand. preference: which precision to use, and which
    agreement to demand. into: the folder for files that are made. Raises ExportError if no ONNX engine agrees with
    the model.
    """
    from huggingface_ner.tagging.engine_trials import prepare_engine  # noqa: PLC0415 - it imports torch

    folder, reason = version.folder, ""
    precision: Literal["int8", "fp32"] = "int8" if preference.precision == "int8" else "fp32"
    if not _onnx_files_in(folder, precision):
        wanted = replace(preference, engine="onnx", precision=precision)
        reason = str(prepare_engine(folder, preference=wanted, device="cpu", into=into)["reason"])
        folder = into
    if not _onnx_files_in(folder, precision):
        raise ExportError(f"{version.name}: there is no ONNX engine for it: {reason}; export it without --onnx")
    kept = [*_onnx_files_in(folder, precision), *engine_folder(folder).glob("*.json")]
    return {f"{engine_folder(folder).name}/{path.name}": path for path in sorted(kept)}


def write_folder(files: Files, folder: Path) -> None:
    """Write a model into a new folder, or replace a folder that is a model; raises FileExistsError and OSError."""
    if folder.exists() and not (folder / CONFIG).is_file() and (folder.is_file() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} exists and is not a model; choose a new folder")
    delete_leftovers(folder.parent)
    with folder_aside(folder.parent) as aside:
        for name, content in files.items():
            path = aside / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                path.write_bytes(content)
            else:
                shutil.copyfile(content, path)
        place_folder(aside, folder)


def write_zip(files: Files, path: Path, folder: str) -> None:
    """Write a model into a zip file, in which all files are in one folder; raises OSError."""
    delete_leftovers(path.parent)
    with replaced_file(path) as aside, aside.open("wb") as file:
        for piece in zip_pieces(files, folder):
            file.write(piece)


def zip_pieces(files: Files, folder: str) -> Iterator[bytes]:
    """Yield a zip file, in which all files are in one folder, piece by piece; this needs little memory.

    Nothing is compressed, because weights cannot be. Raises OSError, also between pieces.
    """
    written = _Written()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            # without dates, the same version always gives the same file
            entry = zipfile.ZipInfo(f"{folder}/{name}")
            entry.external_attr = 0o644 << 16
            source = io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")
            with source, archive.open(entry, "w", force_zip64=True) as target:
                while piece := source.read(_PIECE):
                    target.write(piece)
                    yield written.take()
    yield written.take()


class _Written(io.RawIOBase):
    """Collects written bytes until they are taken."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: Any) -> int:
        """Keep a piece; return its size."""
        self._pieces.append(bytes(data))
        return len(self._pieces[-1])

    def take(self) -> bytes:
        """Return the bytes that were written since the last call."""
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


def _onnx_files_in(folder: Path, precision: Literal["int8", "fp32"]) -> list[Path]:
    precisions: tuple[Precision, ...] = ROUNDED if precision == "int8" else (precision,)
    paths = [engine_folder(folder) / export_name(each) for each in precisions]
    return [path for path in paths if path.is_file()]


def _read_object(path: Path) -> dict[str, Any]:
    """Read a JSON object, without the fields that may contain paths; raises ExportError and OSError."""
    try:
        value = json.loads(path.read_bytes())
    except ValueError as error:
        raise ExportError(f"{path}: not valid JSON ({error}): the version is damaged; use another one") from error
    if not isinstance(value, dict):
        raise ExportError(f"{path}: not a JSON object: the version is damaged; use another one")
    return {name: field for name, field in value.items() if name not in _PATHS}


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode()
