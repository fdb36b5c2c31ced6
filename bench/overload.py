"""Measure how the service answers under overload, side by side with other checkouts.

    python -m bench.overload [--before FOLDER ...] [--seconds 30]

FOLDER: another checkout, for example of the previous commit (``git worktree add ../before HEAD~1``). Each checkout
is started with WORKERS=1 and a model of BERT-base's size, with random weights, because only time is measured. It
gets all of this at once: 1,000 connections that stall in the head, stall in the body, or send a byte every second;
256 clients that repeatedly request the prediction of one task; 8 clients that request 2,500 tasks each. Meanwhile,
a separate process requests /health, /setup and /webhook in turn. Prints the milliseconds of these three routes,
the outcomes of the predictions, and the number of lost workers.
"""

import argparse
import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from multiprocessing import get_context
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any, TypeAlias

import torch
from transformers import AutoModelForTokenClassification, BertConfig
from transformers.utils import logging as transformers_logging

from bench.corpus import read_corpus
from huggingface_ner.engines.pretrained import load_tokenizer, packaged_encoder

STALLED, CLIENTS, BULK_CLIENTS, BULK_TASKS = 1000, 256, 8, 2500
START_TIMEOUT = 120.0
PROBE_TIMEOUT = 20.0
# Maximum seconds for a prediction; Label Studio disconnects after 100.
ANSWER_TIMEOUT = 100.0
CONFIG = '<View><Labels name="l" toName="t"><Label value="PER"/></Labels><Text name="t" value="$text"/></View>'
PROBES = {
    "/health": None,
    "/setup": {"project": "1.2", "schema": CONFIG},
    "/webhook": {"action": "PROJECT_UPDATED", "project": {"id": 1}},
}
# Results of a measuring process: a route with the seconds or the failure of an answer, or "predictions" and their
# counts.
Answers: TypeAlias = "Queue[tuple[str, float | str]]"
ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Figures:
    """The results of a checkout: seconds and failures of the probes, predictions by outcome, lost workers."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: {route: [] for route in PROBES})
    failures: Counter[str] = field(default_factory=Counter)
    predictions: Counter[str] = field(default_factory=Counter)
    lost: int = 0


def main() -> None:
    """Measure each checkout and print their figures side by side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--before",
        type=Path,
        action="append",
        default=[],
        metavar="FOLDER",
        help="another checkout; may be repeated",
    )
    parser.add_argument(
        "--model", type=Path, metavar="FOLDER", help="folder of the model, which is made if it does not exist"
    )
    parser.add_argument("--seconds", type=float, default=30.0, help="seconds of load (default: %(default)s)")
    options = parser.parse_args()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    texts = [text.text[:200] for text in read_corpus(None, "train")]
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        model = _base_model(options.model or Path(folder) / "model")
        checkouts = [*options.before, ROOT]
        measured = [_measure(checkout, model, texts, options.seconds) for checkout in checkouts]
    _show([str(checkout) for checkout in checkouts], measured)


def _base_model(folder: Path) -> Path:
    """Save a model of BERT-base's size that finds nothing, unless the folder exists."""
    if folder.exists():
        return folder
    tokenizer = load_tokenizer(packaged_encoder())
    torch.manual_seed(0)
    labels = {0: "O", 1: "B-PER", 2: "I-PER"}
    model = AutoModelForTokenClassification.from_config(BertConfig(vocab_size=len(tokenizer), id2label=labels))
    with torch.no_grad():
        model.classifier.bias[0] = 5.0
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _measure(checkout: Path, model: Path, texts: list[str], seconds: float) -> Figures:
    figures = Figures()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, _server(checkout, model, Path(folder)) as port:
        context = get_context("spawn")
        answers: Answers = context.Queue()
        probes = context.Process(target=_probe, args=(port, seconds, answers))
        load = context.Process(target=_load, args=(port, seconds, texts, figures.predictions, answers))
        load.start()
        probes.start()
        for process in (probes, load):
            while process.is_alive() or not answers.empty():
                with suppress(Exception):
                    route, value = answers.get(timeout=0.5)
                    if route == "predictions":
                        figures.predictions.update(json.loads(str(value)))
                    elif isinstance(value, float):
                        figures.seconds[route].append(value)
                    else:
                        figures.failures[f"{route} {value}"] += 1
        log = (Path(folder) / "log").read_text()
        figures.lost = len(re.findall("Booting worker", log)) - 1
    return figures


@contextmanager
def _server(checkout: Path, model: Path, folder: Path) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    chosen = {"HOST": "127.0.0.1", "PORT": str(port), "BASELINE_MODEL_NAME": str(model), "WORKERS": "1"}
    # so no engines are tried during the load
    chosen |= {"INFERENCE_ENGINE": "torch", "INFERENCE_PRECISION": "fp32"}
    command = [sys.executable, "-m", "huggingface_ner", "serve"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=checkout, env={**os.environ, **chosen, "MODEL_DIR": str(folder)}, stderr=log, stdout=log
        )
    try:
        until = time.monotonic() + START_TIMEOUT
        while _ask(port, "/ready")[0] != "200":
            if time.monotonic() > until:
                raise TimeoutError((folder / "log").read_text())
            time.sleep(0.1)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(90)


