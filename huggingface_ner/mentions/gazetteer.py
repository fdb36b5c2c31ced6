"""Reads a gazetteer: a file of strings and labels that are suggested before anything is annotated."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from huggingface_ner.errors import HuggingFaceNERError
from huggingface_ner.label_studio.occurrences import MAX_MENTION_CHARACTERS
from huggingface_ner.mentions.string_finder import StringFinder

MAX_BYTES = 50_000_000
MAX_SHOWN = 80


class GazetteerError(HuggingFaceNERError):
    """The gazetteer cannot be used; the message names the file, the line if one is wrong, and the reason."""


@dataclass(frozen=True)
class Gazetteer:
    """The strings of a gazetteer and the labels of each string, in the order of the file."""

    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    finder: StringFinder = field(default_factory=StringFinder)


@lru_cache(maxsize=2)
def read_gazetteer(path: Path | None) -> Gazetteer:
    """Read a UTF-8 file of lines ``text<TAB>label``; without a path, return an empty gazetteer.

    Empty lines are skipped. A string with several labels has one line for each label. Each process reads a file
    only once. Raises GazetteerError.
    """
    if path is None:
        return Gazetteer()
    labels: dict[str, dict[str, None]] = {}
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        parts = [part.strip() for part in line.split("\t")]
        if len(parts) != 2 or not all(parts):
            raise GazetteerError(
                f"GAZETTEER={path}: line {number} ({line[:MAX_SHOWN]!r}) is not a text, a tab and a label"
            )
        text, label = parts
        if len(text) > MAX_MENTION_CHARACTERS:
            raise GazetteerError(
                f"GAZETTEER={path}: the text in line {number} is longer than {MAX_MENTION_CHARACTERS} characters"
            )
        labels.setdefault(text, {})[label] = None
    return Gazetteer({text: tuple(found) for text, found in labels.items()}, StringFinder(labels))


def _lines(path: Path) -> list[str]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise GazetteerError(f"GAZETTEER={path}: the file has more than {MAX_BYTES} bytes")
        # splitlines() would also split at characters that can be part of a string
        return path.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise GazetteerError(f"GAZETTEER={path}: the file cannot be read: {error}") from error
    except UnicodeDecodeError as error:
        raise GazetteerError(f"GAZETTEER={path}: not valid UTF-8: {error}") from error
