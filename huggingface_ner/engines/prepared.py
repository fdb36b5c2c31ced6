"""Engines beside a model: tried when it is published or first served, and loaded from then on.

The folder ``engine`` in a model's folder has ``engine.json`` (what was tried, and what a tagger must know of the
model), and where ONNX Runtime was chosen the export and the tokenizer: such a model is served without PyTorch.
"""

from pathlib import Path

from pydantic import BaseModel, ValidationError
from tokenizers import Tokenizer

from huggingface_ner.engine_kinds import EngineKind, EnginePreference
from huggingface_ner.engines.agreement import Trial
from huggingface_ner.engines.choice import choose
from huggingface_ner.engines.hardware import resolve_device
from huggingface_ner.engines.onnx_engine import OnnxEngine
from huggingface_ner.tagging.decoding import TagScheme
from huggingface_ner.tagging.tagger import Tagger
from huggingface_ner.tagging.windows import Windower

_RECORD = "engine.json"
_TOKENIZER = "tokenizer.json"


class Record(BaseModel, frozen=True):
    """What ``engine.json`` says: the trials, and the model's tags, window length and padding token."""

    tags: list[str]
    window_length: int
    pad_id: int
    trials: list[Trial]


def engine_folder(folder: Path) -> Path:
    """Return where an engine is kept in a folder."""
    return folder / "engine"


def export_name(kind: EngineKind) -> str:
    """Return the name of an export's file."""
    return f"model.{kind.precision}.onnx"


def write_record(record: Record, tagger: Tagger, folder: Path) -> None:
    """Write what ``load_prepared`` reads, apart from the export; the tagger is any of the model's."""
    place = engine_folder(folder)
    tagger.save_tokenizer(place / _TOKENIZER)
    (place / _RECORD).write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")


def load_prepared(
    name_or_path: str | Path, device: str, preference: EnginePreference, prepared: Path | None = None
) -> Tagger | None:
    """Return a tagger with the engine that was prepared for this preference and this machine; None where none was.

    prepared: the folder that ``engine`` is in; the model's unless given. Raises ModelError.
    """
    place = engine_folder(Path(name_or_path) if prepared is None else prepared)
    try:
        record = Record.model_validate_json((place / _RECORD).read_bytes())
    except (OSError, ValidationError):
        return None
    choice = choose(preference, resolve_device(device), record.trials)
    if choice is None:
        return None
    if choice.kind.engine == "torch":
        return Tagger.load_torch(name_or_path, device, choice.kind.precision, choice.reason)
    exported = place / export_name(choice.kind)
    if not exported.is_file():  # it was tried, but another was chosen then
        return None
    windower = Windower(Tokenizer.from_file(str(place / _TOKENIZER)), record.window_length)
    engine = OnnxEngine(exported, choice.kind.precision, record.pad_id)
    return Tagger(TagScheme.from_names(record.tags), windower, engine, choice)
