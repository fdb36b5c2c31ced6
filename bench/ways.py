"""Ways of predicting with one model, each in a separate process, so that none is slowed by another's memory."""

import logging
import multiprocessing
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from transformers import pipeline
from transformers.utils import logging as transformers_logging

from huggingface_ner.engine_kinds import TORCH_FP32, EngineKind, EnginePreference
from huggingface_ner.engines.choice import candidates
from huggingface_ner.engines.engine import EngineSource
from huggingface_ner.engines.families import family_of
from huggingface_ner.spans import AnnotatedText, Span
from huggingface_ner.tagging.engine_trials import prepare_engine
from huggingface_ner.tagging.loading import load_fine_tuned, load_prepared, tagger_of_model

ONE_BY_ONE, IN_BATCHES = "transformers pipeline, one by one", "transformers pipeline, batches of 8"
AUTO = "auto"

Spans = list[list[Span]]
Tag = Callable[[Sequence[str]], Spans]
Timed = Callable[[list[str]], tuple[float, Spans]]


@contextmanager
def ways(model: Path, folder: Path, learned: Sequence[AnnotatedText]) -> Iterator[dict[str, Timed]]:
    """Yield a function for each way, by the way's name, which tags texts and returns the seconds and the spans.

    folder: for exported models and the engine that auto chooses. learned: see prepare_engine.
    """
    prepare_engine(model, device="cpu", into=folder, learned=learned)
    seen = [text.text for text in learned]
    chosen = load_prepared(model, "cpu", EnginePreference(), folder)
    assert chosen is not None
    makers: dict[str, tuple[Callable[..., Tag], tuple[Any, ...]]] = {
        ONE_BY_ONE: (_pipeline, (model, 1)),
        IN_BATCHES: (_pipeline, (model, 8)),
        str(TORCH_FP32): (_engine, (model, TORCH_FP32, folder, seen)),
        **{str(kind): (_engine, (model, kind, folder, seen)) for kind in candidates(EnginePreference(), "cpu")[0]},
        f"{AUTO}: {chosen.choice.kind}": (_auto, (model, folder)),
    }
    with ExitStack() as stack:
        timed: dict[str, Timed] = {}
        for name, (make, arguments) in makers.items():
            process = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _start, (make, arguments))
            timed[name] = _in_process(stack.enter_context(process))
            timed[name](["Angela Merkel visited Paris."])  # so this way is loaded before the next one starts
        yield timed


def _in_process(process: ProcessPoolExecutor) -> Timed:
    return lambda texts: process.submit(_timed, texts).result()


_tag: list[Tag] = []


def _start(make: Callable[..., Tag], arguments: Sequence[Any]) -> None:
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    _tag.append(make(*arguments))


def _timed(texts: list[str]) -> tuple[float, Spans]:
    started = time.perf_counter()
    spans = _tag[0](texts)
    return time.perf_counter() - started, spans


def _pipeline(model: Path, batch: int) -> Tag:
    tags: Callable[..., Any] = pipeline(
        "token-classification", model=str(model), aggregation_strategy="simple", device="cpu"
    )

    def tag(texts: Sequence[str]) -> Spans:
        found = [tags(text) for text in texts] if batch == 1 else tags(list(texts), batch_size=batch)
        return [[Span(e["start"], e["end"], e["entity_group"]) for e in entities] for entities in found]

    return tag


def _engine(model: Path, kind: EngineKind, folder: Path, seen: Sequence[str]) -> Tag:
    trained, tokenizer = load_fine_tuned(model, "cpu")
    tagger = tagger_of_model(trained, tokenizer)
    if kind == TORCH_FP32:
        return tagger.find_spans
    windows = [window.input_ids for text in tagger.prepare(seen) for window in text.windows]
    source = EngineSource(model, "cpu", trained.config.pad_token_id or 0, folder, windows)
    family_of(kind).prepare(kind, source)
    return tagger.with_engine(family_of(kind).load(kind, source)).find_spans


def _auto(model: Path, folder: Path) -> Tag:
    tagger = load_prepared(model, "cpu", EnginePreference(), folder)
    assert tagger is not None
    return tagger.find_spans
