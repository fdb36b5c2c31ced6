"""Measure how many planted errors the list of dubious annotations finds.

    python -m bench.dubious --corpus CORPUS [CORPUS ...] --texts 200 --seeds 0 1 2

In the first texts, a tenth of the annotated spans is made wrong, in three ways that take turns: a span is given
another label (flipped), shifted by a word, or dropped. Then a project with these annotations is trained as usual.
Prints how many of the first 20 entries of the list are planted errors, and how many of all planted errors the
first 50 entries find. An entry finds an error if it overlaps the right span or the wrong one. The corpora already
have errors; entries that find these count as wrong.
"""

import argparse
import logging
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from transformers.utils import logging as transformers_logging

from bench.learning import read
from huggingface_ner.engines.pretrained import packaged_encoder
from huggingface_ner.learning.fine_tuning import Hyperparameters
from huggingface_ner.learning.spool import Spool
from huggingface_ner.learning.training import Training, TrainingOptions
from huggingface_ner.spans import AnnotatedText, Span
from huggingface_ner.tagging.words import WORD_RULES, Runs

KINDS = ("flipped", "shifted", "dropped")
FIRST, MORE = 20, 50


@dataclass(frozen=True)
class Error:
    """A planted error. wrong: the span that is annotated instead of ``right``, or None if there is none."""

    task: str
    right: Span
    wrong: Span | None
    kind: str

    def is_at(self, task: str, start: int, end: int) -> bool:
        """Return whether a stretch of a task's text overlaps the error."""
        spans = [span for span in (self.right, self.wrong) if span is not None]
        return task == self.task and any(start < span.end and span.start < end for span in spans)


def plant(texts: Sequence[AnnotatedText], share: float, seed: int) -> tuple[list[AnnotatedText], list[Error]]:
    """Make a share of the spans wrong; return the texts, and the errors in them."""
    chance = random.Random(seed)
    places = [(number, span) for number, text in enumerate(texts) for span in text.spans]
    labels = sorted({span.label for _, span in places})
    spans = [list(text.spans) for text in texts]
    errors = []
    for count, (number, right) in enumerate(chance.sample(places, round(len(places) * share))):
        kind = KINDS[count % len(KINDS)]
        spans[number].remove(right)
        wrong: Span | None = None
        if kind == "flipped" and len(labels) > 1:
            wrong = replace(right, label=chance.choice([label for label in labels if label != right.label]))
        elif kind == "shifted":
            shifted = _shifted(texts[number].text, right, spans[number])
            wrong = chance.choice(shifted) if shifted else None
        spans[number] += [] if wrong is None else [wrong]
        errors.append(Error(texts[number].task_id, right, wrong, kind if wrong else "dropped"))
    return [replace(text, spans=tuple(sorted(own))) for text, own in zip(texts, spans, strict=True)], errors


def _shifted(text: str, span: Span, others: Sequence[Span]) -> list[Span]:
    """Return the span with one or both borders moved by a word, in all ways that overlap no other span."""
    runs = Runs.of(text, WORD_RULES)
    words = [
        word
        for word, (start, end) in enumerate(zip(runs.starts, runs.ends, strict=True))
        if start < span.end and span.start < end
    ]
    found = []
    for first, last in ((1, 1), (-1, -1), (0, 1), (-1, 0), (1, 0), (0, -1)):
        start, end = words[0] + first, words[-1] + last
        if 0 <= start <= end < len(runs.starts):
            moved = replace(span, start=runs.starts[start], end=runs.ends[end])
            if not any(moved.start < other.end and other.start < moved.end for other in others):
                found.append(moved)
    return found


def hits(listed: Sequence[dict[str, Any]], errors: Sequence[Error]) -> list[int | None]:
    """Return for each entry of the list the index of the error that it finds, or None if it finds no new error."""
    found: set[int] = set()
    indexes: list[int | None] = []
    for entry in listed:
        place = entry["task"], entry["start"], entry["end"]
        at = next(
            (index for index, error in enumerate(errors) if index not in found and error.is_at(*place)), None
        )
        found |= set() if at is None else {at}
        indexes.append(at)
    return indexes


def measure(options: argparse.Namespace, corpus: Path, seed: int) -> str:
    """Plant errors, train, and return how many of them the list finds."""
    texts = read(corpus, "train", cut=options.sentences)
    texts, errors = plant(texts[: options.texts], options.share, seed)
    labels = sorted({span.label for text in texts for span in text.spans})
    with TemporaryDirectory() as folder, Spool(Path(folder) / "texts.jsonl") as spool:
        for text in texts:
            spool.add(text)
        training = Training(
            spool,
            labels,
            lambda _: {},
            options.baseline,
            TrainingOptions(Hyperparameters(seed=seed)),
            match_labels_over=lambda own, _: {label: label for label in own},
            report=lambda _: None,
        )
        listed = training.run().review["dubious"]
    found = hits(listed[:MORE], errors)
    right, recalled = sum(one is not None for one in found[:FIRST]), [one for one in found if one is not None]
    kinds = Counter(errors[one].kind for one in recalled)
    planted = Counter(error.kind for error in errors)
    by_kind = ", ".join(f"{kinds[kind]} of {planted[kind]} {kind}" for kind in KINDS)
    return f"{right} of the first {FIRST}; {len(recalled)} of {len(errors)} in the first {MORE} ({by_kind})"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print for each corpus and seed how many planted errors the list finds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, nargs="+", action="extend", required=True)
    parser.add_argument("--sentences", action="store_true", help="cut the corpora's texts into sentences")
    parser.add_argument("--texts", type=int, default=200, help="number of annotated texts (default: %(default)s)")
    parser.add_argument(
        "--share", type=float, default=0.1, help="share of the spans that are made wrong (default: %(default)s)"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="default: 0 to 2")
    parser.add_argument("--baseline", default=packaged_encoder(), help="default: the packaged encoder")
    options = parser.parse_args(arguments)
    for corpus in options.corpus:
        for seed in options.seeds:
            print(f"{corpus.name}, seed {seed}: {measure(options, corpus, seed)}", flush=True)


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    transformers_logging.set_verbosity_error()
    main()
