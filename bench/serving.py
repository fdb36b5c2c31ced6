"""Measure the speed and the F1 of each way of predicting, side by side in one run.

    python -m bench.serving [--model FOLDER] [--corpus CORPUS] [--documents CORPUS] [--device cuda]

--model: the folder of a fine-tuned model. By default, the packaged encoder is trained on the corpus first. "base"
makes a randomly initialised model of BERT-base's size and trains it for a few steps, to measure only speed.
CORPUS: a folder with train.jsonl and test.jsonl, whose lines are {"id", "text", "spans": [{"start", "end",
"label"}]}; default: the texts of examples/news. Prints the device's name, throughput and milliseconds (p50, p95,
p99), F1 against the gold spans, agreement with float32, and ratios of speeds.
"""

import argparse
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import torch

from bench.corpus import read_corpus
from bench.devices import add_device, device_name, gpu_megabytes
from bench.memory import families, megabytes
from bench.models import base_encoder
from bench.quiet import silence_libraries
from bench.server import server
from bench.ways import AUTO, ONE_BY_ONE, PIPELINE, Spans, Timed, ways
from huggingface_ner.engine_kinds import TORCH_FP32
from huggingface_ner.engines.pretrained import packaged_encoder
from huggingface_ner.learning.fine_tuning import Hyperparameters, fine_tune
from huggingface_ner.scores import evaluate
from huggingface_ner.spans import AnnotatedText
from huggingface_ner.store.model_folder import save_model
from huggingface_ner.tagging.engine_trials import prepare_engine
from huggingface_ner.tagging.loading import load_tagger

SINGLE_TASKS = 150
CLIENTS = 8
BULK = 2_500
# The number of training texts on which engines in int8 measure ranges, as in a training.
LEARNED = 300
ROUNDS = 3


