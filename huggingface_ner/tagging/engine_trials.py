"""Tries engines on a model when the model is published or first served."""

import json
import logging
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from huggingface_ner.engine_kinds import EngineKind, EnginePreference
from huggingface_ner.engines.agreement import Trial, compare
from huggingface_ner.engines.choice import candidates, choose
from huggingface_ner.engines.engine import EngineSource
from huggingface_ner.engines.families import family_of
from huggingface_ner.engines.gpu_memory import GpuMemoryError
from huggingface_ner.engines.hardware import resolve_device
from huggingface_ner.engines.positions import window_length
from huggingface_ner.engines.prepared import Record, engine_folder, tokenizer_file, write_record
from huggingface_ner.engines.pretrained import padding_id, tag_names
from huggingface_ner.spans import AnnotatedText
from huggingface_ner.tagging.loading import load_fine_tuned, tagger_of_model
from huggingface_ner.tagging.reading import Reading
from huggingface_ner.tagging.sample_texts import SAMPLE_TEXTS

# If there are fewer annotated texts than this, engines are tried on the texts of sample_texts too.
MIN_SAMPLES = 50
MAX_ERROR_CHARACTERS = 300

logger = logging.getLogger(__name__)


def prepare_engine(
    model_folder: str | Path,
    samples: Sequence[AnnotatedText] = (),
    *,
    learned: Sequence[AnnotatedText] = (),
    preference: EnginePreference | None = None,
    device: str = "auto",
    into: Path | None = None,
) -> dict[str, object]:
    """Try engines on a model, write the files of the chosen one, and return the results for metrics.json.

    The chosen engine is the fastest one whose spans agree with those of PyTorch in float32.
    model_folder: the folder of a fine-tuned model that nobody serves yet. If ``into`` is given, it may be the name
    of a model in the local cache.
    samples: the held-out texts, with gold spans of the model's labels. learned: texts that the model was trained
    on. Engines in int8 measure the ranges of numbers on them or, if there are none, on SAMPLE_TEXTS.
    into: the folder in which to make the folder ``engine``; if None, the model's folder.
    This takes from a few seconds to a minute, so never call it in a request. Returns ``engine``, ``reason``,
    ``samples`` and ``trials``; an engine that cannot run the model is listed among the trials. Raises ModelError
    if ``model_folder`` is not a fine-tuned model, GpuMemoryError, and OSError.
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
    seen = [text.text for text in learned] or SAMPLE_TEXTS

    model, tokenizer = load_fine_tuned(model_folder, device)
    tags, window, pad_id = tag_names(model), window_length(model), padding_id(model)
    reading = Reading.of_model(model).saved()
    reference = tagger_of_model(model, tokenizer)
    fp32_spans = reference.find_spans(texts)
    trials: list[Trial] = []
    files: dict[EngineKind, Sequence[str]] = {}
    with TemporaryDirectory(prefix=".exports-", dir=place) as exports:
        windows = [window.input_ids for text in reference.prepare(seen) for window in text.windows]
        source = EngineSource(model_folder, device, pad_id, Path(exports), windows)
        while (choice := choose(preference, device, trials)) is None:
            tried = [trial.kind for trial in trials]
            kind = next(kind for kind in candidates(preference, device)[0] if kind not in tried)
            try:
                files[kind] = family_of(kind).prepare(kind, source)
                spans = reference.with_engine(family_of(kind).load(kind, source)).find_spans(texts)
                trials.append(compare(kind, spans, fp32_spans, gold))
            except GpuMemoryError:  # this says nothing about the kind, so it must not be recorded
                raise
            except Exception as error:  # exporters may raise any exception for a model's code
                logger.debug("%s of %s failed", kind, model_folder, exc_info=True)
                trials.append(Trial(kind, error=_reason(error)))
            logger.info("%s: %s", model_folder, trials[-1])
        for name in files.get(choice.kind, ()):
            (source.folder / name).replace(place / name)
    reference.save_tokenizer(tokenizer_file(folder))
    write_record(Record(tags=tags, window_length=window, pad_id=pad_id, trials=trials, reading=reading), folder)
    seconds = time.perf_counter() - started
    logger.info("%s: %s is chosen after %.0f s: %s", model_folder, choice.kind, seconds, choice.reason)
    return {
        "engine": str(choice.kind),
        "reason": choice.reason,
        "samples": len(texts),
        "trials": [trial.as_dict() for trial in trials],
    }


def _reason(error: BaseException) -> str:
    """Return the first line of an error's first cause: exporters wrap it in advice to their own developers."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:MAX_ERROR_CHARACTERS]


def main() -> None:
    """Prepare an engine at low CPU priority; the options are in the only argument, a JSON object."""
    arguments = json.loads(sys.argv[1])
    os.nice(arguments["niceness"])
    preference = EnginePreference(**arguments.pop("preference"))
    into = Path(arguments.pop("into"))
    prepare_engine(arguments["model_folder"], preference=preference, device=arguments["device"], into=into)


if __name__ == "__main__":
    main()
