"""Measure what the order of the tasks gives and costs, with a simulated annotator.

    python -m bench.next_task --corpus CORPUS --seeds 0 1

CORPUS: as for bench.learning. A seed shuffles its training texts, and the first ones are the pool. The first round
of tasks is the same in each order. After each round, a version is trained as the service does it, and the order
chooses the next round from the rest of the pool:

random: as the seed has shuffled them.
lowest: the lowest score first, as with uncertainty sampling in Label Studio.
spread: the same, but of the tasks whose unsure spans are alike, only the least sure keeps its score; see spread.

Before each task, the annotator gets its suggestions and corrects them, as in bench.annotating. Prints after each
round, for each order:

F1: strict F1 of the version on other texts.
entities, edits: of the tasks annotated so far.
rest: the edits of the rest of the pool with the suggestions of this version, so that edits + rest is what the
whole pool costs if no further version is trained.
saved: how many edits fewer that is than without suggestions, which cost one edit for each entity of the pool.
over random: how many edits fewer it is than in the random order.

At the end, prints how much higher F1 is than in another order after the same number of tasks, with 95 % intervals
(paired bootstrap over texts and seeds).
"""

import argparse
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from bench.annotating import open_queue
from bench.learning import read
from bench.quiet import silence_libraries
from bench.simulated_project import SimulatedProject
from huggingface_ner.bootstrap import Counts, count_spans, f1, paired_difference
from huggingface_ner.edits import Edits, count_edits
from huggingface_ner.engines.pretrained import packaged_encoder
from huggingface_ner.settings import Settings
from huggingface_ner.spans import AnnotatedText, TaggedText

# A span with a lower score is unsure.
UNSURE = 0.8
RANDOM = "random"

# Returns the rest of the pool in the order in which it is annotated.
Order = Callable[[Sequence[AnnotatedText], SimulatedProject], list[AnnotatedText]]


@dataclass(frozen=True, slots=True)
class Round:
    """The edits of the tasks annotated so far and of the rest of the pool, and the counts on the other texts."""

    tasks: int
    edits: Edits
    rest: Edits
    counts: Counts

    @property
    def total(self) -> int:
        """The edits of the whole pool."""
        return self.edits.total + self.rest.total


def by_score(
    rest: Sequence[AnnotatedText],
    project: SimulatedProject,
    scores: Callable[[Sequence[str], Sequence[TaggedText]], list[float]],
) -> list[AnnotatedText]:
    """Return the rest of the pool by score, the lowest first."""
    texts = [text.text for text in rest]
    of_texts = scores(texts, project.tag(texts))
    return [rest[index] for index in sorted(range(len(rest)), key=of_texts.__getitem__)]


def plain(texts: Sequence[str], tagged: Sequence[TaggedText]) -> list[float]:
    """Return the scores as Label Studio gets them."""
    return [found.score for found in tagged]


def spread(texts: Sequence[str], tagged: Sequence[TaggedText]) -> list[float]:
    """Return the scores, but raise those of texts whose unsure spans a less sure text has too.

    Two spans are alike if their strings, without regard to case and blanks, and their labels are the same. A text
    without unsure spans is compared as a whole. If less sure texts have each unsure span of a text at least n
    times, the text's distance to 1 is halved n times.
    """
    seen: Counter[tuple[str, str]] = Counter()
    scores = [found.score for found in tagged]
    for index in sorted(range(len(texts)), key=scores.__getitem__):
        text, found = texts[index], tagged[index]
        unsure = {
            (_normal(text[span.start : span.end]), span.label) for span in found.spans if span.score < UNSURE
        } or {(_normal(text), "")}
        repeats = min(seen[one] for one in unsure)
        if repeats:
            scores[index] = 1 - (1 - scores[index]) * 0.5**repeats
        seen.update(unsure)
    return scores


def _normal(string: str) -> str:
    return " ".join(string.casefold().split())


ORDERS: dict[str, Order] = {
    RANDOM: lambda rest, project: list(rest),
    "lowest": partial(by_score, scores=plain),
    "spread": partial(by_score, scores=spread),
}