def _ask(port: int, route: str, body: object = None) -> tuple[str, float]:
    """Return the status of the answer, or the name of the error, and the seconds that the request took."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PROBE_TIMEOUT)
    started = time.perf_counter()
    try:
        if body is None:
            connection.request("GET", route)
        else:
            connection.request("POST", route, json.dumps(body), {"Content-Type": "application/json"})
        with connection.getresponse() as answer:
            answer.read()
            return str(answer.status), time.perf_counter() - started
    except (OSError, HTTPException) as error:
        return type(error).__name__, time.perf_counter() - started
    finally:
        connection.close()


def _probe(port: int, seconds: float, answers: Answers) -> None:
    time.sleep(3.0)  # until the load has begun
    until = time.monotonic() + seconds - 3.0
    while time.monotonic() < until:
        for route, body in PROBES.items():
            status, taken = _ask(port, route, body)
            answers.put((route, taken))
            if status != "200":
                answers.put((route, status))
        time.sleep(0.02)


def _load(
    port: int,
    seconds: float,
    texts: list[str],
    predictions: "Counter[str]",
    answers: Answers,
) -> None:
    asyncio.run(_all_at_once(port, seconds, texts, predictions))
    answers.put(("predictions", json.dumps(predictions)))


async def _all_at_once(port: int, seconds: float, texts: list[str], predictions: "Counter[str]") -> None:
    until = time.monotonic() + seconds
    stalled = [asyncio.create_task(_stall(port, number % 3, until)) for number in range(STALLED)]
    await asyncio.sleep(1.0)
    await asyncio.gather(
        *(_predict(port, texts, number, 1, until, predictions) for number in range(CLIENTS)),
        *(_predict(port, texts, number, BULK_TASKS, until, predictions) for number in range(BULK_CLIENTS)),
    )
    for task in stalled:
        task.cancel()
    await asyncio.gather(*stalled, return_exceptions=True)


async def _stall(port: int, way: int, until: float) -> None:
    """Keep a connection open, and open a new one if the server closes it."""
    start = (
        b"POST /predict HTTP/1.1\r\nHost: a\r\n",
        b'POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{"tasks"',
        b"POST /predict HTTP/1.1\r\nHost: a\r\n",
    )[way]
    while time.monotonic() < until:
        with suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(start)
                while time.monotonic() < until and not reader.at_eof():
                    if way == 2:
                        writer.write(b"X")
                    with suppress(TimeoutError):
                        await asyncio.wait_for(reader.read(1000), 1.0)
            finally:
                writer.close()
        await asyncio.sleep(0.1)


async def _predict(
    port: int, texts: list[str], number: int, tasks: int, until: float, predictions: "Counter[str]"
) -> None:
    """Request predictions one after the other during the load; after a refusal, wait as long as it says."""
    kind = "one task" if tasks == 1 else f"{tasks} tasks"
    sent = 0
    while time.monotonic() < until:
        data = [{"data": {"text": f"{texts[n % len(texts)]} {number} {sent} {n}"}} for n in range(tasks)]
        sent += 1
        try:
            outcome, wait = await asyncio.wait_for(_request(port, data), ANSWER_TIMEOUT)
        except (OSError, TimeoutError, EOFError, ValueError) as error:
            outcome, wait = type(error).__name__, 1.0
        predictions[f"{kind}: {outcome}"] += 1
        await asyncio.sleep(min(wait, max(until - time.monotonic(), 0.0)))


async def _request(port: int, tasks: list[dict[str, Any]]) -> tuple[str, float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        body = json.dumps({"tasks": tasks, "label_config": CONFIG}).encode()
        head = f"POST /predict HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        answer = await reader.read(-1)
    finally:
        writer.close()
    status = answer.split(b" ", 2)[1].decode() if answer else "no answer"
    retry = re.search(rb"\r\nRetry-After: (\d+)", answer[:2000], re.IGNORECASE)
    if status == "503":
        return ("refused" if retry else "503 without Retry-After"), float(retry[1]) if retry else 1.0
    return ("answered" if status == "200" else status), 0.0


def _show(names: list[str], measured: list[Figures]) -> None:
    rows = {
        f"{route} {name}, ms": [f"{1000 * pick(figures.seconds[route]):.0f}" for figures in measured]
        for route in PROBES
        for name, pick in (("p50", lambda s: _at(s, 0.5)), ("p99", lambda s: _at(s, 0.99)), ("max", max))
    }
    for counts in ("failures", "predictions"):
        for name in sorted({key for figures in measured for key in getattr(figures, counts)}):
            rows[name] = [str(getattr(figures, counts)[name]) for figures in measured]
    rows["lost workers"] = [str(figures.lost) for figures in measured]
    print(f"{'':44}" + "".join(f"{name[-20:]:>22}" for name in names))
    for name, values in rows.items():
        print(f"{name:44}" + "".join(f"{value:>22}" for value in values))


def _at(seconds: list[float], share: float) -> float:
    return sorted(seconds)[min(int(len(seconds) * share), len(seconds) - 1)]


if __name__ == "__main__":
    main()
