"""Measure how much is learned from few texts.

    python -m bench.learning --corpus CORPUS [CORPUS ...] --sizes 50 200

CORPUS: a folder with train.jsonl and dev.jsonl or test.jsonl. Each line is one {"id", "text", "spans": [{"start",
"end", "label"}]}. Each seed shuffles the training texts and takes the first ones. Prints strict F1, the expected
calibration error of the spans' scores, and seconds.

To compare two ways of learning or of tagging, run one with ``--save FILE`` and the other one with
``--against FILE``, with the same corpora, sizes and seeds. The second run prints the differences in F1 with their
95 % intervals, by paired bootstrap over texts and seeds. A star means that zero is outside the interval.
``--models FOLDER`` keeps the trained models, and does not train models again that are there: use it if the ways
differ only in tagging. For example, ``--weight 0`` tags without the weights of the transitions.
"""

import argparse
import json
import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from bench.calibration import calibration_error
from bench.corpus import read_corpus, sentences
from bench.plain_loop import plain_loop
from huggingface_ner.bootstrap import Counts, count_spans, f1, paired_difference
from huggingface_ner.engines.pretrained import packaged_encoder
from huggingface_ner.learning.fine_tuning import Hyperparameters, fine_tune
from huggingface_ner.learning.head import update_reading
from huggingface_ner.spans import AnnotatedText
from huggingface_ner.store.model_folder import save_model
from huggingface_ner.tagging.loading import load_fine_tuned, tagger_of_model
from huggingface_ner.tagging.reading import Reading
from huggingface_ner.tagging.tagger import Tagger
from huggingface_ner.tagging.transitions import WEIGHT

OURS, PLAIN = "ours", "plain loop"

# For each row ("CORPUS, SIZE texts"), the counts of all seeds.
Results = dict[str, Counts]
Train = Callable[[], tuple[PreTrainedModel, PreTrainedTokenizerBase]]


def read(corpus: Path, part: str, *, cut: bool) -> list[AnnotatedText]:
    """Read a part of a corpus. cut: whether to cut the texts into sentences."""
    texts = read_corpus(corpus, part)
    return [sentence for text in texts for sentence in sentences(text)] if cut else texts


def learn(options: argparse.Namespace, corpus: Path, size: int) -> dict[str, Counts]:
    """Train with each seed and way, print each way's results, and return its counts: [seeds, texts, 3]."""
    train, scored = (read(corpus, part, cut=options.sentences) for part in ("train", options.score_on))
    scored = scored[: options.first or None]
    labels = sorted({span.label for text in train for span in text.spans})
    counts: dict[str, list[Counts]] = {}
    seconds: dict[str, list[float]] = {}
    errors: dict[str, list[float]] = {}
    for seed in options.seeds:
        texts = train.copy()
        random.Random(seed).shuffle(texts)
        texts = texts[: size or None]
        hyperparameters = Hyperparameters(
            options.learning_rate, options.epochs, seed=seed, repetitions=options.repetitions
        )
        ours = partial(fine_tune, texts, labels, options.baseline, hyperparameters, match_labels=lambda _: {})
        ways: dict[str, Train] = {OURS: ours}
        if options.plain:
            ways[PLAIN] = partial(plain_loop, texts, labels, options.baseline, seed)
        for way, make in ways.items():
            start = time.perf_counter()
            kept = options.models and options.models / f"{_row(options, corpus, size)}, {way}, seed {seed}"
            tagger = _tagger(make, kept, options.weight)
            seconds.setdefault(way, []).append(time.perf_counter() - start)
            found = tagger.find_spans([text.text for text in scored])
            gold = [text.spans for text in scored]
            counts.setdefault(way, []).append(count_spans(gold, found))
            errors.setdefault(way, []).append(calibration_error(gold, found))
    results = {way: np.stack(of_seeds) for way, of_seeds in counts.items()}
    for way, of_way in results.items():
        each = f1(of_way)
        listed = " ".join(f"{one:.3f}" for one in each)
        name = _row(options, corpus, size)
        error, time_taken = np.mean(errors[way]), np.mean(seconds[way])
        print(
            f"{name:32} {way:10}  F1 {each.mean():.3f} ({listed})  error {error:.3f}  {time_taken:.0f} s",
            flush=True,
        )
    return results


