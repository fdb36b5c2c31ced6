"""The annotations to look at in a project, as CSV for spreadsheets."""

import csv
import io
from collections.abc import Iterator

from huggingface_ner.server.pages.review import ContradictoryString, Dispute, IdenticalText, Place, Review
from huggingface_ner.server.pages.words import counted

NOT_LISTED = "not listed"
COLUMNS = ("kind", "task", "address", "before", "text", "after", "annotated as", "suggestion", "why")
# If a cell begins with one of these characters, a spreadsheet takes it for a formula.
FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")


def review_csv(review: Review) -> str:
    """Return all places to look at, one on each line; no cell is a formula.

    The last lines, whose kind is NOT_LISTED, say how many further ones there are.
    """
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
        yield from _dispute_rows(dispute)
    for text in review.texts:
        yield from _text_rows(text)
    for string in review.strings:
        yield from _string_rows(string)
    for told in _more(review):
        yield _not_listed(told)


def _dispute_rows(dispute: Dispute) -> Iterator[tuple[str, ...]]:
    for place in dispute.places:
        yield _row("annotators disagree", place, "; ".join(place.reasons))
    if dispute.more:
        told = f"{counted(dispute.more, 'more place')} in this task"
        yield NOT_LISTED, dispute.task, dispute.link or "", "", "", "", "", "", told


def _text_rows(one: IdenticalText) -> Iterator[tuple[str, ...]]:
    for way in one.ways:
        spans = [f"{text}: {label}" for text, label in way.spans]
        spans += [counted(way.more_spans, "more span")] if way.more_spans else []
        marked = ", ".join(spans) or "nothing else"
        for task, link in way.tasks:
            yield "identical texts", task, link or "", "", one.text, "", marked, "", ""
        if way.more_tasks:
            yield _not_listed(f"{counted(way.more_tasks, 'more task')} with this annotation", one.text, marked)
    if one.more_ways:
        yield _not_listed(f"{counted(one.more_ways, 'more way')} to annotate this text", one.text)


def _string_rows(one: ContradictoryString) -> Iterator[tuple[str, ...]]:
    counts = [f"{label or 'not annotated'} {counted(count, 'time')}" for label, count in one.counts]
    counts += [counted(one.more_labels, "more label")] if one.more_labels else []
    for place in one.examples:
        yield _row("contradiction", place, ", ".join(counts))
    if one.more_examples:
        yield _not_listed(f"{counted(one.more_examples, 'more such occurrence')} of this string", one.string)


def _more(review: Review) -> Iterator[str]:
    """Yield how many places of the whole project are not listed."""
    numbers = (
        (review.more_dubious, "less dubious annotation", ""),
        (review.not_looked_at, "text", " not checked for dubious annotations, because the project is too large"),
        (review.more_disputes, "more task", " that annotators disagree about"),
        (review.more_texts, "more text", " annotated in several ways"),
        (review.more_strings, "more string", " annotated in several ways"),
    )
    return (f"{counted(number, noun)}{which}" for number, noun, which in numbers if number)


def _not_listed(told: str, text: str = "", marked: str = "") -> tuple[str, ...]:
    return NOT_LISTED, "", "", "", text, "", marked, "", told


def _row(kind: str, place: Place, why: str) -> tuple[str, ...]:
    quote, link = place.quote, place.link or ""
    return (
        *(kind, quote["task"], link, quote["before"], quote["text"], quote["after"]),
        *(place.label, place.suggestion, why),
    )
