"""Collects everything that the page of one project shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from huggingface_ner.json_values import mapping, whole_number_or_zero
from huggingface_ner.learning.learning_curve import Forecast, ScoredVersion, forecast
from huggingface_ner.server.pages.charts import AcceptedPoint, Point
from huggingface_ner.server.pages.conditions import Condition, conditions
from huggingface_ner.server.pages.facts import ProjectFacts, Score, read_score
from huggingface_ner.server.pages.mistakes import MistakeKind, Table, mistake_kinds, mistake_table
from huggingface_ner.server.pages.review import Review
from huggingface_ner.server.pages.review_reading import read_page_review
from huggingface_ner.server.pages.words import counted
from huggingface_ner.settings import Settings
from huggingface_ner.store.history import Entry, SuggestionCounts, newest_with_suggestions
from huggingface_ner.store.mistakes_file import read_mistakes
from huggingface_ner.store.version_names import published_at, sort_key
from huggingface_ner.store.versions import ModelStore, Version

# A label with fewer annotated spans is called rare: its scores say little, and the model has seen it only a few
# times.
RARE_SPANS = 10


@dataclass(frozen=True, slots=True)
class LabelScore:
    """A label's scores. annotated: its spans in all annotated tasks; None if that is not known."""

    label: str
    score: Score
    annotated: int | None

    @property
    def is_rare(self) -> bool:
        """Whether there are too few spans to learn the label."""
        return self.annotated is not None and self.annotated < RARE_SPANS


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version in the table of versions."""

    name: str
    at: float | None
    metrics: Mapping[str, Any]
    score: Score | None
    labels: tuple[LabelScore, ...]
    is_in_use: bool
    suggestions: SuggestionCounts | None

    def number(self, name: str) -> int | None:
        """Return a number from metrics.json; None if it is missing."""
        value = self.metrics.get(name)
        return value if isinstance(value, int) else None

    @property
    def learned_from(self) -> str:
        """The texts and the baseline that the version was trained from, and the engine that runs it."""
        baseline = self.metrics.get("baseline")
        engine = mapping(self.metrics.get("engine")).get("engine")
        trained, spans = self.number("trained"), self.number("spans")
        told = [
            counted(trained, "text") if trained is not None else "",
            f"{counted(spans, 'span')} with the held-out texts" if spans is not None else "",
            f"from {baseline}" if isinstance(baseline, str) else "",
            f"runs on {engine}" if isinstance(engine, str) else "",
        ]
        return ", ".join(part for part in told if part) or "not known"


@dataclass(frozen=True, slots=True)
class CurveRow:
    """A version in the table of the curve."""

    version: str
    tasks: int
    score: Score | None
    suggestions: SuggestionCounts | None


@dataclass(frozen=True, slots=True)
class ProjectPage:
    """The content of one project's page.

    more_mistakes: the number of mistakes of kinds that are not in ``mistakes``. left_out: a sentence for each
    reason why regions were left out. points: the curve of F1. accepted: the curve of the share of accepted
    suggestions. curve: both curves as a table. newest_accepted: the newest version whose suggestions were
    corrected, and their counts. no_forecast: why there is no forecast. review: None if no training has looked for
    annotations to review.
    """

    known: ProjectFacts
    conditions: tuple[Condition, ...]
    labels: tuple[LabelScore, ...]
    mistakes: tuple[MistakeKind, ...]
    more_mistakes: int
    table: Table | None
    left_out: tuple[str, ...]
    points: tuple[Point, ...]
    accepted: tuple[AcceptedPoint, ...]
    curve: tuple[CurveRow, ...]
    newest_accepted: tuple[str, SuggestionCounts] | None
    forecast: Forecast | None
    no_forecast: str
    versions: tuple[VersionRow, ...]
    review: Review | None

    @property
    def held_out(self) -> int | None:
        """The number of texts that the version was scored on."""
        held_out = self.known.version.metrics.get("held_out") if self.known.version else None
        return held_out if isinstance(held_out, int) else None

    @property
    def rare(self) -> tuple[LabelScore, ...]:
        """The labels that are too rare to be learned."""
        return tuple(label for label in self.labels if label.is_rare)

    def as_dict(self, sentences: Mapping[str, Any]) -> dict[str, Any]:
        """Return the content as JSON, for programs. sentences: the sentences of the page."""
        score = self.known.score
        return {
            "project": self.known.project_id,
            "title": self.known.title,
            "address": self.known.address,
            **sentences,
            "training": self.known.status,
            "conditions": [{"name": one.name, "state": one.state, "text": one.text} for one in self.conditions],
            "version": self.known.version.name if self.known.version else None,
            "tasks": self.known.tasks_now.as_dict() if self.known.tasks_now else None,
            "expected": self.forecast.as_dict() if self.forecast else None,
            "no_forecast": self.no_forecast,
            "scores": score.as_dict() if score else None,
            "labels": {one.label: {**one.score.as_dict(), "annotated": one.annotated} for one in self.labels},
            "rare": [one.label for one in self.rare],
            "mistakes": [
                {"gold": one.gold, "predicted": one.predicted, "count": one.count, "examples": list(one.examples)}
                for one in self.mistakes
            ],
            "more_mistakes": self.more_mistakes,
            "review": self.review.as_dict() if self.review else None,
            "left_out": list(self.left_out),
            "curve": [{"version": at.version, "tasks": at.tasks, **at.score.as_dict()} for at in self.points],
            "suggestions": [{"version": at.version, **at.suggestions.as_dict()} for at in self.accepted],
            "versions": [
                {"version": row.name, "in_use": row.is_in_use, "metrics": row.metrics} for row in self.versions
            ],
        }


def read_project(known: ProjectFacts, store: ModelStore, settings: Settings) -> ProjectPage:
    """Collect the content of a project's page."""
    version = known.version
    try:
        kept, history, in_use = store.versions(), store.history(), store.serving_version()
    except OSError:  # the store has logged it
        kept, history, in_use = [], [], None
    mistakes = read_mistakes(version.folder) if version else {}
    kinds = mistake_kinds(mistakes, known)
    points, accepted = _points(history), _accepted(history)
    newest = newest_with_suggestions(history)
    counts = known.tasks_now
    in_all = counts.annotated + counts.left if counts and counts.left else None
    expected = forecast([_scored(point) for point in points], in_all) if points else ""
    return ProjectPage(
        known,
        conditions(known.status, settings, known.unknown_tokens),
        _labels(version.metrics) if version else (),
        kinds,
        whole_number_or_zero(mistakes.get("more")),
        mistake_table(mistakes.get("correct"), kinds),
        tuple(known.left_out.reasons()) if known.left_out else (),
        points,
        accepted,
        _curve(points, accepted),
        (newest.version, newest.suggestions) if newest and newest.suggestions else None,
        None if isinstance(expected, str) else expected,
        expected if isinstance(expected, str) else "",
        tuple(_row(one, in_use, accepted) for one in reversed(kept)),
        read_page_review(known),
    )


