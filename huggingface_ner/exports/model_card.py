"""Writes the model card of an exported model: the README.md that the Hub shows, with its metadata in YAML."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData, try_to_load_from_cache
from huggingface_hub.errors import HFValidationError
from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import ValidationError

from huggingface_ner.engines.stand_in import PACKAGED_ENCODER
from huggingface_ner.exports.pipeline_code import TASK
from huggingface_ner.json_values import mapping
from huggingface_ner.scores import Scores
from huggingface_ner.store.history import Counts

# The packaged encoder's name on the Hub.
PACKAGED_ON_HUB = f"sentence-transformers/{PACKAGED_ENCODER}"
# The oldest versions with which an exported model works.
PYTHON, TRANSFORMERS = "3.11", "5.0"
UNKNOWN = "–"
# The name of a repository on the Hub.
REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
# Old models on the Hub have no owner in their name, such as bert-base-cased.
_ON_HUB = re.compile(r"([\w.-]+/)?\w[\w.-]*", re.ASCII)

_SIGNS = re.compile(r"[^\w\s.,-]|_")


@dataclass(frozen=True, slots=True)
class CardOptions:
    """The facts for a card that are not in the version's files.

    name: the name of the repository or the folder from which the model is loaded. license: as the Hub names it;
    None if it is not set. languages: codes of ISO 639. onnx: whether an ONNX engine is exported too.
    """

    name: str
    license: str | None = None
    languages: Sequence[str] = ()
    onnx: bool = False


@dataclass(frozen=True, slots=True)
class _Row:
    """The scores of a label, or of all labels, as the card shows them. annotated: how many spans it has."""

    name: str
    f1: str = UNKNOWN
    low: str = UNKNOWN
    high: str = UNKNOWN
    precision: str = UNKNOWN
    recall: str = UNKNOWN
    gold: int = 0
    annotated: object = UNKNOWN


def model_card(metrics: Mapping[str, Any], groups: int, options: CardOptions) -> str:
    """Return the card of a version, given its metrics.json and how many tag groups its head has.

    The card quotes no text of the project. It has only numbers, names of labels, and names of models on the Hub.
    """
    environment = Environment(
        loader=PackageLoader(__package__),
        undefined=StrictUndefined,
        trim_blocks=True,
        autoescape=False,  # noqa: S701 - see escaped()
    )
    labels = _labels(metrics)
    overall = _row("", metrics)
    return environment.get_template("README.md.jinja").render(
        metadata=_metadata(metrics, options),
        title=f"Named entities: {', '.join(label.name for label in labels)}",
        name=options.name,
        task=TASK,
        python=PYTHON,
        transformers=TRANSFORMERS,
        groups=groups,
        onnx=options.onnx,
        overall=overall if overall.f1 != UNKNOWN else None,
        held_out=_number(metrics, "held_out"),
        labels=labels,
        facts=_facts(metrics),
        license=options.license,
    )


def escaped(text: str) -> str:
    """Return a text for a line of Markdown; characters with a meaning in Markdown or HTML are escaped."""
    return _SIGNS.sub(lambda match: f"&#{ord(match[0])};", _one_line(text))


def _one_line(text: str) -> str:
    return " ".join(text.split())


def base_model(metrics: Mapping[str, Any]) -> str | None:
    """Return the name on the Hub of the model from which a version was trained; None if it has none.

    The baseline can also be a folder. Its path is private, so it is not returned. Versions of earlier releases do
    not say whether their baseline is a folder. It is named only if this machine has a copy of it from the Hub.
    """
    baseline, source = metrics.get("baseline"), metrics.get("baseline_source")
    if not isinstance(baseline, str) or source == "folder":
        return None
    if baseline == PACKAGED_ENCODER and source in ("package", None):
        return PACKAGED_ON_HUB
    if not _ON_HUB.fullmatch(baseline):
        return None
    return baseline if source == "hub" or _is_copied_from_hub(baseline) else None


def _is_copied_from_hub(name: str) -> bool:
    try:
        copy = try_to_load_from_cache(name, "config.json")
    except HFValidationError:
        return False
    return isinstance(copy, str) and not Path(name).exists()


def _metadata(metrics: Mapping[str, Any], options: CardOptions) -> str:
    """Return the card's metadata, YAML between two lines of dashes."""
    overall = _counts(metrics)
    results = None
    if overall is not None:
        scores = {name: metrics.get(name) for name in ("f1", "precision", "recall")}
        results = [
            EvalResult(
                task_type="token-classification",
                task_name="Token Classification",
                dataset_type="label-studio",
                dataset_name="annotated tasks of a Label Studio project, held out of the training",
                metric_type=name,
                metric_value=round(float(value), 4),
                metric_name=f"{name.capitalize()} of spans",
            )
            for name, value in scores.items()
            if isinstance(value, int | float)
        ]
    data = ModelCardData(
        language=list(options.languages) or None,
        license=options.license,
        library_name="transformers",
        pipeline_tag="token-classification",
        base_model=base_model(metrics),
        tags=["token-classification", "named-entity-recognition", "label-studio"],
        metrics=["f1", "precision", "recall"],
        # YAML changes some line breaks into others, so the name has none
        model_name=_one_line(options.name),
        eval_results=results or None,
    )
    return f"---\n{data.to_yaml()}\n---"


