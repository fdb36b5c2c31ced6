"""Cuts texts into overlapping token windows, and says which words each window decides.

Nothing is truncated: a text that is longer than the model's input is cut into overlapping windows. A word in an
overlap is in several windows. One of them *decides* the word, that is, gives its prediction: the window in which
the word is closest to the middle, so that the word has context on both sides. Training uses the same windows, so
the model sees the same kind of input in training and in prediction.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import regex
from tokenizers import Encoding, Tokenizer

from huggingface_ner.engines.errors import ModelError
from huggingface_ner.tagging.inner_borders import InnerBorders
from huggingface_ner.tagging.words import WORD_RULES, Runs, group_tokens, stripped

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Texts that have together at most this many characters are tokenized in the calling thread: passing them to the
# threads of the tokenizers library takes 50 microseconds, longer than tokenizing a sentence. The limit exists
# because the calling thread keeps Python's global lock meanwhile.
SHORT = 1_000

_LONE_SURROGATE = regex.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class TokenizedText:
    """A text as the model sees it.

    token_ids: the whole text's tokens, without special tokens.
    words: the stretch of the text that each word covers, in code points, half-open; in order, not overlapping.
    first_tokens: the index, in ``token_ids``, of each word's first token; ascending.
    unknown: how many tokens are the tokenizer's unknown token and stand for letters. Emoji and other symbols do
        not count: they say nothing about the language of a text.
    """

    token_ids: list[int]
    words: list[tuple[int, int]]
    first_tokens: list[int]
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of a text's tokens that fits the model.

    input_ids: token ids with special tokens.
    positions: the index, in ``input_ids``, of the first token of each word that this window decides.
    first_word: the index, in the text, of the first word that this window decides; the others follow directly.
    """

    input_ids: list[int]
    positions: list[int]
    first_word: int