def _scored(point: Point) -> ScoredVersion:
    return ScoredVersion(point.tasks, point.score.correct, point.score.predicted, point.score.gold)


def _points(history: list[Entry]) -> tuple[Point, ...]:
    found = []
    for entry in history:
        score = read_score(entry.overall.model_dump()) if entry.overall else None
        if score is not None and score.f1 is not None:
            found.append(Point(entry.tasks, score, entry.version))
    return tuple(sorted(found, key=lambda point: (point.tasks, sort_key(point.version))))


def _accepted(history: list[Entry]) -> tuple[AcceptedPoint, ...]:
    found = [
        AcceptedPoint(entry.tasks, entry.suggestions, entry.version)
        for entry in history
        if entry.suggestions is not None and entry.suggestions.suggested
    ]
    return tuple(sorted(found, key=lambda point: (point.tasks, sort_key(point.version))))


def _curve(points: tuple[Point, ...], accepted: tuple[AcceptedPoint, ...]) -> tuple[CurveRow, ...]:
    rows = {point.version: CurveRow(point.version, point.tasks, point.score, None) for point in points}
    for point in accepted:
        score = rows[point.version].score if point.version in rows else None
        rows[point.version] = CurveRow(point.version, point.tasks, score, point.suggestions)
    return tuple(sorted(rows.values(), key=lambda row: (row.tasks, sort_key(row.version))))


def _row(version: Version, in_use: str | None, accepted: tuple[AcceptedPoint, ...]) -> VersionRow:
    return VersionRow(
        version.name,
        published_at(version.name),
        version.metrics,
        read_score(version.metrics),
        _labels(version.metrics),
        version.name == in_use,
        next((point.suggestions for point in accepted if point.version == version.name), None),
    )


def _labels(metrics: Mapping[str, Any]) -> tuple[LabelScore, ...]:
    """Return the labels of the config and all others that were scored, the most frequent first."""
    scored = mapping(metrics.get("labels"))
    annotated = mapping(metrics.get("label_spans"))
    names = metrics.get("label_names")
    named = [name for name in (names if isinstance(names, list) else ()) if isinstance(name, str)]
    labels = dict.fromkeys([*named, *scored])
    found = [
        LabelScore(
            label,
            read_score(mapping(scored.get(label))) or Score(0, 0, 0),
            annotated[label] if isinstance(annotated.get(label), int) else None,
        )
        for label in labels
    ]
    return tuple(sorted(found, key=lambda one: (-(one.annotated or 0), -one.score.gold)))
