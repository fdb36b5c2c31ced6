"""Turns annotated texts into labelled windows."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset, Features, List, Value, disable_progress_bars

from huggingface_ner.learning.overlaps import learnable_spans
from huggingface_ner.learning.unknown_tokens import UnknownTokens
from huggingface_ner.left_out import LeftOut
from huggingface_ner.spans import AnnotatedText, Span
from huggingface_ner.tagging.decoding import TagScheme
from huggingface_ner.tagging.tag_groups import TagGroups
from huggingface_ner.tagging.tag_names import OUTSIDE
from huggingface_ner.tagging.windows import TokenizedText, Windower

# The label that torch's cross-entropy ignores. All tokens have it, except the first token of each word that the
# window decides; see tagging.windows.
IGNORED = -100
# Number of texts that are tokenized at once.
TEXTS_AT_A_TIME = 1000
_LABEL = Value("int32")

disable_progress_bars()


def label_windows(
    examples: Sequence[AnnotatedText],
    windower: Windower,
    tag_groups: TagGroups,
    folder: Path | None = None,
    left_out: LeftOut | None = None,
    *,
    unknown_tokens: UnknownTokens | None = None,
) -> Dataset:
    """Return a dataset of windows that cover every text, with ``input_ids``, ``labels`` and ``length``.

    labels: if there is only one tag group, each token has an index into the group's tags, or IGNORED. If there are
    several groups, each token has a list with an index for each group, or with IGNORED for each group.
    folder: the dataset is stored there; the folder must exist as long as the dataset is used. If None, the dataset
    is in memory.
    left_out: counts the spans that cannot be learned; see learnable_spans and word_tags.
    unknown_tokens: counts the tokens of the texts.
    """
    counts, tokens = LeftOut(), UnknownTokens("")

    def rows() -> Iterator[dict[str, object]]:
        # the rows may be generated more than once
        counts.regions.clear()
        tokens.tokens = tokens.unknown = 0
        return _window_rows(examples, windower, tag_groups, counts, tokens)

    is_plain = len(tag_groups.schemes) == 1
    labels = List(_LABEL if is_plain else List(_LABEL))
    features = Features({"input_ids": List(Value("int32")), "labels": labels, "length": Value("int32")})
    if folder is None or next(rows(), None) is None:  # an empty dataset cannot be created on disk
        made = list(rows())
        columns = {name: [row[name] for row in made] for name in features}
        dataset = Dataset.from_dict(columns, features=features)
    else:
        dataset = Dataset.from_generator(rows, features=features, cache_dir=str(folder), fingerprint="windows")
    if left_out is not None:
        left_out.merge(counts)
    if unknown_tokens is not None:
        unknown_tokens.merge(tokens)
    return dataset


def _window_rows(
    examples: Sequence[AnnotatedText],
    windower: Windower,
    tag_groups: TagGroups,
    left_out: LeftOut,
    unknown_tokens: UnknownTokens,
) -> Iterator[dict[str, object]]:
    for example, text in tokenized(examples, windower):
        unknown_tokens.add(text)
        learned = learnable_spans(example.spans, tag_groups.labels_by_group, left_out)
        by_group = [
            word_tags(text, spans, scheme, left_out)
            for spans, scheme in zip(learned, tag_groups.schemes, strict=True)
        ]
        is_plain = len(by_group) == 1
        tags: Sequence[Any] = by_group[0] if is_plain else list(zip(*by_group, strict=True))
        ignored: Any = IGNORED if is_plain else [IGNORED] * len(by_group)
        for window in windower.windows(text):
            labels = [ignored] * len(window.input_ids)
            for word, position in enumerate(window.positions, start=window.first_word):
                labels[position] = tags[word]
            yield {"input_ids": window.input_ids, "labels": labels, "length": len(labels)}


def tokenized(
    examples: Sequence[AnnotatedText], windower: Windower
) -> Iterator[tuple[AnnotatedText, TokenizedText]]:
    """Yield each text with its tokens, in order; TEXTS_AT_A_TIME are tokenized at once."""
    for start in range(0, len(examples), TEXTS_AT_A_TIME):
        some = examples[start : start + TEXTS_AT_A_TIME]
        yield from zip(some, windower.tokenize([example.text for example in some]), strict=True)


def word_prefixes(windows: Dataset, tag_groups: TagGroups, group: int) -> Iterator[list[str]]:
    """Yield, for each window, the prefixes of one group's tags for the words that the window decides, in order."""
    prefixes = [prefix for prefix, _ in tag_groups.schemes[group].tags]
    is_plain = len(tag_groups.schemes) == 1
    for labels in windows["labels"]:
        of_group = labels if is_plain else [row[group] for row in labels]
        yield [prefixes[label] for label in of_group if label != IGNORED]


def word_tags(
    text: TokenizedText, spans: Sequence[Span], scheme: TagScheme, left_out: LeftOut | None = None
) -> list[int]:
    """Return the index of each word's tag: B for the word in which a span begins, I for the span's other words.

    spans: in order, not overlapping. If two spans meet within one word, the word gets the tag of the first.
    left_out: counts the spans that get no word, and those that begin or end inside a word.
    """
    outside = scheme.ids[OUTSIDE, ""]
    tags = [outside] * len(text.words)
    word = 0
    for span in spans:
        while word < len(text.words) and text.words[word][1] <= span.start:
            word += 1
        first, prefix = word, "B"
        while word < len(text.words) and text.words[word][0] < span.end:
            tags[word] = scheme.ids[prefix, span.label]
            prefix = "I"
            word += 1
        if left_out is None:
            continue
        if first < word:
            if text.words[first][0] < span.start or span.end < text.words[word - 1][1]:
                left_out.add("part_of_word", span.label)
        else:
            is_shared = word > 0 and text.words[word - 1][1] > span.start
            left_out.add("shared_word" if is_shared else "no_word", span.label)
    return tags
