"""Measure how often a new version is refused, by its difference in F1 and the number of held-out texts.

    python -m bench.learning --corpus CORPUS --sizes 100 200 400 --seeds 0 1 --save RESULTS
    python -m bench.refusals --results RESULTS

RESULTS has the counts of at least two models on the same texts. Each pair of models of one corpus is taken as the
version in use and the new version. Held-out texts are drawn many times, and two rules decide on each draw:

- before: the new version is refused if its F1 is lower by more than F1_TOLERANCE;
- now: ``learning.comparison.compare`` decides. The version in use is also scored on the texts annotated since. In
  a project that is trained after every 10 tasks, these are 8 texts, because the other 2 are held out.

Pairs are grouped by the difference of their F1 on all texts. In the last group, the new versions find nothing. For
each group and number of held-out texts, prints the share of the draws in which the new version is refused.
"""

import argparse
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import permutations
from pathlib import Path

import numpy as np

from bench.learning import load_results
from huggingface_ner.bootstrap import Counts, f1
from huggingface_ner.learning.comparison import compare
from huggingface_ner.scores import Evaluation, Scores

HELD_OUT = (4, 10, 20, 40, 100, 200)
# The number of texts that are annotated between two trainings and not held out.
SINCE = 8
# The middles of the groups of differences, and the maximum distance of a difference from the middle.
GROUPS = (-0.09, 0.0, 0.09)
GROUP_WIDTH = 0.03


def _evaluation(counts: Counts) -> Evaluation:
    return Evaluation(
        Scores(*(int(total) for total in counts.sum(axis=0))),
        {},
        by_text=tuple(Scores(*(int(count) for count in text)) for text in counts),
    )


def refusals(
    before: Counts, new: Counts, held_out: int, *, draws: int, f1_tolerance: float
) -> tuple[float, float, float]:
    """Return the mean number of gold spans held out, and the shares of draws refused by the old and the new rule.

    before, new: the counts of the two versions for all texts, [texts, 3].
    """
    chosen = random.Random(0)
    refused = np.zeros((draws, 2))
    gold = 0
    for draw in range(draws):
        texts = chosen.sample(range(len(new)), held_out + SINCE)
        drawn, since = texts[:held_out], texts[held_out:]
        gold += int(new[drawn, 2].sum())
        is_lower = f1(new[drawn]) < f1(before[drawn]) - f1_tolerance
        parts = _evaluation(new[drawn]), _evaluation(before[drawn]), _evaluation(before[since])
        refused[draw] = is_lower, compare(*parts, f1_tolerance).is_worse
    old, now = refused.mean(axis=0)
    return gold / draws, float(old), float(now)


def _pairs(results: dict[str, Counts]) -> Iterator[tuple[float, Counts, Counts]]:
    """Yield each pair of models of a corpus: the second one's F1 minus the first one's, and their counts."""
    by_corpus: dict[str, list[Counts]] = defaultdict(list)
    for row, counts in results.items():
        by_corpus[row.partition(",")[0]].extend(counts)
    for models in by_corpus.values():
        for before, new in permutations(models, 2):
            yield float(f1(new) - f1(before)), before, new


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the shares of refused versions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument(
        "--draws", type=int, default=300, help="number of draws for each pair (default: %(default)s)"
    )
    parser.add_argument("--tolerance", type=float, default=0.05, help="F1_TOLERANCE (default: %(default)s)")
    options = parser.parse_args(arguments)
    results = dict(load_results(options.results))
    pairs = list(_pairs(results))
    groups = {
        f"{middle:+.2f}": [pair[1:] for pair in pairs if abs(pair[0] - middle) <= GROUP_WIDTH] for middle in GROUPS
    }
    models = [model for counts in results.values() for model in counts]
    groups["broken"] = [(model, model * [0, 0, 1]) for model in models]
    print(f"{'new - before':>12} {'pairs':>6} {'held out':>9} {'spans':>6} {'refused before':>15} {'now':>6}")
    for name, group in groups.items():
        for held_out in HELD_OUT if group else ():
            found = [
                refusals(*pair, held_out, draws=options.draws, f1_tolerance=options.tolerance) for pair in group
            ]
            gold, old, now = np.mean(found, axis=0)
            print(f"{name:>12} {len(group):6} {held_out:9} {gold:6.0f} {old:15.3f} {now:6.3f}", flush=True)


if __name__ == "__main__":
    main()
