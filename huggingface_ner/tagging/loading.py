"""Loads taggers from model folders or from the Hub."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from tokenizers import Tokenizer

from huggingface_ner.engine_kinds import EnginePreference
from huggingface_ner.engines.choice import REQUESTED, EngineChoice, choose
from huggingface_ner.engines.engine import EngineSource
from huggingface_ner.engines.errors import ModelError
from huggingface_ner.engines.families import family_of
from huggingface_ner.engines.gpu_memory import gpu_memory_for
from huggingface_ner.engines.hardware import resolve_device
from huggingface_ner.engines.prepared import engine_folder, read_record, tokenizer_file
from huggingface_ner.engines.torch_engine import TorchEngine
from huggingface_ner.errors import HuggingFaceNERError
from huggingface_ner.tagging.reading import Reading
from huggingface_ner.tagging.tagger import Tagger

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

logger = logging.getLogger(__name__)


def load_tagger(
    name_or_path: str | Path, *, device: str = "auto", preference: EnginePreference | None = None
) -> Tagger:
    """Load a fine-tuned model from a folder or, by name, from the Hub or its local cache.

    device: "cpu", "cuda" or "auto", which means CUDA if there is a GPU and the CPU if not.
    preference: which of the engines that ``prepare_engine`` tried may be used. If it tried none, PyTorch in
    float32 is used.
    Raises ModelError if ``name_or_path`` is not a model, has no token-classification head, or has only a slow
    tokenizer, and GpuMemoryError if the GPU's memory is too small.
    """
    preference = preference or EnginePreference()
    prepared = load_prepared(name_or_path, device, preference, Path(name_or_path))
    return load_unprepared(name_or_path, device, preference) if prepared is None else prepared


def load_unprepared(name_or_path: str | Path, device: str, preference: EnginePreference) -> Tagger:
    """Load a model that no engine was prepared for, to be run with PyTorch in float32; see ``load_tagger``."""
    choice = choose(preference, resolve_device(device), ())
    reason = "no other engine has been tried" if choice is None else choice.reason
    return load_torch_tagger(name_or_path, device, reason=reason)


def load_prepared(
    name_or_path: str | Path, device: str, preference: EnginePreference, folder: Path
) -> Tagger | None:
    """Return a tagger with the engine that was prepared for this preference and this machine; None if none was.

    folder: the folder that contains the folder ``engine``. If the engine's files are missing, damaged or unknown
    to its library, it counts as not prepared. Raises ModelError.
    """
    device = resolve_device(device)
    record = read_record(folder)
    choice = choose(preference, device, record.trials) if record else None
    if record is None or choice is None:
        return None
    source = EngineSource(name_or_path, device, record.pad_id, engine_folder(folder))
    try:
        engine = family_of(choice.kind).load(choice.kind, source)
        tokenizer = Tokenizer.from_file(str(tokenizer_file(folder)))
    except FileNotFoundError:  # this kind was tried, but only the files of another kind were kept
        return None
    except HuggingFaceNERError:
        raise
    except Exception as error:  # each library raises its own exceptions for files that it cannot read
        # OpenVINO names the cause in the last line
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        logger.warning("%s: its %s engine cannot be loaded: %s", engine_folder(folder), choice.kind, reason)
        return None
    reading = Reading.of_saved(record.reading, "engine.json", ours=folder == Path(name_or_path))
    windower = reading.windower(tokenizer, record.window_length)
    return Tagger(reading.tag_groups(record.tags), windower, engine, choice)


def load_torch_tagger(name_or_path: str | Path, device: str, reason: str = REQUESTED) -> Tagger:
    """Load a model as ``load_tagger`` does, to be run with PyTorch in float32."""
    return tagger_of_model(*load_fine_tuned(name_or_path, device), reason=reason)


def load_fine_tuned(name_or_path: str | Path, device: str) -> "tuple[PreTrainedModel, PreTrainedTokenizerBase]":
    """Load a model onto a device, and load its tokenizer; raises ModelError as ``load_tagger`` does."""
    import torch  # noqa: PLC0415 - other engines serve without it

    from huggingface_ner.engines.pretrained import head_is_missing, load_model, load_tokenizer  # noqa: PLC0415

    tokenizer = load_tokenizer(name_or_path)
    model, missing = load_model(name_or_path)
    if head_is_missing(model, missing):
        raise ModelError(
            f"{name_or_path}: it has no token-classification head, so it cannot predict; "
            "fine-tune it first: python -m huggingface_ner train"
        )
    with gpu_memory_for(f"load {name_or_path}"):
        torch.nn.Module.to(model, torch.device(resolve_device(device)))
    return model, tokenizer


def tagger_of_model(
    model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", reason: str = REQUESTED
) -> Tagger:
    """Return a tagger that runs a model with PyTorch on the model's device; converts its weights to float32."""
    from huggingface_ner.engines.positions import window_length  # noqa: PLC0415 - it imports torch
    from huggingface_ner.engines.pretrained import tag_names  # noqa: PLC0415 - it imports torch

    engine = TorchEngine(model)
    reading = Reading.of_model(model)
    windower = reading.windower(tokenizer, window_length(model))
    return Tagger(reading.tag_groups(tag_names(model)), windower, engine, EngineChoice(engine.kind, reason))