class Windower:
    """Cuts texts into windows of at most ``max_length`` tokens, special tokens included.

    tokenizer: a tokenizer of transformers or of the tokenizers library.
    overlap: how many tokens neighbouring windows share (the last two may share more); by default a quarter of a
        window, without its special tokens.
    word_rules: the version of the rules for words that the model was trained with; see words.py.
    inner_borders: where the model was trained to cut words; None if it was not.
    Raises ModelError if the tokenizer is a slow one, which gives no offsets.
    """

    def __init__(
        self,
        tokenizer: "PreTrainedTokenizerBase | Tokenizer",
        max_length: int,
        overlap: int | None = None,
        *,
        word_rules: int = WORD_RULES,
        inner_borders: InnerBorders | None = None,
    ) -> None:
        self._backend = tokenizer if isinstance(tokenizer, Tokenizer) else _backend(tokenizer)
        # A tokenizer.json may turn on truncation and padding. Both would change texts silently, and would be saved
        # with the model.
        self._backend.no_truncation()
        self._backend.no_padding()
        self._word_rules = word_rules
        self._inner_borders = inner_borders
        self._unknown = _unknown_id(self._backend)
        self._prefix, self._suffix = self._special_tokens()
        self._body = max_length - len(self._prefix) - len(self._suffix)
        self._overlap = self._body // 4 if overlap is None else overlap
        if self._overlap >= self._body:
            raise ValueError(f"windows of {max_length} tokens leave no room for an overlap of {self._overlap}")

    def save_tokenizer(self, path: Path) -> None:
        """Write the tokenizer to a file that ``Tokenizer.from_file`` can read."""
        self._backend.save(str(path))

    def _special_tokens(self) -> tuple[list[int], list[int]]:
        with_special = self._backend.encode("a", add_special_tokens=True)
        own = [i for i, special in enumerate(with_special.special_tokens_mask) if not special]
        return with_special.ids[: own[0]], with_special.ids[own[-1] + 1 :]

    def tokenize(self, texts: Sequence[str]) -> list[TokenizedText]:
        """Return the tokens and words of each text, in order."""
        # The Rust library accepts only valid Unicode. A replacement is one code point, so offsets do not change.
        clean = [_LONE_SURROGATE.sub("\ufffd", text) for text in texts]
        encodings = self._encode(clean)
        return [self._tokenized(text, encoding) for text, encoding in zip(clean, encodings, strict=True)]

    def _encode(self, texts: Sequence[str]) -> list[Encoding]:
        if sum(map(len, texts)) <= SHORT:
            return [self._backend.encode(text, add_special_tokens=False) for text in texts]
        return self._backend.encode_batch(texts, add_special_tokens=False)

    def _tokenized(self, text: str, encoding: Encoding) -> TokenizedText:
        ids, offsets = encoding.ids, encoding.offsets
        runs = Runs.of(text, self._word_rules)
        if self._word_rules > 1:
            places = [stripped(text, offset) for offset in offsets]
            cut = [
                place
                for place, token in zip(places, ids, strict=True)
                if place[1] - place[0] > 1 and runs.cut_by(*place, unknown=token == self._unknown)
            ]
            if cut:
                ids, offsets = self._tokenized_by_runs(text, ids, offsets, runs, cut)
        words, first_tokens = group_tokens(text, offsets, runs)
        if self._inner_borders is not None:
            return self._cut_words(text, ids, offsets, words, self._inner_borders)
        return TokenizedText(ids, words, first_tokens, self._count_unknown(text, ids, offsets))

    def _tokenized_by_runs(
        self,
        text: str,
        ids: Sequence[int],
        offsets: Sequence[tuple[int, int]],
        runs: Runs,
        cut: Sequence[tuple[int, int]],
    ) -> tuple[list[int], list[tuple[int, int]]]:
        """Tokenize some runs again, each separately; return the text's new token ids and offsets.

        cut: the stretches of the text whose runs are tokenized again, ascending. Each is a token that hides a
        border between two runs, see Runs.cut_by, or a word of several runs.
        """
        new_ids: list[int] = []
        new_offsets: list[tuple[int, int]] = []
        token = done = 0
        for place in cut:
            if place[0] < done:
                continue
            start, done = runs.at(place[0])[0], runs.at(place[1] - 1)[1]
            while offsets[token][1] <= start:
                new_ids.append(ids[token])
                new_offsets.append(offsets[token])
                token += 1
            while token < len(ids) and offsets[token][0] < done:
                start, done = min(start, offsets[token][0]), max(done, runs.at(offsets[token][1] - 1)[1])
                token += 1
            borders = runs.borders(start, done)
            pieces = [text[left:right] for left, right in itertools.pairwise(borders)]
            encodings = self._encode(pieces)
            for left, encoding in zip(borders[:-1], encodings, strict=True):
                new_ids += encoding.ids
                new_offsets += [(left + first, left + last) for first, last in encoding.offsets]
        return [*new_ids, *ids[token:]], [*new_offsets, *offsets[token:]]

    def _cut_words(
        self,
        text: str,
        ids: list[int],
        offsets: list[tuple[int, int]],
        words: Sequence[tuple[int, int]],
        inner_borders: InnerBorders,
    ) -> TokenizedText:
        """Cut words at their inner borders; each part is a word, tokenized as if it stood alone."""
        cut, parts = [], []
        for start, end in words:
            borders = [start, *(start + at for at in inner_borders.cuts(text[start:end])), end]
            parts += list(itertools.pairwise(borders))
            if len(borders) > 2:
                cut.append((start, end))
        runs = Runs.of_words(parts)
        if cut:
            ids, offsets = self._tokenized_by_runs(text, ids, offsets, runs, cut)
        return TokenizedText(ids, *group_tokens(text, offsets, runs), self._count_unknown(text, ids, offsets))

    def _count_unknown(self, text: str, ids: list[int], offsets: list[tuple[int, int]]) -> int:
        """Return how many tokens are unknown and stand for letters."""
        if self._unknown is None or self._unknown not in ids:  # almost always so, and fast to find out
            return 0
        places = [place for token, place in zip(ids, offsets, strict=True) if token == self._unknown]
        return sum(any(map(str.isalpha, text[start:end])) for start, end in places)

    def windows(self, text: TokenizedText) -> Iterator[Window]:
        """Yield windows, in order, that together decide every word of the text exactly once."""
        count = len(text.token_ids)
        starts = [
            *range(0, max(count - self._body, 0), self._body - self._overlap),
            max(count - self._body, 0),
        ]
        first_word = 0
        for index, start in enumerate(starts):
            stop = min(start + self._body, count)
            # a word in the middle of an overlap has the same amount of context in both windows
            border = count if index == len(starts) - 1 else (starts[index + 1] + stop) // 2
            next_word = first_word
            positions = []
            while next_word < len(text.words) and text.first_tokens[next_word] < border:
                positions.append(text.first_tokens[next_word] - start + len(self._prefix))
                next_word += 1
            if positions:
                input_ids = [*self._prefix, *text.token_ids[start:stop], *self._suffix]
                yield Window(input_ids, positions, first_word)
            first_word = next_word


def _backend(tokenizer: "PreTrainedTokenizerBase") -> Tokenizer:
    if not tokenizer.is_fast:
        raise ModelError(
            f"{tokenizer.name_or_path}: its tokenizer ({type(tokenizer).__name__}) is a slow one, which gives "
            "no character offsets; use a model that has a tokenizer.json"
        )
    backend: Tokenizer = tokenizer.backend_tokenizer
    return backend


def _unknown_id(backend: Tokenizer) -> int | None:
    """Return the id of a tokenizer's unknown token; None if it has no such token."""
    name: str | None = getattr(backend.model, "unk_token", None)
    if name is not None:
        return backend.token_to_id(name)
    # Unigram models do not name their unknown token. These private-use characters are in no vocabulary, and end in
    # different bytes: if their last tokens are the same, this is the unknown token; if not, these are bytes.
    first, second = (
        backend.encode(character, add_special_tokens=False).ids[-1:] for character in ("\U0010fffb", "\U0010fffd")
    )
    return first[0] if first and first == second else None
