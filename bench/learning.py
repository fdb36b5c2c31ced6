"""How much is learned from how many sentences, beside a plain training loop.

    python -m bench.learning --corpus CORPUS --sizes 200 1000 --seeds 0 1 2

CORPUS: a folder with train.jsonl and dev.jsonl or test.jsonl, one {"id", "text", "spans": [{"start", "end",
"label"}]} a line. Each seed shuffles the training sentences and takes the first ones. Prints strict F1 and
seconds.
"""

import argparse
import json
import logging
import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from huggingface_ner.engines.pretrained import load_model, load_tokenizer, packaged_encoder, window_length
from huggingface_ner.learning.dataset import label_windows
from huggingface_ner.learning.fine_tuning import Hyperparameters, fine_tune
from huggingface_ner.learning.head import replace_head
from huggingface_ner.scores import evaluate
from huggingface_ner.spans import AnnotatedText, Span
from huggingface_ner.tagging.loading import tagger_of_model
from huggingface_ner.tagging.tag_groups import TagGroups
from huggingface_ner.tagging.windows import Windower


def plain_loop(
    examples: Sequence[AnnotatedText], labels: Sequence[str], baseline: str | Path, seed: int
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """AdamW at 2e-4 for everything, 15 epochs, batches of 8, linear decay: what a tutorial does."""
    torch.manual_seed(seed)
    tokenizer = load_tokenizer(baseline)
    model, _ = load_model(baseline)
    tag_groups = TagGroups.bio([labels])
    replace_head(model, tag_groups, None)
    rows = list(label_windows(examples, Windower(tokenizer, window_length(model)), tag_groups))
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-4)
    batches = 15 * -(-len(rows) // 8)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / batches)
    model.train()
    shuffled = random.Random(seed)
    for _ in range(15):
        shuffled.shuffle(rows)
        for start in range(0, len(rows), 8):
            some = rows[start : start + 8]
            longest = max(len(row["input_ids"]) for row in some)

            def padded(key: str, filler: int, some: list[Any] = some, longest: int = longest) -> torch.Tensor:
                return torch.tensor([row[key] + [filler] * (longest - len(row[key])) for row in some])

            input_ids, targets = padded("input_ids", 0), padded("labels", -100)
            model(input_ids=input_ids, attention_mask=(input_ids != 0).long(), labels=targets).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
    return model, tokenizer


def read(path: Path) -> list[AnnotatedText]:
    """Read a corpus, a JSON object a line, as ``learning.py --help`` shows it."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [
        AnnotatedText(
            str(row["id"]), row["text"], tuple(Span(s["start"], s["end"], s["label"]) for s in row["spans"])
        )
        for row in rows
    ]


def main() -> None:
    """Train on samples of a corpus and print F1, with each seed and in the mean."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--sizes", type=int, nargs="+", default=[200], help="training sentences; 0: all")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=float, default=10, help="NUM_TRAIN_EPOCHS (default: %(default)s)")
    parser.add_argument("--learning-rate", type=float, default=1e-3, help="LEARNING_RATE (default: %(default)s)")
    parser.add_argument("--baseline", default=packaged_encoder(), help="default: the packaged encoder")
    parser.add_argument("--score-on", default="dev", choices=["dev", "test"])
    parser.add_argument("--first", type=int, default=500, help="how many texts are scored; 0: all")
    parser.add_argument("--plain", action="store_true", help="run the plain loop beside it")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    transformers_logging.set_verbosity_error()

    train = read(options.corpus / "train.jsonl")
    scored = read(options.corpus / f"{options.score_on}.jsonl")[: options.first or None]
    labels = sorted({span.label for text in train for span in text.spans})
    for size in options.sizes:
        runs: dict[str, list[tuple[float, float]]] = {}
        for seed in options.seeds:
            texts = train.copy()
            random.Random(seed).shuffle(texts)
            texts = texts[: size or None]
            hyperparameters = Hyperparameters(options.learning_rate, options.epochs, seed=seed)
            ways: dict[str, Callable[[], tuple[PreTrainedModel, PreTrainedTokenizerBase]]] = {
                "ours": partial(
                    fine_tune, texts, labels, options.baseline, hyperparameters, match_labels=lambda names: {}
                ),
                "plain": partial(plain_loop, texts, labels, options.baseline, seed),
            }
            for name in ways if options.plain else ["ours"]:
                start = time.perf_counter()
                tagger = tagger_of_model(*ways[name]())
                seconds = time.perf_counter() - start
                found = tagger.find_spans([text.text for text in scored])
                f1 = evaluate([text.spans for text in scored], found).overall.f1
                runs.setdefault(name, []).append((f1, seconds))
        for name, results in runs.items():
            mean_f1, mean_seconds = (sum(values) / len(results) for values in zip(*results, strict=True))
            each = " ".join(f"{f1:.3f}" for f1, _ in results)
            print(f"{size or len(train):6} sentences  {name:5}  F1 {mean_f1:.3f} ({each})  {mean_seconds:.0f} s")


if __name__ == "__main__":
    main()