def main() -> None:
    """Measure each way of predicting and print speeds, F1 and memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help='folder of a fine-tuned model, or "base"')
    parser.add_argument("--corpus", type=Path, help="default: examples/news")
    parser.add_argument("--documents", type=Path, help="a second corpus, of long texts, for the engines")
    parser.add_argument(
        "--texts", type=int, default=1000, help="number of texts that the engines tag (default: %(default)s)"
    )
    parser.add_argument(
        "--piped", type=int, default=200, help="number of these that the pipelines tag (default: %(default)s)"
    )
    parser.add_argument("--train", type=int, default=2000, help="number of training texts (default: %(default)s)")
    parser.add_argument(
        "--memory", type=int, default=20_000, help="predictions during which memory is measured; 0: none"
    )
    add_device(parser)
    options = parser.parse_args()
    print(device_name(options.device), flush=True)
    silence_libraries()

    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        texts = read_corpus(options.corpus, "test")
        model = _model(options.model, options.corpus, options.train, Path(folder), options.device)
        ratios: dict[str, float] = {}
        learned = read_corpus(options.corpus, "train")[:LEARNED]
        with ways(model, Path(folder), learned, options.device) as timed:
            _engines("texts", texts[: options.texts], options.piped, timed, ratios)
            if options.documents is not None:
                documents = read_corpus(options.documents, "test")
                _engines("documents", documents[:100], 20, timed, ratios)
        _service(texts, model, learned, ratios, options.memory, options.device)
    print()
    for name, ratio in ratios.items():
        print(f"{name:64} {ratio:6.2f} x")


def _model(name: str | None, corpus: Path | None, size: int, folder: Path, device: str) -> Path:
    if name not in (None, "base"):
        return Path(str(name))
    examples = read_corpus(corpus, "train")
    random.Random(0).shuffle(examples)
    labels = sorted({span.label for text in examples for span in text.spans})
    encoder = packaged_encoder()
    if name == "base":
        examples = examples[:40]
        encoder = base_encoder(folder / "base")
    # the base model is trained for 375 steps in any case, which is enough to find some spans
    parameters = Hyperparameters(1e-3, 3, repetitions=1)
    trained = fine_tune(examples[:size], labels, encoder, parameters, match_labels=lambda _: {}, device=device)
    save_model(*trained, folder / "model")
    return folder / "model"


def _engines(
    what: str, corpus: Sequence[AnnotatedText], piped: int, timed: dict[str, Timed], ratios: dict[str, float]
) -> None:
    texts, gold = [text.text for text in corpus], [text.spans for text in corpus]
    best = dict.fromkeys(timed, 0.0)
    found: dict[str, Spans] = {}
    for _ in range(ROUNDS):  # they take turns, because the speed of a shared machine changes within minutes
        for name, tag in timed.items():
            some = texts[:piped] if name.startswith(PIPELINE) else texts
            seconds, found[name] = tag(some)
            best[name] = max(best[name], len(some) / seconds)
    characters = sum(map(len, texts)) / len(texts)
    print(f"\n{what}: {len(texts)}, {characters:.0f} characters each; {torch.get_num_threads()} threads")
    print(f"{'':42} {'texts/s':>8} {'F1':>7} {'agreement':>9}")
    reference = found[str(TORCH_FP32)]
    for name, spans in found.items():
        number = len(spans)
        f1, agreement = (evaluate(each[:number], spans).overall.f1 for each in (gold, reference))
        print(f"{name:42} {best[name]:8.1f} {f1:7.4f} {agreement:9.4f}", flush=True)
        if not name.startswith(PIPELINE):
            ratios[f"{name} over the pipeline one by one, {what}"] = best[name] / best[ONE_BY_ONE]
        if name.startswith(AUTO):
            fastest = max(speed for other, speed in best.items() if other.startswith(PIPELINE))
            ratios[f"{name} over the fastest pipeline, {what}"] = best[name] / fastest


def _service(
    corpus: Sequence[AnnotatedText],
    model: Path,
    learned: Sequence[AnnotatedText],
    ratios: dict[str, float],
    memory: int,
    device: str,
) -> None:
    """Measure a server of the model over HTTP, without a cache, because texts are requested several times."""
    prepare_engine(model, device=device, learned=learned)
    texts = [text.text for text in corpus]
    many = [texts[number % len(texts)] for number in range(BULK)]
    tagger = load_tagger(model, device=device)
    tagger.find_spans(texts[:8])
    labels = "".join(f'<Label value="{label}"/>' for label in tagger.labels)
    config = f'<View><Labels name="l" toName="t">{labels}</Labels><Text name="t" value="$text"/></View>'
    with server(model, CACHED_SPANS="0", DEVICE=device) as (client, _):
        ask = client(config)
        ask(many[:8])
        print(f"\n{'over HTTP, one server process':42} {'texts/s':>8} {'p50':>7} {'p95':>7} {'p99':>7} ms")
        for name, requests in (
            ("one request of 2,500", [many] * ROUNDS),
            ("batches of 100", [many[start : start + 100] for start in range(0, BULK, 100)]),
        ):
            inside, over_http = _taking_turns(tagger.tag, client(config), requests)
            number = sum(map(len, requests))
            _show(f"{name}: the engine in process", number / sum(inside), [])
            _show(f"{name}: over HTTP", number / sum(over_http), over_http)
            ratios[f"{name} over its engine in process"] = sum(inside) / sum(over_http)
        singles = [[text] for text in many[:SINGLE_TASKS]]
        idle: list[float] = []
        together: list[float] = []
        seconds = dict.fromkeys((1, CLIENTS), 0.0)
        for _ in range(ROUNDS):
            for clients, times in ((1, idle), (CLIENTS, together)):
                speed, some = _clients(lambda: client(config), singles, clients)
                seconds[clients] += SINGLE_TASKS / speed
                times.extend(some)
        alone, shared = (ROUNDS * SINGLE_TASKS / taken for taken in seconds.values())
        _show("1 client, one task each", alone, idle)
        _show(f"{CLIENTS} clients, one task each", shared, together)
        ratios[f"{CLIENTS} clients over one, single tasks"] = shared / alone
        running = threading.Event()
        busy = threading.Thread(target=_until_set, args=(client(config), many, running))
        busy.start()
        time.sleep(0.3)
        speed, times = _clients(lambda: client(config), singles, 1)
        running.set()
        busy.join()
        _show("1 client, while 2,500 are requested", speed, times)
        ratios["a single task's p95 while 2,500 are requested, over idle"] = _percentile(times, 95) / _percentile(
            idle, 95
        )
    if memory:
        _memory(model, config, texts, memory, device)


def _taking_turns(
    one: Callable[[list[str]], object], other: Callable[[list[str]], object], requests: Sequence[list[str]]
) -> tuple[list[float], list[float]]:
    """Return the seconds that each function takes for each request."""
    times: tuple[list[float], list[float]] = [], []
    for request in requests:
        for run, taken in zip((one, other), times, strict=True):
            started = time.perf_counter()
            run(request)
            taken.append(time.perf_counter() - started)
    return times


def _until_set(ask: Callable[[list[str]], object], texts: list[str], stop: threading.Event) -> None:
    while not stop.is_set():
        ask(texts)


def _memory(model: Path, config: str, texts: list[str], most: int, device: str) -> None:
    """Print start time and memory of a server as users run it: with its cache, for texts that all differ.

    The memory of a GPU includes what other processes use, this one too.
    """
    started = time.perf_counter()
    with server(model, DEVICE=device) as (client, service):
        print(f"\nready after {time.perf_counter() - started:.1f} s with {_used(service, device)}")
        ask = client(config)
        done = 0
        for after in (most // 10, most // 2, most):
            while done < after:
                ask([f"{texts[(done + n) % len(texts)]} {done + n}" for n in range(100)])
                done += 100
            print(f"after {done:6} predictions {_used(service, device)}", flush=True)


def _clients(
    connect: Callable[[], Callable[[list[str]], object]], requests: Sequence[list[str]], clients: int
) -> tuple[float, list[float]]:
    """Send requests with several clients; return the requests per second, and the seconds of each request."""
    times: list[float] = []
    shared: Iterator[list[str]] = iter(requests)
    lock = threading.Lock()

    def work() -> None:
        ask = connect()
        while True:
            with lock:
                request = next(shared, None)
            if request is None:
                break
            started = time.perf_counter()
            ask(request)
            times.append(time.perf_counter() - started)

    threads = [threading.Thread(target=work) for _ in range(clients)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(requests) / (time.perf_counter() - started), times


def _show(name: str, speed: float, times: Sequence[float]) -> None:
    shown = " ".join(f"{1000 * _percentile(times, share):7.1f}" for share in (50, 95, 99)) if times else ""
    print(f"{name:42} {speed:8.1f} {shown}", flush=True)


def _percentile(times: Sequence[float], share: int) -> float:
    return sorted(times)[min(len(times) * share // 100, len(times) - 1)]


def _used(service: int, device: str) -> str:
    """Return the memory of a server, and that of the GPU if the server uses it, for people."""
    used = f"{megabytes(families(psutil.Process(service))['server']):6.0f} MB"
    return used if device == "cpu" else f"{used}; GPU {gpu_megabytes():.0f} MB"


if __name__ == "__main__":
    main()