def _labels(metrics: Mapping[str, Any]) -> list[_Row]:
    """Return the rows of all labels, the most frequent first."""
    scored, annotated = mapping(metrics.get("labels")), mapping(metrics.get("label_spans"))
    names = metrics.get("label_names")
    known = [name for name in (names if isinstance(names, list) else ()) if isinstance(name, str)]
    labels = sorted(dict.fromkeys([*known, *scored]), key=lambda name: -int(annotated.get(name) or 0))
    return [_row(name, mapping(scored.get(name)), annotated.get(name)) for name in labels]


def _row(name: str, scores: Mapping[str, Any], annotated: object = None) -> _Row:
    counts = _counts(scores)
    shown = UNKNOWN if annotated is None else annotated
    if counts is None or not counts.predicted + counts.gold:
        return _Row(escaped(name), annotated=shown)
    found = Scores(counts.correct, counts.predicted, counts.gold)
    return _Row(
        escaped(name),
        f"{found.f1:.2f}",
        f"{found.f1_interval.low:.2f}",
        f"{found.f1_interval.high:.2f}",
        f"{found.precision:.2f}" if found.predicted else UNKNOWN,
        f"{found.recall:.2f}" if found.gold else UNKNOWN,
        found.gold,
        shown,
    )


def _facts(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return how the version was trained: names and values for the card's table."""
    settings = mapping(metrics.get("settings"))
    unnamed = "a model that is not on the Hub" if metrics.get("baseline_source") == "folder" else "not known"
    facts = {
        "annotated tasks": _number(metrics, "tasks"),
        "texts trained on": _number(metrics, "trained"),
        "texts held out to score it": _number(metrics, "held_out"),
        "annotated spans": _number(metrics, "spans"),
        "started from": base_model(metrics) or unnamed,
        "passes over the tasks": settings.get("num_train_epochs"),
        "learning rate of the head": settings.get("learning_rate"),
        "weight decay": settings.get("weight_decay"),
        "random seed": settings.get("seed"),
    }
    told = [(name, f"{value:g}" if isinstance(value, float) else str(value)) for name, value in facts.items()]
    return [(name, escaped(value)) for name, value in told if value != "None"]


def _counts(scores: Mapping[str, Any]) -> Counts | None:
    try:
        return Counts.model_validate({name: scores.get(name) for name in ("correct", "predicted", "gold")})
    except ValidationError:
        return None


def _number(metrics: Mapping[str, Any], name: str) -> int | None:
    value = metrics.get(name)
    return value if isinstance(value, int) else None
