"""Trying engines on a model, when it is published or first served."""

import json
import logging
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import nn
from transformers import PreTrainedModel

from huggingface_ner.engine_kinds import EngineKind, EnginePreference
from huggingface_ner.engines.agreement import Trial, compare
from huggingface_ner.engines.choice import candidates, choose
from huggingface_ner.engines.engine import Engine
from huggingface_ner.engines.hardware import resolve_device
from huggingface_ner.engines.onnx_engine import OnnxEngine, export, quantize
from huggingface_ner.engines.prepared import Record, engine_folder, export_name, tokenizer_file, write_record
from huggingface_ner.engines.pretrained import load_model, tag_names, window_length
from huggingface_ner.engines.torch_engine import TorchEngine
from huggingface_ner.spans import AnnotatedText
from huggingface_ner.tagging.loading import load_torch_tagger
from huggingface_ner.tagging.reading import Reading
from huggingface_ner.tagging.sample_texts import SAMPLE_TEXTS

# So many annotated texts are enough to judge by; fewer are joined by those of sample_texts.
MIN_SAMPLES = 50
MAX_ERROR_CHARACTERS = 300

logger = logging.getLogger(__name__)


def prepare_engine(
    model_folder: str | Path,
    samples: Sequence[AnnotatedText] = (),
    *,
    preference: EnginePreference | None = None,
    device: str = "auto",
    into: Path | None = None,
) -> dict[str, object]:
    """Try engines on a model, write what the best that agrees needs, and return what was found for metrics.json.

    model_folder: a fine-tuned model that nobody serves yet; or a name in the local cache, with ``into``.
    samples: texts with gold spans of the model's labels: those held out.
    into: the folder that ``engine`` goes into; the model's unless given.
    Takes seconds to a minute: never to be called in a request. Returns ``engine``, ``reason``, ``samples`` and
    ``trials``; an engine that cannot run the model is one of the trials. Raises ModelError for what is no
    fine-tuned model, OSError.
    """
    preference, device = preference or EnginePreference(), resolve_device(device)
    started = time.perf_counter()
    folder = Path(model_folder) if into is None else into
    place = engine_folder(folder)
    place.mkdir(parents=True, exist_ok=True)
    texts = [sample.text for sample in samples]
    if len(texts) < MIN_SAMPLES:
        texts += SAMPLE_TEXTS
    gold = [sample.spans for sample in samples]

    reference = load_torch_tagger(model_folder, device)
    fp32_spans = reference.find_spans(texts)
    trials: list[Trial] = []
    with TemporaryDirectory(prefix=".exports-", dir=place) as exports:
        while (choice := choose(preference, device, trials)) is None:
            tried = [trial.kind for trial in trials]
            kind = next(kind for kind in candidates(preference, device)[0] if kind not in tried)
            try:
                spans = reference.with_engine(make_engine(kind, model_folder, device, Path(exports))).find_spans(
                    texts
                )
                trials.append(compare(kind, spans, fp32_spans, gold))
            except Exception as error:  # exporters raise whatever they meet in a model's code
                logger.debug("%s of %s failed", kind, model_folder, exc_info=True)
                lines = str(error).strip().splitlines() or [type(error).__name__]
                trials.append(Trial(kind, error=lines[0][:MAX_ERROR_CHARACTERS]))
            logger.info("%s: %s", model_folder, trials[-1])
        if choice.kind.engine == "onnx":
            (Path(exports) / export_name(choice.kind)).replace(place / export_name(choice.kind))
    model = load_model(model_folder)[0]
    record = Record(
        tags=tag_names(model),
        window_length=window_length(model),
        pad_id=_pad_id(model),
        trials=trials,
        reading=Reading.of_model(model).saved(),
    )
    reference.save_tokenizer(tokenizer_file(folder))
    write_record(record, folder)
    seconds = time.perf_counter() - started
    logger.info("%s: %s is chosen, in %.0f s: %s", model_folder, choice.kind, seconds, choice.reason)
    return {
        "engine": str(choice.kind),
        "reason": choice.reason,
        "samples": len(texts),
        "trials": [trial.as_dict() for trial in trials],
    }


def make_engine(kind: EngineKind, model_folder: str | Path, device: str, exports: Path) -> Engine:
    """Return an engine with weights of its own, since some change them.

    exports: a folder that exports are written to, and kept in for the next kind. Raises whatever exporters meet.
    """
    model = load_model(model_folder)[0]
    if kind.engine == "torch":
        nn.Module.to(model, torch.device(device))
        return TorchEngine(model, kind.precision)
    fp32 = exports / export_name(EngineKind("onnx", "fp32"))
    if not fp32.exists():
        export(model, fp32)
    if kind.precision != "fp32":
        quantize(fp32, exports / export_name(kind), kind.precision)
    return OnnxEngine(exports / export_name(kind), kind.precision, _pad_id(model))


def _pad_id(model: PreTrainedModel) -> int:
    return model.config.pad_token_id or 0


def main() -> None:
    """Prepare an engine as the one argument says, a JSON object; in a process that yields to all others."""
    arguments = json.loads(sys.argv[1])
    os.nice(arguments["niceness"])
    preference = EnginePreference(*(arguments.pop(name) for name in ("engine", "precision", "min_agreement")))
    into = Path(arguments.pop("into"))
    prepare_engine(arguments["model_folder"], preference=preference, device=arguments["device"], into=into)


if __name__ == "__main__":
    main()
