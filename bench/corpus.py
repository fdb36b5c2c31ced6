"""Reads the annotated texts on which the benchmarks measure."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from huggingface_ner.label_studio.gold import read_gold
from huggingface_ner.label_studio.labeling_config import parse_labeling_config
from huggingface_ner.label_studio.tasks import task_reader
from huggingface_ner.settings import Settings
from huggingface_ner.spans import AnnotatedText, Span

# The end of a sentence, roughly: the end of a line, or a full stop, ! or ? that a blank follows.
_END = re.compile(r"[.!?][\"')\]]*\s+|\n+")
NEWS = Path(__file__).resolve().parent.parent / "examples" / "news"


def read_corpus(corpus: Path | None, part: str) -> list[AnnotatedText]:
    """Return the texts of "train", "dev" or "test"; without a corpus, all of examples/news for each part."""
    if corpus is not None:
        # not splitlines: a text may contain other line separators, such as U+2028
        lines = (corpus / f"{part}.jsonl").read_text(encoding="utf-8").split("\n")
        rows = [json.loads(line) for line in lines if line.strip()]
        return [
            AnnotatedText(
                str(row["id"]), row["text"], tuple(Span(s["start"], s["end"], s["label"]) for s in row["spans"])
            )
            for row in rows
        ]
    config = parse_labeling_config((NEWS / "labeling_config.xml").read_text(encoding="utf-8"))
    tasks = json.loads((NEWS / "annotated_tasks.json").read_text(encoding="utf-8"))
    return list(read_gold(tasks, config, task_reader(Settings())))


def short_news() -> tuple[str, list[dict[str, Any]]]:
    """Return the labelling config of examples/news, and its annotated tasks with less than 2,000 characters."""
    config = (NEWS / "labeling_config.xml").read_text(encoding="utf-8")
    tasks = json.loads((NEWS / "annotated_tasks.json").read_text(encoding="utf-8"))
    return config, [task for task in tasks if len(task["data"]["text"]) < 2_000]


def sentences(text: AnnotatedText) -> Iterator[AnnotatedText]:
    """Yield the sentences of a text, roughly; none ends inside a span, and blank ones are left out."""
    ends = [match.end() for match in _END.finditer(text.text)]
    ends = [end for end in ends if not any(span.start < end < span.end for span in text.spans)]
    start = 0
    for end in (*ends, len(text.text)):
        if text.text[start:end].strip():
            spans = [span for span in text.spans if start <= span.start and span.end <= end]
            moved = tuple(Span(span.start - start, span.end - start, span.label) for span in spans)
            yield AnnotatedText(f"{text.task_id}-{start}", text.text[start:end], moved)
        start = end
