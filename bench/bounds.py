"""Measure time and memory for inputs that anybody can make large, with sizes doubled up to the limit.

Twice the input should take about twice the time and memory. If a ratio grows with the size, the cost is not
linear.
"""

import argparse
import re
import time
import tracemalloc
from collections.abc import Callable
from contextlib import suppress

from huggingface_ner.errors import HuggingFaceNERError
from huggingface_ner.label_studio.hypertext import HyperTextDocument
from huggingface_ner.label_studio.labeling_config import MAX_CHARACTERS, parse_labeling_config
from huggingface_ner.tagging.words import WORD_RULES, Runs

LABELS = '<Label value="PER"/>'


def _many_labels(size: int) -> str:
    labels = "".join(f'<Label value="L{number}"/>' for number in range(size // 20))
    return f'<View><Labels name="l" toName="t">{labels}</Labels><Text name="t" value="$t"/></View>'


def _many_controls(size: int) -> str:
    controls = "".join(f'<Labels name="l{n}" toName="t{n}">{LABELS}</Labels>' for n in range(size // 80))
    texts = "".join(f'<Text name="t{n}" value="$t{n}"/>' for n in range(size // 80))
    return f"<View>{controls}{texts}</View>"


def _many_targets(size: int) -> str:
    return (
        f'<View><Labels name="l" toName="{"t," * (size // 2)}">{LABELS}</Labels><Text name="t" value="$t"/></View>'
    )


def _nested_views(size: int) -> str:
    depth = min(size // 13, 5_000)
    inner = f'<Labels name="l" toName="t">{LABELS}</Labels><Text name="t" value="$t"/>'
    return "<View>" * depth + inner + "</View>" * depth


def _write_and_read_regions(html: str) -> None:
    """Write a region for each word of a text node, and read it."""
    document = HyperTextDocument(html)
    for word in re.finditer(r"\w+", document.text):
        document.offsets(document.value(*word.span()) or {})


def _match_spans(xml: str) -> None:
    """Look for the label of as many spans as the config has labels; none of the labels matches."""
    config = parse_labeling_config(xml)
    for _ in config.label_names:
        config.suggesting_control("X", {}, config.objects[0])


INPUTS: dict[str, tuple[int, Callable[[int], str], Callable[[str], object]]] = {
    "HTML, nested <b>": (400_000, lambda size: "<b>x" * (size // 4), HyperTextDocument),
    "HTML, nested <div>": (100_000, lambda size: "<div>x" * (size // 6), HyperTextDocument),
    "HTML, misnested": (400_000, lambda size: "<p><b>x<i>y</b>z</i>" * (size // 20), HyperTextDocument),
    "HTML, table": (800_000, lambda size: "<table>" + "<tr><td>x" * (size // 9), HyperTextDocument),
    "HTML, entities": (800_000, lambda size: "&amp;&#x41;" * (size // 11), HyperTextDocument),
    "HTML, regions in one text node": (400_000, lambda size: "Anna 😀 " * (size // 7), _write_and_read_regions),
    "text, flags": (400_000, lambda size: "🇫" * size, lambda text: Runs.of(text, WORD_RULES)),
    "labelling config, unknown spans": (MAX_CHARACTERS, _many_labels, _match_spans),
    "labelling config, labels": (MAX_CHARACTERS, _many_labels, parse_labeling_config),
    "labelling config, controls": (MAX_CHARACTERS, _many_controls, parse_labeling_config),
    "labelling config, toName": (MAX_CHARACTERS, _many_targets, parse_labeling_config),
    "labelling config, nested": (MAX_CHARACTERS, _nested_views, parse_labeling_config),
}


def main() -> None:
    """Print a row for each size: seconds, peak megabytes, and their ratios to the previous size's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smallest", type=int, default=25_000, metavar="CHARACTERS", help="default: %(default)s")
    options = parser.parse_args()
    for name, (limit, make, read) in INPUTS.items():
        print(f"\n{name}\n{'characters':>12} {'seconds':>9} {'MB':>8}  ratios")
        before: tuple[float, float] | None = None
        size = options.smallest
        while size <= limit:
            seconds, megabytes, refused = _measure(make(size), read)
            ratios = f"{seconds / before[0]:6.2f} {megabytes / before[1]:6.2f}" if before else ""
            print(f"{size:12,} {seconds:9.3f} {megabytes:8.1f}  {ratios}  {refused}", flush=True)
            before = max(seconds, 1e-6), max(megabytes, 1e-3)
            size *= 2


def _measure(text: str, read: Callable[[str], object]) -> tuple[float, float, str]:
    """Return seconds, peak megabytes, and the reason if the input is refused, else an empty string.

    The peak is measured in a second run, because tracing memory is slow.
    """
    refused = ""
    started = time.perf_counter()
    try:
        read(text)
    except HuggingFaceNERError as error:
        refused = f"refused: {str(error)[:60]}"
    seconds = time.perf_counter() - started
    tracemalloc.start()
    with suppress(HuggingFaceNERError):
        read(f"{text} ")  # another text, because the first one may be cached
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return seconds, peak / 1e6, refused


if __name__ == "__main__":
    main()
