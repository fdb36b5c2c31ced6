"""Ways of predicting with one model, each in a separate process, so that none is slowed by another's memory."""

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import pipeline

from bench.quiet import silence_libraries
from bench.unpadded import UnpaddedEngine
from huggingface_ner.engine_kinds import TORCH_FP32, EngineKind, EnginePreference, Precision
from huggingface_ner.engines import torch_engine
from huggingface_ner.engines.choice import candidates
from huggingface_ner.engines.engine import EngineSource
from huggingface_ner.engines.families import family_of
from huggingface_ner.spans import AnnotatedText, Span
from huggingface_ner.tagging.engine_trials import prepare_engine
from huggingface_ner.tagging.loading import load_fine_tuned, load_prepared, tagger_of_model

PIPELINE = "transformers pipeline"
ONE_BY_ONE = f"{PIPELINE}, one by one"
AUTO = "auto"
FP16 = EngineKind("torch", "fp16")
# The tokens in a batch on a GPU, besides the engine's own number.
BUDGETS = (4_096, 65_536)

Spans = list[list[Span]]
Tag = Callable[[Sequence[str]], Spans]
Timed = Callable[[list[str]], tuple[float, Spans]]
# A function that loads a way, and its arguments.
Maker = tuple[Callable[..., Tag], tuple[Any, ...]]


@contextmanager
def ways(model: Path, folder: Path, learned: Sequence[AnnotatedText], device: str) -> Iterator[dict[str, Timed]]:
    """Yield a function for each way, by the way's name, which tags texts and returns the seconds and the spans.

    folder: for exported models and the engine that auto chooses. learned: see prepare_engine. device: "cpu" or
    "cuda". If a way cannot run on the device, the reason is printed.
    """
    prepare_engine(model, device=device, into=folder, learned=learned)
    seen = [text.text for text in learned]
    chosen = load_prepared(model, device, EnginePreference(), folder)
    assert chosen is not None
    kinds = (TORCH_FP32, *candidates(EnginePreference(), device)[0])
    makers: dict[str, Maker] = {
        ONE_BY_ONE: (_pipeline, (model, device, 1, "float32")),
        f"{PIPELINE}, batches of 8": (_pipeline, (model, device, 8, "float32")),
        **{str(kind): (_engine, (model, device, kind, folder, seen)) for kind in kinds},
        **(_gpu_ways(model, folder) if device == "cuda" else {}),
        f"{AUTO}: {chosen.choice.kind}": (_auto, (model, device, folder)),
    }
    with ExitStack() as stack:
        timed: dict[str, Timed] = {}
        for name, maker in makers.items():
            process = stack.enter_context(ProcessPoolExecutor(1, multiprocessing.get_context("spawn")))
            tag = _in_process(process)
            try:
                process.submit(_start, *maker).result()
                tag(["Angela Merkel visited Paris."])  # so this way is loaded before the next one starts
            except Exception as error:
                print(f"{name}: it cannot run here: {type(error).__name__}: {error}", flush=True)
            else:
                timed[name] = tag
        yield timed


def _gpu_ways(model: Path, folder: Path) -> dict[str, Maker]:
    """Return ways that are compared only on a GPU."""
    half = f"{PIPELINE}, float16, batches of"
    return {
        **{f"{half} {batch}": (_pipeline, (model, "cuda", batch, "float16")) for batch in (8, 64)},
        "torch bf16": (_engine, (model, "cuda", EngineKind("torch", "bf16"), folder, ())),
        **{f"{FP16}, {budget} tokens": (_engine, (model, "cuda", FP16, folder, (), budget)) for budget in BUDGETS},
        f"{FP16}, unpadded": (_unpadded, (model, FP16.precision, torch_engine.TOKENS_PER_BATCH[1])),
    }


def _in_process(process: ProcessPoolExecutor) -> Timed:
    return lambda texts: process.submit(_timed, texts).result()


_tag: list[Tag] = []


def _start(make: Callable[..., Tag], arguments: Sequence[Any]) -> None:
    silence_libraries()
    _tag.append(make(*arguments))


def _timed(texts: list[str]) -> tuple[float, Spans]:
    started = time.perf_counter()
    spans = _tag[0](texts)
    return time.perf_counter() - started, spans


def _pipeline(model: Path, device: str, batch: int, dtype: str) -> Tag:
    tags: Callable[..., Any] = pipeline(
        "token-classification",
        model=str(model),
        aggregation_strategy="simple",
        device=device,
        dtype=getattr(torch, dtype),
    )

    def tag(texts: Sequence[str]) -> Spans:
        found = [tags(text) for text in texts] if batch == 1 else tags(list(texts), batch_size=batch)
        return [[Span(e["start"], e["end"], e["entity_group"]) for e in entities] for entities in found]

    return tag


def _engine(
    model: Path, device: str, kind: EngineKind, folder: Path, seen: Sequence[str], budget: int | None = None
) -> Tag:
    if budget is not None:
        torch_engine.TOKENS_PER_BATCH = (budget, budget)
    trained, tokenizer = load_fine_tuned(model, device)
    tagger = tagger_of_model(trained, tokenizer)
    if kind == TORCH_FP32:
        return tagger.find_spans
    windows = [window.input_ids for text in tagger.prepare(seen) for window in text.windows]
    source = EngineSource(model, device, trained.config.pad_token_id or 0, folder, windows)
    family_of(kind).prepare(kind, source)
    return tagger.with_engine(family_of(kind).load(kind, source)).find_spans


def _unpadded(model: Path, precision: Precision, budget: int) -> Tag:
    trained, tokenizer = load_fine_tuned(model, "cuda")
    tagger = tagger_of_model(trained, tokenizer)
    return tagger.with_engine(UnpaddedEngine(trained, precision, budget)).find_spans


def _auto(model: Path, device: str, folder: Path) -> Tag:
    tagger = load_prepared(model, device, EnginePreference(), folder)
    assert tagger is not None
    return tagger.find_spans
