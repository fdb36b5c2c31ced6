"""Models, from folders or the Hub, to taggers."""

from pathlib import Path
from typing import TYPE_CHECKING

from tokenizers import Tokenizer

from huggingface_ner.engine_kinds import EnginePreference, Precision
from huggingface_ner.engines.choice import REQUESTED, EngineChoice, choose
from huggingface_ner.engines.errors import ModelError
from huggingface_ner.engines.hardware import resolve_device
from huggingface_ner.engines.onnx_engine import OnnxEngine
from huggingface_ner.engines.prepared import engine_folder, export_name, read_record, tokenizer_file
from huggingface_ner.engines.torch_engine import TorchEngine
from huggingface_ner.tagging.reading import Reading
from huggingface_ner.tagging.tagger import Tagger
from huggingface_ner.tagging.windows import Windower

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def load_tagger(
    name_or_path: str | Path, *, device: str = "auto", preference: EnginePreference | None = None
) -> Tagger:
    """Load a fine-tuned model from a folder or, by name, from the Hub or its local cache.

    device: "cpu", "cuda", or "auto" for CUDA if there is one.
    preference: which engine; of those that ``prepare_engine`` tried, else torch in float32.
    Raises ModelError for what is not a model, has no token-classification head or only a slow tokenizer.
    """
    preference = preference or EnginePreference()
    prepared = load_prepared(name_or_path, device, preference)
    if prepared is not None:
        return prepared
    choice = choose(preference, resolve_device(device), ())
    reason = "no other engine has been tried" if choice is None else choice.reason
    return load_torch_tagger(name_or_path, device, reason=reason)


def load_prepared(
    name_or_path: str | Path, device: str, preference: EnginePreference, prepared: Path | None = None
) -> Tagger | None:
    """Return a tagger with the engine that was prepared for this preference and this machine; None if none was.

    prepared: the folder that ``engine`` is in; the model's unless given. Raises ModelError.
    """
    folder = Path(name_or_path) if prepared is None else prepared
    record = read_record(folder)
    if record is None:
        return None
    choice = choose(preference, resolve_device(device), record.trials)
    if choice is None:
        return None
    if choice.kind.engine == "torch":
        return load_torch_tagger(name_or_path, device, choice.kind.precision, choice.reason)
    exported = engine_folder(folder) / export_name(choice.kind)
    if not exported.is_file():  # it was tried, but another was chosen then
        return None
    reading = Reading.of_record(record, ours=prepared is None)
    windower = Windower(
        Tokenizer.from_file(str(tokenizer_file(folder))), record.window_length, word_rules=reading.word_rules
    )
    engine = OnnxEngine(exported, choice.kind.precision, record.pad_id)
    return Tagger(reading.scheme(record.tags), windower, engine, choice)


def load_torch_tagger(
    name_or_path: str | Path, device: str, precision: Precision = "fp32", reason: str = REQUESTED
) -> Tagger:
    """Load a model as ``load_tagger`` does, to be run with PyTorch."""
    import torch  # noqa: PLC0415 - an ONNX engine serves without it
    from torch import nn  # noqa: PLC0415

    from huggingface_ner.engines.pretrained import head_is_missing, load_model, load_tokenizer  # noqa: PLC0415

    tokenizer = load_tokenizer(name_or_path)
    model, missing = load_model(name_or_path)
    if head_is_missing(model, missing):
        raise ModelError(
            f"{name_or_path}: it has no token-classification head, so it cannot predict; "
            "fine-tune it first: python -m huggingface_ner train"
        )
    nn.Module.to(model, torch.device(resolve_device(device)))
    return tagger_of_model(model, tokenizer, precision, reason)


def tagger_of_model(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    precision: Precision = "fp32",
    reason: str = REQUESTED,
) -> Tagger:
    """Return a tagger that runs a model with PyTorch, where it is; its weights become the precision's."""
    from huggingface_ner.engines.pretrained import tag_names, window_length  # noqa: PLC0415 - imports torch

    engine = TorchEngine(model, precision)
    reading = Reading.of_model(model)
    windower = Windower(tokenizer, window_length(model), word_rules=reading.word_rules)
    return Tagger(reading.scheme(tag_names(model)), windower, engine, EngineChoice(engine.kind, reason))
