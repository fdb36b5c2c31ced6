"""The annotations to look at in a project, as CSV for spreadsheets."""

import csv
import io
from collections.abc import Iterator

from huggingface_ner.server.pages.review import Place, Review

COLUMNS = ("kind", "task", "address", "before", "text", "after", "annotated as", "suggestion", "why")
# If a cell begins with one of these characters, a spreadsheet takes it for a formula.
FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")


def review_csv(review: Review) -> str:
    """Return all places to look at, one on each line; no cell is a formula."""
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(COLUMNS)
    for row in _rows(review):
        table.writerow([harmless(cell) for cell in row])
    return text.getvalue()


def harmless(cell: str) -> str:
    """Put an apostrophe before a cell if a spreadsheet would take it for a formula."""
    return f"'{cell}" if cell.lstrip().startswith(FORMULA) else cell


def _rows(review: Review) -> Iterator[tuple[str, ...]]:
    for place in review.dubious:
        yield _row("dubious annotation", place, " ".join(place.reasons))
    for dispute in review.disputes:
        for place in dispute.places:
            yield _row("annotators disagree", place, "; ".join(place.reasons))
    for one in review.texts:
        for tasks, spans in one.ways:
            marked = ", ".join(f"{text}: {label}" for text, label in spans) or "nothing else"
            for task, link in tasks:
                yield "identical texts", task, link or "", "", one.text, "", marked, "", ""
    for string in review.strings:
        told = ", ".join(f"{label or 'not annotated'} {count} times" for label, count in string.counts)
        for place in string.examples:
            yield _row("contradiction", place, told)


def _row(kind: str, place: Place, why: str) -> tuple[str, ...]:
    quote, link = place.quote, place.link or ""
    return (
        *(kind, quote["task"], link, quote["before"], quote["text"], quote["after"]),
        *(place.label, place.suggestion, why),
    )
