"""Turns annotated texts into labelled windows, and chooses the tasks to hold out."""

import hashlib
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from datasets import Dataset, Features, List, Value, disable_progress_bars

from huggingface_ner.spans import AnnotatedText, Span, drop_overlaps
from huggingface_ner.tagging.decoding import TagScheme
from huggingface_ner.tagging.tag_names import OUTSIDE
from huggingface_ner.tagging.windows import TokenizedText, Windower

# The label that torch's cross-entropy ignores. All tokens have it but the first of each word that
# the window decides.
IGNORED = -100
# With fewer tasks, all are used for training.
MIN_TASKS_FOR_HELD_OUT = 20
MAX_HELD_OUT = 200
# Texts that are tokenized at once.
TEXTS_AT_A_TIME = 1000
_FEATURES = Features({"input_ids": List(Value("int32")), "labels": List(Value("int32")), "length": Value("int32")})

logger = logging.getLogger(__name__)
disable_progress_bars()


def held_out_tasks(task_ids: Iterable[str], share: float, min_tasks: int = MIN_TASKS_FOR_HELD_OUT) -> set[str]:
    """Return the tasks to hold out.

    share: the share of the tasks to hold out, within [0, 1). A task is chosen by a hash of its id, so that the
    choice is the same in every run and does not change when tasks are added. At most MAX_HELD_OUT are chosen, and
    none if there are fewer than ``min_tasks``.
    """
    tasks = set(task_ids)
    if share <= 0 or len(tasks) < min_tasks:
        return set()
    by_hash = sorted(tasks, key=_hash_fraction)
    chosen = sum(_hash_fraction(task) < share for task in tasks)
    return set(by_hash[: min(max(chosen, 1), MAX_HELD_OUT)])


def _hash_fraction(task_id: str) -> float:
    return int.from_bytes(hashlib.sha256(task_id.encode("utf-8", "surrogatepass")).digest()[:8]) / 2**64


def label_windows(
    examples: Sequence[AnnotatedText], windower: Windower, scheme: TagScheme, folder: Path | None = None
) -> Dataset:
    """Return a dataset of windows that cover every text, with ``input_ids``, ``labels`` and ``length``.

    labels: for each token an index into ``scheme.tags``, or IGNORED. Spans whose label the scheme lacks are not
    used; of overlapping spans the longer wins. The log counts both.
    folder: stores the dataset, and has to exist as long as it is used; None: the dataset is in memory.
    """

    def rows() -> Iterator[dict[str, object]]:
        return _window_rows(examples, windower, scheme)

    if folder is None or next(rows(), None) is None:  # an empty dataset cannot be made on disk
        made = list(rows())
        return Dataset.from_dict({name: [row[name] for row in made] for name in _FEATURES}, features=_FEATURES)
    return Dataset.from_generator(rows, features=_FEATURES, cache_dir=str(folder), fingerprint="windows")


def _window_rows(
    examples: Sequence[AnnotatedText], windower: Windower, scheme: TagScheme
) -> Iterator[dict[str, object]]:
    unknown: Counter[str] = Counter()
    overlapping = 0
    for start in range(0, len(examples), TEXTS_AT_A_TIME):
        some = examples[start : start + TEXTS_AT_A_TIME]
        for example, text in zip(some, windower.tokenize([example.text for example in some]), strict=True):
            known = [span for span in example.spans if span.label in scheme.labels]
            unknown.update(span.label for span in example.spans if span.label not in scheme.labels)
            spans = drop_overlaps(known)
            overlapping += len(known) - len(spans)
            tags = word_tags(text, spans, scheme)
            for window in windower.windows(text):
                labels = [IGNORED] * len(window.input_ids)
                for word, position in enumerate(window.positions, start=window.first_word):
                    labels[position] = tags[word]
                yield {"input_ids": window.input_ids, "labels": labels, "length": len(labels)}
    if unknown:
        logger.warning(
            "annotated regions were not used: the labelling config does not have their labels: %s", dict(unknown)
        )
    if overlapping:
        logger.warning(
            "%d annotated regions were not used: they overlap longer regions, and a word can have only one label",
            overlapping,
        )


def word_tags(text: TokenizedText, spans: Sequence[Span], scheme: TagScheme) -> list[int]:
    """Return the index of each word's tag: B for the word that a span begins in, I for the others that it touches.

    spans: in order, not overlapping. If two spans meet within one word, the first one gets it.
    """
    outside = scheme.ids[OUTSIDE, ""]
    tags = [outside] * len(text.words)
    word = 0
    for span in spans:
        while word < len(text.words) and text.words[word][1] <= span.start:
            word += 1
        prefix = "B"
        while word < len(text.words) and text.words[word][0] < span.end:
            tags[word] = scheme.ids[prefix, span.label]
            prefix = "I"
            word += 1
    return tags
