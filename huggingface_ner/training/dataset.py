"""Annotated texts to labelled windows, and which tasks are held out."""

import hashlib
import logging
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence

from datasets import Dataset

from huggingface_ner.spans import AnnotatedText, Span
from huggingface_ner.tagging.decoding import OUTSIDE, TagScheme
from huggingface_ner.tagging.windows import TokenizedText, Windower

# What torch's cross-entropy leaves out: tokens that are not the first of a word that the window decides.
IGNORED = -100
# Fewer tasks than this are all needed for learning.
LEAST_FOR_HELD_OUT = 20
MOST_HELD_OUT = 200

logger = logging.getLogger(__name__)


def split_held_out(
    examples: Sequence[AnnotatedText], share: float
) -> tuple[list[AnnotatedText], list[AnnotatedText]]:
    """Return the examples to learn from and those held out for measuring; texts of one task stay together.

    share: which part of the tasks to hold out, within [0, 1). A task is chosen by a hash of its id, so that the
    choice is the same in every run and does not change as tasks are added; at most MOST_HELD_OUT are, and none
    when there are fewer than LEAST_FOR_HELD_OUT tasks.
    """
    tasks = {example.task_id for example in examples}
    held_out: set[str] = set()
    if share > 0 and len(tasks) >= LEAST_FOR_HELD_OUT:
        by_hash = sorted(tasks, key=_hash_fraction)
        chosen = sum(_hash_fraction(task) < share for task in tasks)
        held_out = set(by_hash[: min(max(chosen, 1), MOST_HELD_OUT)])
    return (
        [example for example in examples if example.task_id not in held_out],
        [example for example in examples if example.task_id in held_out],
    )


def _hash_fraction(task_id: str) -> float:
    return int.from_bytes(hashlib.sha256(task_id.encode("utf-8", "surrogatepass")).digest()[:8]) / 2**64


def drop_overlaps(spans: Iterable[Span]) -> list[Span]:
    """Return spans in order without overlaps: the longer one wins, of two as long the earlier."""
    kept: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start - span.end, span.start)):
        place = bisect_left(kept, span.start, key=lambda other: other.start)
        after_previous = place == 0 or kept[place - 1].end <= span.start
        before_next = place == len(kept) or span.end <= kept[place].start
        if after_previous and before_next:
            kept.insert(place, span)
    return kept


def label_windows(examples: Sequence[AnnotatedText], windower: Windower, scheme: TagScheme) -> Dataset:
    """Return a dataset of windows over the whole of every text, with ``input_ids``, ``labels`` and ``length``.

    labels: for each token an index into ``scheme.tags``, or IGNORED. Spans whose label the scheme lacks are left
    out; of overlapping spans the longer wins. Both are counted in the log.
    """
    rows: dict[str, list[list[int]]] = {"input_ids": [], "labels": []}
    unknown: Counter[str] = Counter()
    overlapping = 0
    for example, text in zip(examples, windower.tokenize([example.text for example in examples]), strict=True):
        known = [span for span in example.spans if span.label in scheme.labels]
        unknown.update(span.label for span in example.spans if span.label not in scheme.labels)
        spans = drop_overlaps(known)
        overlapping += len(known) - len(spans)
        tags = word_tags(text, spans, scheme)
        for window in windower.windows(text):
            labels = [IGNORED] * len(window.input_ids)
            for word, position in enumerate(window.positions, start=window.first_word):
                labels[position] = tags[word]
            rows["input_ids"].append(window.input_ids)
            rows["labels"].append(labels)
    if unknown:
        logger.warning("left out regions with labels that the labelling config does not have: %s", dict(unknown))
    if overlapping:
        logger.warning(
            "left out %d regions that overlap a longer one: a word can have one label only", overlapping
        )
    return Dataset.from_dict({**rows, "length": [len(ids) for ids in rows["input_ids"]]})


def word_tags(text: TokenizedText, spans: Sequence[Span], scheme: TagScheme) -> list[int]:
    """Return for each word its tag's index: the word that a span begins in is B, what else it touches I.

    spans: in order, not overlapping. Of two spans that meet within one word the first keeps it.
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
