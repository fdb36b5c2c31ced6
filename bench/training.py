"""Compare our training with a plain Trainer loop, in one run.

    python -m bench.training [--corpus CORPUS] [--texts 200] [--base]

The plain loop is transformers.Trainer with its defaults (float32, batches of 8, AdamW), as in tutorials. It pads
the texts to the longest one of a batch or, in a second run of few steps, to 512 tokens. The first run makes as
many steps over the same texts as our training. Prints seconds per step, strict F1 on the test texts, and the
ratios.
CORPUS: as for bench.serving. --base: uses a random encoder of BERT-base's size, to measure only speed.
"""

import argparse
import math
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import (
    DataCollatorForTokenClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Trainer,
    TrainingArguments,
    set_seed,
)

from bench.corpus import read_corpus
from bench.models import base_encoder
from bench.quiet import silence_libraries
from huggingface_ner.engines.positions import window_length
from huggingface_ner.engines.pretrained import load_model, load_tokenizer, packaged_encoder
from huggingface_ner.learning import fine_tuning
from huggingface_ner.learning.dataset import label_windows
from huggingface_ner.learning.fine_tuning import WINDOWS_PER_BATCH, Hyperparameters, fine_tune
from huggingface_ner.learning.head import replace_head
from huggingface_ner.scores import evaluate
from huggingface_ner.spans import AnnotatedText
from huggingface_ner.tagging.loading import tagger_of_model
from huggingface_ner.tagging.tag_groups import TagGroups
from huggingface_ner.tagging.windows import Windower

Trained = tuple[PreTrainedModel, PreTrainedTokenizerBase]


def plain(
    examples: Sequence[AnnotatedText], labels: Sequence[str], encoder: Path, steps: int, pad_to: int | None
) -> Trained:
    """Train with transformers' Trainer and collator.

    pad_to: the number of tokens to which rows are padded; None: the length of a batch's longest row.
    """
    set_seed(0)
    tokenizer = load_tokenizer(encoder)
    model, _ = load_model(encoder)
    tag_groups = TagGroups.bio([labels])
    replace_head(model, tag_groups, None)
    windows = label_windows(examples, Windower(tokenizer, window_length(model)), tag_groups).remove_columns(
        "length"
    )
    collate = DataCollatorForTokenClassification(
        tokenizer, padding="max_length" if pad_to else True, max_length=pad_to
    )
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            max_steps=steps,
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
            dataloader_pin_memory=False,
        )
        Trainer(model=model, args=arguments, train_dataset=windows, data_collator=collate).train()
    return model, tokenizer


def ours(examples: Sequence[AnnotatedText], labels: Sequence[str], encoder: Path, steps: int) -> Trained:
    """Train once as the service does, for the same number of steps."""
    hyperparameters = Hyperparameters(1e-3, steps / math.ceil(len(examples) / WINDOWS_PER_BATCH), repetitions=1)
    return fine_tune(examples, labels, encoder, hyperparameters, match_labels=lambda _: {}, device="cpu")


def main() -> None:
    """Run the loops, and print their speed and F1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, help="default: examples/news")
    parser.add_argument("--texts", type=int, default=200, help="number of training texts (default: %(default)s)")
    parser.add_argument(
        "--epochs", type=float, default=2, help="number of passes over the texts (default: %(default)s)"
    )
    parser.add_argument("--base", action="store_true", help="use an encoder of BERT-base's size")
    parser.add_argument(
        "--padded-steps", type=int, default=3, help="steps of the loop that pads to 512 tokens; 0: none"
    )
    options = parser.parse_args()
    silence_libraries()
    fine_tuning.MIN_STEPS = fine_tuning.MIN_PASSES = 0
    fine_tuning.TOKENS_PER_BATCH = sys.maxsize

    examples = read_corpus(options.corpus, "train")
    random.Random(0).shuffle(examples)
    learned, scored = examples[: options.texts], read_corpus(options.corpus, "test")[:500]
    labels = sorted({span.label for text in examples for span in text.spans})
    steps = math.ceil(options.epochs * math.ceil(len(learned) / WINDOWS_PER_BATCH))
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        encoder = base_encoder(Path(folder) / "base") if options.base else packaged_encoder()
        ways: dict[str, tuple[int, Any]] = {
            "plain Trainer loop": (steps, lambda steps: plain(learned, labels, encoder, steps, None)),
            "padded to 512 tokens": (
                options.padded_steps,
                lambda steps: plain(learned, labels, encoder, steps, 512),
            ),
            "ours": (steps, lambda steps: ours(learned, labels, encoder, steps)),
        }
        print(f"{len(learned)} texts, {steps} steps of {WINDOWS_PER_BATCH} windows")
        print(f"{'':24} {'s/step':>8} {'F1':>7}")
        speeds = {}
        for name, (number, run) in ways.items():
            if number:
                started = time.perf_counter()
                trained = run(number)
                speeds[name] = (time.perf_counter() - started) / number
                f1 = ""
                if number == steps:
                    found = tagger_of_model(*trained).find_spans([text.text for text in scored])
                    f1 = f"{evaluate([text.spans for text in scored], found).overall.f1:.4f}"
                print(f"{name:24} {speeds[name]:8.3f} {f1:>7}", flush=True)
    for name, speed in speeds.items():
        if name != "ours":
            print(f"ours over {name:24} {speed / speeds['ours']:6.2f} x")


if __name__ == "__main__":
    main()