def _tagger(make: Train, kept: Path | None, weight: float) -> Tagger:
    """Return a tagger of a trained model.

    kept: the folder from which the model is loaded, or in which it is saved. weight: the weight of transitions.
    """
    if kept is not None and kept.is_dir():
        model, tokenizer = load_fine_tuned(kept, "cpu")
    else:
        model, tokenizer = make()
        if kept is not None:
            save_model(model, tokenizer, kept)
    transitions = Reading.of_model(model).transitions
    if transitions is not None:
        scale = weight / WEIGHT
        rows = [[(o * scale, b * scale, i * scale) for o, b, i in weights] for weights in transitions]
        update_reading(model, transitions=tuple((o, b, i) for o, b, i in rows))
    return tagger_of_model(model, tokenizer)


def _row(options: argparse.Namespace, corpus: Path, size: int) -> str:
    return f"{corpus.name}, {size or 'all'} {'sentences' if options.sentences else 'texts'}"


def compare(name: str, results: Mapping[str, Counts], others: Mapping[str, Counts]) -> None:
    """Print how much higher F1 is than that of others, for each row that both have, and for all these rows."""
    pairs = {row: (others[row], counts) for row, counts in results.items() if row in others}
    print(f"F1 above that of {name}, with the 95 % interval; *: zero is outside the interval")
    for row, pair in pairs.items():
        print(f"{row:32} {paired_difference([pair])}", flush=True)
    if len(pairs) > 1:
        print(f"{'all':32} {paired_difference([*pairs.values()])}")


def save_results(results: Results, file: Path) -> None:
    """Write results to a file for ``load_results``."""
    file.write_text(json.dumps({row: counts.tolist() for row, counts in results.items()}) + "\n")


def load_results(file: Path) -> Results:
    """Read what ``save_results`` wrote."""
    return {row: np.array(counts) for row, counts in json.loads(file.read_text()).items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Train on samples of the corpora, print F1 with each seed and in the mean, and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, nargs="+", action="extend", required=True)
    parser.add_argument("--sentences", action="store_true", help="cut the corpora's texts into sentences")
    parser.add_argument("--sizes", type=int, nargs="+", default=[200], help="numbers of training texts; 0: all")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4], help="default: 0 to 4")
    parser.add_argument("--epochs", type=float, default=10, help="NUM_TRAIN_EPOCHS (default: %(default)s)")
    parser.add_argument("--learning-rate", type=float, default=1e-3, help="LEARNING_RATE (default: %(default)s)")
    parser.add_argument(
        "--repetitions",
        type=lambda text: text if text == "auto" else int(text),
        default="auto",
        help="TRAINING_REPETITIONS (default: auto)",
    )
    parser.add_argument("--baseline", default=packaged_encoder(), help="default: the packaged encoder")
    parser.add_argument("--score-on", default="dev", choices=["dev", "test"])
    parser.add_argument("--first", type=int, default=500, help="number of texts that are scored; 0: all")
    parser.add_argument("--plain", action="store_true", help="also run the plain loop, and compare")
    parser.add_argument(
        "--models", type=Path, metavar="FOLDER", help="folder to save models in and load them from"
    )
    parser.add_argument(
        "--weight", type=float, default=WEIGHT, help="weight of transitions (default: %(default)s)"
    )
    parser.add_argument("--save", type=Path, metavar="FILE", help="save the results")
    parser.add_argument("--against", type=Path, metavar="FILE", help="compare with saved results")
    options = parser.parse_args(arguments)
    ours: Results = {}
    plain: Results = {}
    for corpus in options.corpus:
        for size in options.sizes:
            results = learn(options, corpus, size)
            ours[_row(options, corpus, size)] = results[OURS]
            if PLAIN in results:
                plain[_row(options, corpus, size)] = results[PLAIN]
    if plain:
        compare(f"the {PLAIN}", ours, plain)
    if options.against:
        compare(str(options.against), ours, load_results(options.against))
    if options.save:
        save_results(ours, options.save)


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    transformers_logging.set_verbosity_error()
    main()
