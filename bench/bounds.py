"""Doubles each input up to its limit and prints time and memory: a ratio near 2 is linear."""

import contextlib
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator

from huggingface_ner.errors import HuggingFaceNERError
from huggingface_ner.label_studio.hypertext import HyperTextDocument
from huggingface_ner.label_studio.labeling_config import MAX_CHARACTERS, parse_labeling_config

HTML_LIMIT = 1_600_000
TEXT = '<Text name="t" value="$t"/>'


def _html(pattern: str) -> Callable[[int], object]:
    return lambda size: HyperTextDocument(pattern * (size // len(pattern)) + "Anna")


def _config(before: str, pattern: str, after: str) -> Callable[[int], object]:
    return lambda size: parse_labeling_config(
        f"<View>{before}{pattern * (size // len(pattern))}{after}{TEXT}</View>"
    )


INPUTS: dict[str, tuple[int, Callable[[int], object]]] = {
    "HTML: nested as deep as is read": (HTML_LIMIT, _html("<div>" * 4_000 + "x" + "</div>" * 4_000)),
    "HTML: <b> in <b>": (HTML_LIMIT, _html("<b>")),
    "HTML: misnested <b><p>": (HTML_LIMIT, _html("x<b>y<p>z</b>")),
    "HTML: list items": (HTML_LIMIT, _html("<li>Anna</li>")),
    "HTML: unmatched end tags": (HTML_LIMIT, _html("<i></b>")),
    "HTML: unfinished comments": (HTML_LIMIT, _html("<!--")),
    "config: labels": (MAX_CHARACTERS, _config('<Labels name="l" toName="t">', '<Label value="A"/>', "</Labels>")),
    "config: toName": (
        MAX_CHARACTERS,
        _config('<Labels name="l" toName="', "t,", '"><Label value="A"/></Labels>'),
    ),
    "config: controls": (
        MAX_CHARACTERS,
        _config("", '<Labels name="l" toName="t"><Label value="A"/></Labels>', ""),
    ),
    "config: <Labels> in <Labels>": (
        MAX_CHARACTERS,
        lambda size: parse_labeling_config(
            "<View>"
            + '<Labels name="l" toName="t"><Label value="A"/>' * (size // 60)
            + "</Labels>" * (size // 60)
            + TEXT
            + "</View>"
        ),
    ),
}


def _measured(make: Callable[[int], object], size: int) -> tuple[float, float]:
    """Return seconds and peak MB (Python's own memory)."""
    start = time.perf_counter()
    try:
        make(size)
    except HuggingFaceNERError as error:
        print(f"  refused: {error}")
    seconds = time.perf_counter() - start
    tracemalloc.start()
    with contextlib.suppress(HuggingFaceNERError):
        make(size + 100)  # another size, past the cache of configs
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return seconds, peak / 1e6


def _sizes(limit: int) -> Iterator[int]:
    size = limit // 16
    while size <= limit:
        yield size - 1_000  # the config around it
        size *= 2


def main() -> None:
    """Print a table."""
    for name, (limit, make) in INPUTS.items():
        print(name)
        before: tuple[float, float] | None = None
        for size in _sizes(limit):
            seconds, peak = _measured(make, size)
            ratios = "" if before is None else f"  x{seconds / before[0]:.1f}  x{peak / before[1]:.1f}"
            print(f"  {size:9,} characters  {seconds:7.3f} s  {peak:7.1f} MB{ratios}")
            before = seconds, peak
            sys.stdout.flush()


if __name__ == "__main__":
    main()