def annotate(
    project: SimulatedProject,
    pool: Sequence[AnnotatedText],
    others: Sequence[AnnotatedText],
    order: Order,
    *,
    rounds: Sequence[int],
) -> Iterator[Round]:
    """Annotate tasks of a pool in rounds, and yield the state after each.

    others: the texts on which each version is scored. rounds: how many tasks are annotated after each round.
    """
    rest = list(pool)
    edits = Edits()
    done = 0
    for until in rounds:
        if done:
            rest = order(rest, project)
        picked, rest = rest[: until - done], rest[until - done :]
        for text in picked:
            edits += count_edits(text.spans, project.suggest(text.text))
            done += 1
            # ids as Label Studio assigns them, because a training chooses the held-out tasks by their ids
            project.annotate(replace(text, task_id=str(done)))
        project.train()
        found = project.tag([text.text for text in others])
        counts = count_spans([text.spans for text in others], [tagged.spans for tagged in found])
        suggested = project.suggest_each([text.text for text in rest])
        left = (count_edits(text.spans, spans) for text, spans in zip(rest, suggested, strict=True))
        yield Round(done, edits, sum(left, Edits()), counts)


def simulate(options: argparse.Namespace, corpus: Path, settings: Settings) -> dict[str, list[list[Round]]]:
    """Annotate a corpus in each order with each seed, print each round, and return the rounds of each seed."""
    train, others = (read(corpus, part, cut=options.sentences) for part in ("train", options.score_on))
    others = others[: options.first or None]
    labels = sorted({span.label for text in train for span in text.spans})
    rounds = range(options.round, options.until + 1, options.round)
    results: dict[str, list[list[Round]]] = {}
    for seed in options.seeds:
        texts = train.copy()
        random.Random(seed).shuffle(texts)
        pool = texts[: options.pool]
        entities = sum(len(set(text.spans)) for text in pool)
        print(f"{corpus.name}, seed {seed}: {len(pool)} tasks with {entities} entities", flush=True)
        print(HEADER)
        for name in (one for one in ORDERS if one in options.orders):  # random first: others are compared
            of_seed: list[Round] = []
            results.setdefault(name, []).append(of_seed)
            with TemporaryDirectory(prefix="bench-") as folder, open_queue(Path(folder), settings) as queue:
                project = SimulatedProject(
                    labels, options.baseline, settings, seed=seed, folder=Path(folder), queue=queue
                )
                for one in annotate(project, pool, others, ORDERS[name], rounds=rounds):
                    of_seed.append(one)
                    by_chance = results[RANDOM][-1][len(of_seed) - 1] if RANDOM in results else None
                    print(_row(name, one, entities, by_chance), flush=True)
    return results


HEADER = (
    f"{'order':8} {'tasks':>5} {'F1':>6} {'entities':>8} {'edits':>5} {'rest':>5} {'saved':>6} {'over random':>11}"
)


def _row(name: str, one: Round, entities: int, by_chance: Round | None) -> str:
    over = "-" if by_chance is None else f"{by_chance.total - one.total:+d}"
    scores = f"{float(f1(one.counts)):6.3f} {one.edits.entities:8} {one.edits.total:5} {one.rest.total:5}"
    return f"{name:8} {one.tasks:5} {scores} {entities - one.total:6} {over:>11}"


def compare(results: Mapping[str, Sequence[Sequence[Round]]]) -> None:
    """Print how much higher F1 is in an order than in the orders before it, after each round."""
    for first, second in combinations(results, 2):
        for number in range(1, len(results[first][0])):
            before, after = (
                np.stack([rounds[number].counts for rounds in results[name]]) for name in (first, second)
            )
            tasks = results[first][0][number].tasks
            print(f"{second} over {first}, {tasks} tasks: F1 {paired_difference([(before, after)])}", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Annotate in each order, and print what each gives and costs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--sentences", action="store_true", help="cut the corpus's texts into sentences")
    parser.add_argument("--orders", nargs="+", choices=ORDERS, default=[*ORDERS], help="default: all")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1], help="default: 0 and 1")
    parser.add_argument("--pool", type=int, default=3000, help="number of tasks (default: %(default)s)")
    parser.add_argument("--until", type=int, default=200, help="tasks to annotate (default: %(default)s)")
    parser.add_argument("--round", type=int, default=50, help="tasks of a round (default: %(default)s)")
    parser.add_argument("--score-on", default="dev", choices=["dev", "test"])
    parser.add_argument("--first", type=int, default=1000, help="number of texts that are scored; 0: all")
    parser.add_argument("--baseline", default=packaged_encoder(), help="default: the packaged encoder")
    options = parser.parse_args(arguments)
    compare(simulate(options, options.corpus, Settings()))


if __name__ == "__main__":
    silence_libraries()
    main()
