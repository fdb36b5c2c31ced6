"""Reads the annotations to look at from the review.json of a version, which somebody may have edited."""

from collections.abc import Mapping
from typing import Any

from huggingface_ner.json_values import mapping, mappings, whole_number_or_zero
from huggingface_ner.label_studio.addresses import task_address
from huggingface_ner.server.pages.facts import ProjectFacts
from huggingface_ner.server.pages.review import (
    Agreement,
    ContradictoryString,
    Dispute,
    IdenticalText,
    Place,
    Review,
    Way,
)
from huggingface_ner.server.pages.words import counted
from huggingface_ner.store.review_file import read_review

UNKNOWN_ANNOTATOR = "unknown"
QUOTE = ("task", "before", "text", "after")


def read_page_review(known: ProjectFacts) -> Review | None:
    """Return the annotations to look at in a project; None if no training has looked for them."""
    review = read_review(known.version.folder) if known.version else {}
    return _Reader(known, review).review() if review else None


class _Reader:
    """Reads a review.json."""

    def __init__(self, known: ProjectFacts, review: Mapping[str, Any]) -> None:
        self._known = known
        self._review = review
        self._names = mapping(review.get("annotators"))

    def review(self) -> Review:
        """Return the content of the file."""
        review, agreement = self._review, mapping(self._review.get("agreement"))
        strings, texts = mapping(review.get("contradictions")), mapping(review.get("identical"))
        return Review(
            tuple(self._dubious(one) for one in mappings(review.get("dubious"))),
            whole_number_or_zero(review.get("more")),
            whole_number_or_zero(review.get("not_looked_at")),
            tuple(self._string(one) for one in mappings(strings.get("strings"))),
            whole_number_or_zero(strings.get("more")),
            tuple(self._text(one) for one in mappings(texts.get("texts"))),
            whole_number_or_zero(texts.get("more")),
            _agreement((), agreement, agreement.get("tasks"))
            if whole_number_or_zero(agreement.get("tasks"))
            else None,
            whole_number_or_zero(agreement.get("words")),
            whole_number_or_zero(agreement.get("more_texts")),
            tuple(
                _agreement((str(one.get("label", "")),), one, one.get("spans"))
                for one in mappings(agreement.get("labels"))
            ),
            whole_number_or_zero(agreement.get("more_labels")),
            tuple(self._pair(one) for one in mappings(agreement.get("pairs"))),
            whole_number_or_zero(agreement.get("more_pairs")),
            tuple(self._dispute(one) for one in mappings(agreement.get("disputed"))),
            whole_number_or_zero(agreement.get("more")),
        )

    def _link(self, task: str) -> str | None:
        return task_address(self._known.label_studio, self._known.project_id, task)

    def _place(self, place: Mapping[str, Any], label: str, suggestion: str = "", *reasons: str) -> Place:
        quote = {name: str(place.get(name, "")) for name in QUOTE}
        return Place(quote, self._link(quote["task"]), label, suggestion, reasons)

    def _dubious(self, one: Mapping[str, Any]) -> Place:
        reasons = one.get("reasons")
        told = [str(reason) for reason in reasons] if isinstance(reasons, list) else []
        return self._place(one, str(one.get("label", "")), str(one.get("suggestion", "")), *told)

    def _string(self, one: Mapping[str, Any]) -> ContradictoryString:
        counts = [
            (str(each.get("label", "")), whole_number_or_zero(each.get("count")))
            for each in mappings(one.get("counts"))
        ]
        examples = [self._place(each, str(each.get("label", ""))) for each in mappings(one.get("examples"))]
        return ContradictoryString(
            str(one.get("string", "")),
            tuple(counts),
            whole_number_or_zero(one.get("more_labels")),
            tuple(examples),
            whole_number_or_zero(one.get("more_examples")),
        )

    def _text(self, one: Mapping[str, Any]) -> IdenticalText:
        ways = []
        for way in mappings(one.get("ways")):
            listed = way.get("tasks")
            tasks = tuple(
                (str(task), self._link(str(task))) for task in (listed if isinstance(listed, list) else ())
            )
            spans = tuple(
                (str(each.get("text", "")), str(each.get("label", ""))) for each in mappings(way.get("spans"))
            )
            more_tasks, more_spans = (whole_number_or_zero(way.get(name)) for name in ("more_tasks", "more_spans"))
            ways.append(Way(tasks, more_tasks, spans, more_spans))
        more_ways = whole_number_or_zero(one.get("more_ways"))
        return IdenticalText(str(one.get("text", "")), tuple(ways), more_ways)

    def _pair(self, one: Mapping[str, Any]) -> Agreement:
        annotators = one.get("annotators")
        names = [self._name(each) for each in annotators] if isinstance(annotators, list) else []
        differences = []
        for each in mappings(one.get("differences")):
            labels = each.get("labels")
            if isinstance(labels, list) and len(labels) == 2:
                differences.append((str(labels[0]), str(labels[1]), whole_number_or_zero(each.get("count"))))
        return _agreement((*names, "", "")[:2], one, one.get("tasks"), *differences)

    def _dispute(self, one: Mapping[str, Any]) -> Dispute:
        task = str(one.get("task", ""))
        places = []
        for place in mappings(one.get("places")):
            told = []
            for by in mappings(place.get("by")):
                labels = by.get("labels")
                marked = [str(label) for label in labels] if isinstance(labels, list) else []
                more = whole_number_or_zero(by.get("more_labels"))
                marked += [counted(more, "more label")] if more else []
                told.append(f"{self._name(by.get('annotator'))}: {', '.join(marked) or 'not marked'}")
            more = whole_number_or_zero(place.get("more_annotators"))
            told += [f"{counted(more, 'more annotator')}"] if more else []
            places.append(self._place({**place, "task": task}, "", "", *told))
        return Dispute(
            task, self._link(task), _share(one.get("f1")), tuple(places), whole_number_or_zero(one.get("more"))
        )

    def _name(self, annotator: object) -> str:
        if not isinstance(annotator, int):
            return UNKNOWN_ANNOTATOR
        return str(self._names.get(str(annotator)) or f"annotator {annotator}")


def _agreement(
    names: tuple[str, ...], one: Mapping[str, Any], number: object, *differences: tuple[str, str, int]
) -> Agreement:
    return Agreement(
        names,
        _share(one.get("f1")),
        _share(one.get("alpha")),
        whole_number_or_zero(number),
        differences,
        whole_number_or_zero(one.get("more_differences")),
    )


def _share(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and -1.0 <= value <= 1.0 else None  # type: ignore[operator, arg-type]
