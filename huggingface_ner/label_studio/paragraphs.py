"""``<Paragraphs>``: a dialogue, one utterance after the other."""

import json
import math
import re
from bisect import bisect_right
from collections.abc import Mapping
from functools import cmp_to_key
from typing import Any

from huggingface_ner.label_studio.page_values import MISSING, UnreadableTextError, as_number, as_text, is_true
from huggingface_ner.label_studio.places import checked, whole_number
from huggingface_ner.label_studio.utf16 import CodeUnits

_INDEX = re.compile(r"[0-9]{1,9}", re.ASCII)


class ParagraphsDocument:
    """The utterances' texts, joined by line breaks; each is a text node in the page, so nothing is dropped."""

    def __init__(self, paragraphs: list[str]) -> None:
        self.text = "\n".join(paragraphs)
        self._units = [CodeUnits(paragraph) for paragraph in paragraphs]
        self._starts = [0]
        for paragraph in paragraphs[:-1]:
            self._starts.append(self._starts[-1] + len(paragraph) + 1)
        self.borders = tuple(self._starts[1:])

    def value(self, start: int, end: int) -> dict[str, Any] | None:
        """See documents.Document."""
        if not self._units:
            return None
        first, last = self._paragraph_at(start), self._paragraph_at(end - 1)
        return {
            "start": str(first),
            "end": str(last),
            "startOffset": self._units[first].before(start - self._starts[first]),
            "endOffset": self._units[last].before(end - self._starts[last]),
            "text": self.text[start:end],
        }

    def offsets(self, value: Mapping[str, Any]) -> tuple[int, int] | None:
        """See documents.Document."""
        start = self._offset(value.get("start"), value.get("startOffset"))
        return checked(start, self._offset(value.get("end"), value.get("endOffset")), len(self.text))

    def _paragraph_at(self, offset: int) -> int:
        return bisect_right(self._starts, offset) - 1

    def _offset(self, index: object, units: object) -> int | None:
        # the page writes the index as a string
        paragraph = int(index) if isinstance(index, str) and _INDEX.fullmatch(index) else whole_number(index)
        offset = whole_number(units)
        if paragraph is None or offset is None or not 0 <= paragraph < len(self._units):
            return None
        return self._starts[paragraph] + self._units[paragraph].code_point(offset)


def read_utterances(value: object, text_key: str, *, is_sorted: bool) -> list[str]:
    """Return the texts of a dialogue in the page's order.

    value: the list of utterances, or its JSON; raises UnreadableTextError if it is anything else.
    is_sorted: whether the page sorts by ``start``, then ``end``; utterances that start at the number 0 or have no
    start come last.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise UnreadableTextError("paragraphs: a list of objects is needed, not a text") from None
    if not isinstance(value, list):
        kind = "nothing" if value is None else type(value).__name__
        raise UnreadableTextError(f"paragraphs: a list of objects is needed, not {kind}")
    utterances = sorted(value, key=cmp_to_key(_by_time)) if is_sorted else value
    return [
        _shown(utterance.get(text_key) if isinstance(utterance, dict) else utterance) for utterance in utterances
    ]


def _shown(value: object) -> str:
    """Return a value as React shows it; only texts, numbers and lists of them are shown."""
    if isinstance(value, list):
        return "".join(_shown(item) for item in value)
    if value is None or isinstance(value, bool | dict):
        return ""
    return as_text(value)


def _by_time(one: object, other: object) -> int:
    """Compare two utterances as the page's sort does; times can be numbers or texts."""
    start, other_start = _field(one, "start"), _field(other, "start")
    if not is_true(start) or not is_true(other_start):
        return 1 if not is_true(start) else -1
    difference = as_number(start) - as_number(other_start)
    if start == other_start:
        difference = as_number(_end(one)) - as_number(_end(other))
    return 0 if math.isnan(difference) else (difference > 0) - (difference < 0)


def _end(utterance: object) -> object:
    """Return ``end``, or else ``start + duration``, which joins the two if one is a text; 0 if there is none."""
    start, end, duration = (_field(utterance, key) for key in ("start", "end", "duration"))
    if is_true(end):
        return end
    is_joined = isinstance(start, str) or isinstance(duration, str)
    end = as_text(start) + as_text(duration) if is_joined else as_number(start) + as_number(duration)
    return end if is_true(end) else 0


def _field(utterance: object, key: str) -> object:
    return utterance.get(key, MISSING) if isinstance(utterance, dict) else MISSING
