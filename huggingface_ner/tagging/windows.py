"""Texts to overlapping token windows, and the words that each window decides.

Nothing is truncated: a text longer than the model is cut into windows that overlap, and each word takes its
prediction from the window in which it has most context on its poorer side. Training uses the same windows, so a
model is asked what it was taught.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import regex
from tokenizers import Tokenizer

from huggingface_ner.engines.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Scripts written without spaces: there every character may begin an entity.
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_WORD = regex.compile(rf"(?V1)(?:[{_UNSPACED}]|[\p{{L}}\p{{N}}\p{{M}}_--[{_UNSPACED}]]+|\S)\p{{M}}*")
_LONE_SURROGATE = regex.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class TokenizedText:
    """A text as the model sees it.

    token_ids: the whole text's tokens, without special tokens.
    words: for each word its stretch of the text in code points, half-open; in order, not overlapping.
    first_tokens: for each word the index of its first token in ``token_ids``; ascending.
    """

    token_ids: list[int]
    words: list[tuple[int, int]]
    first_tokens: list[int]


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of a text's tokens that fits the model.

    input_ids: token ids with special tokens.
    positions: where in ``input_ids`` the first token of each word stands that this window decides.
    first_word: the index, in the text, of the first of these words; they follow one another.
    """

    input_ids: list[int]
    positions: list[int]
    first_word: int


class Windower:
    """Cuts texts into windows of at most ``max_length`` tokens, special tokens included.

    tokenizer: of transformers, or the tokenizers library's own behind it.
    overlap: how many tokens neighbouring windows share; a quarter of a window unless given.
    Raises ModelError for a tokenizer without offsets (a slow one).
    """

    def __init__(
        self, tokenizer: "PreTrainedTokenizerBase | Tokenizer", max_length: int, overlap: int | None = None
    ) -> None:
        self._backend = tokenizer if isinstance(tokenizer, Tokenizer) else _backend(tokenizer)
        # A tokenizer.json may store both; they would cut texts silently and be saved with the model.
        self._backend.no_truncation()
        self._backend.no_padding()
        self._prefix, self._suffix = self._special_tokens()
        self._body = max_length - len(self._prefix) - len(self._suffix)
        self._overlap = self._body // 4 if overlap is None else overlap
        if self._overlap >= self._body:
            raise ValueError(f"windows of {max_length} tokens leave no room for an overlap of {self._overlap}")

    def save_tokenizer(self, path: Path) -> None:
        """Write the tokenizer for ``Tokenizer.from_file``."""
        self._backend.save(str(path))

    def _special_tokens(self) -> tuple[list[int], list[int]]:
        with_special = self._backend.encode("a", add_special_tokens=True)
        own = [i for i, special in enumerate(with_special.special_tokens_mask) if not special]
        return with_special.ids[: own[0]], with_special.ids[own[-1] + 1 :]

    def tokenize(self, texts: Sequence[str]) -> list[TokenizedText]:
        """Return the tokens and words of each text, in order."""
        # The Rust side takes valid Unicode only; one replacement for one code point keeps every offset.
        clean = [_LONE_SURROGATE.sub("\ufffd", text) for text in texts]
        encodings = self._backend.encode_batch(clean, add_special_tokens=False)
        return [
            TokenizedText(encoding.ids, *_words(text, encoding.offsets))
            for text, encoding in zip(clean, encodings, strict=True)
        ]

    def windows(self, text: TokenizedText) -> Iterator[Window]:
        """Yield windows that between them decide every word of the text exactly once, in order."""
        count = len(text.token_ids)
        starts = [
            *range(0, max(count - self._body, 0), self._body - self._overlap),
            max(count - self._body, 0),
        ]
        first_word = 0
        for index, start in enumerate(starts):
            stop = min(start + self._body, count)
            # in the middle of an overlap a word has as much context in either window
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
            f"{tokenizer.name_or_path}: its tokenizer ({type(tokenizer).__name__}) is a slow one and gives no "
            "character offsets; use a model that has a tokenizer.json"
        )
    backend: Tokenizer = tokenizer.backend_tokenizer
    return backend


def _words(text: str, offsets: Sequence[tuple[int, int]]) -> tuple[list[tuple[int, int]], list[int]]:
    """Group tokens into words: none begins or ends inside a token, or inside a run of letters.

    Tokenizers disagree on words (to some "Paris." is one, to others a Japanese sentence is), so words come from
    the text, joined where one token spans several of them.
    """
    runs = [match.span() for match in _WORD.finditer(text)]
    run_starts = [start for start, _ in runs]

    def run_at(index: int) -> tuple[int, int]:
        found = bisect_right(run_starts, index) - 1
        return runs[found] if found >= 0 and index < runs[found][1] else (index, index + 1)

    words: list[tuple[int, int]] = []
    first_tokens: list[int] = []
    for token, (token_start, token_end) in enumerate(offsets):
        surface = text[token_start:token_end]
        if not surface.strip():
            continue
        # some tokenizers count the blanks around a word in
        start = run_at(token_start + len(surface) - len(surface.lstrip()))[0]
        end = run_at(token_end - len(surface) + len(surface.rstrip()) - 1)[1]
        if words and start < words[-1][1]:
            words[-1] = (words[-1][0], max(words[-1][1], end))
        else:
            words.append((start, end))
            first_tokens.append(token)
    return words, first_tokens
