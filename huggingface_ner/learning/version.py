"""Trains a new version of a project's model, and publishes it unless the current version is better."""

import logging
import time
from dataclasses import asdict
from pathlib import Path

from huggingface_ner.engine_kinds import EnginePreference
from huggingface_ner.engines.errors import ModelError
from huggingface_ner.engines.stand_in import baseline_name
from huggingface_ner.learning.dataset import MIN_TASKS_FOR_HELD_OUT
from huggingface_ner.learning.progress import Outcome, RunProgress
from huggingface_ner.learning.spool import SpooledTexts
from huggingface_ner.learning.training import TrainedModel, Training
from huggingface_ner.left_out import LEARNING_REASONS, LeftOut
from huggingface_ner.scores import score_basis
from huggingface_ner.store.mistakes_file import write_mistakes
from huggingface_ner.store.model_folder import write_model
from huggingface_ner.store.review_file import read_review, write_review
from huggingface_ner.store.versions import ModelStore, Version
from huggingface_ner.tagging.engine_trials import prepare_engine
from huggingface_ner.tagging.loading import load_torch_tagger
from huggingface_ner.tagging.tagger import Tagger

# Maximum number of held-out texts that engines are tried on.
MAX_SAMPLES = 100

logger = logging.getLogger(__name__)


def train_version(
    training: Training, store: ModelStore, *, f1_tolerance: float, preference: EnginePreference
) -> Outcome:
    """Train a model, compare it with the current version on the texts held out, and publish it.

    Returns at once if the current version was trained on the same texts with the same settings.
    f1_tolerance: the model is not published if its F1 is lower than the current version's by more than this.
    preference: which engine to prepare for the model.
    Raises ModelError, TrainingError and OSError; the current version then stays in use.
    """
    started = time.monotonic()
    current = store.current_version()
    if current is not None and _is_result(current, training):
        return _unchanged(current, training)
    trained = training.run(_min_tasks(current))
    comparable = current is None or _has_held_out(current)
    f1_before = _f1_before(training, trained.held_out, store, current) if trained.held_out and comparable else None
    if trained.f1 is not None and f1_before is not None and trained.f1 < f1_before - f1_tolerance:
        if current is not None:
            # the current version stays in use, but the annotations are those that the new model has seen
            write_review(current.folder, trained.review)
        return _refused(trained, trained.f1, f1_before, f1_tolerance)
    version = _publish(training, trained, store, f1_before=f1_before, preference=preference, started=started)
    not_compared = "" if current is None or comparable else f"; not compared: {_why_not_compared(current)}"
    return Outcome(
        status="published",
        reason=f"{_trained_on(training, trained)}{not_compared}",
        version=version.name,
        f1=trained.f1,
        f1_before=f1_before,
        f1_basis=trained.scores.basis if trained.scores else None,
        left_out=trained.left_out.as_dict(),
    )


def _trained_on(training: Training, trained: TrainedModel) -> str:
    tasks, held_out = len(set(training.spool.task_ids)), len({text.task_id for text in trained.held_out})
    if held_out:
        return f"trained on {tasks - held_out} tasks, scored on {held_out}"
    if tasks < MIN_TASKS_FOR_HELD_OUT:
        return f"trained on {tasks} tasks; not scored yet (needs {MIN_TASKS_FOR_HELD_OUT} annotated tasks)"
    return f"trained on {tasks} tasks; not scored, because none was held out"


def _is_result(version: Version, training: Training) -> bool:
    """Return whether a training would produce the same model as a version, and the version can be loaded."""
    is_same = version.metrics.get("data_hash") == training.digest()
    return is_same and _load(version.folder, training.options.device) is not None


def _has_held_out(version: Version) -> bool:
    """Return whether a version can be compared: a version trained on all tasks has memorised them."""
    return bool(version.metrics.get("held_out"))


def _why_not_compared(version: Version) -> str:
    if "held_out" in version.metrics:
        return "the previous version was trained on all tasks"
    return f"the metrics.json of {version.name} cannot be read, so it is not known what it was trained on"


def _min_tasks(current: Version | None) -> int:
    """Return the minimum number of tasks; if there are fewer, none is held out.

    Once tasks of a project have been held out, this continues even if tasks are deleted, because the current
    version is scored on the tasks held out.
    """
    return 2 if current is not None and _has_held_out(current) else MIN_TASKS_FOR_HELD_OUT


def _f1_before(
    training: Training, held_out: SpooledTexts, store: ModelStore, current: Version | None
) -> float | None:
    """Return the F1 of the first model that can be loaded; None if none can.

    The current version is tried first, then its fallbacks, then the baseline.
    """
    versions = store.fallbacks(current.name) if current is not None else []
    for model in (*(version.folder for version in versions), training.baseline):
        tagger = _load(model, training.options.device)
        if tagger is not None:
            return training.score(tagger, held_out).overall.f1
    return None


def _load(model: str | Path, device: str) -> Tagger | None:
    try:
        return load_torch_tagger(model, device)
    except ModelError as error:
        logger.info("cannot load the model to compare with: %s", error)
        return None


def _unchanged(current: Version, training: Training) -> Outcome:
    metrics = current.metrics
    # the annotators may agree more or less than they did, although they say the same together
    write_review(current.folder, {**read_review(current.folder), **training.review_agreement()})
    # the texts are the same, and so are the regions that cannot be learned; what cannot be read may have changed
    left_out = LeftOut.from_dict(metrics.get("left_out")).only(LEARNING_REASONS)
    left_out.merge(training.left_out)
    return Outcome(
        status="unchanged",
        reason="annotations, labels and settings have not changed since the current version was trained",
        version=current.name,
        f1=metrics.get("f1"),
        f1_before=metrics.get("f1_before"),
        f1_basis=score_basis(metrics.get("gold", 0), metrics.get("gold_left_out", 0)),
        left_out=left_out.as_dict(),
    )


def _refused(trained: TrainedModel, f1: float, f1_before: float, f1_tolerance: float) -> Outcome:
    return Outcome(
        status="refused",
        reason=f"the current model stays in use: its F1 on {len(trained.held_out)} held-out texts is "
        f"{f1_before:.3f}, the new model's {f1:.3f} is lower by more than F1_TOLERANCE={f1_tolerance:g}",
        f1=f1,
        f1_before=f1_before,
        f1_basis=trained.scores.basis if trained.scores else None,
        left_out=trained.left_out.as_dict(),
    )


def _publish(
    training: Training,
    trained: TrainedModel,
    store: ModelStore,
    *,
    f1_before: float | None,
    preference: EnginePreference,
    started: float,
) -> Version:
    metrics = {**_metrics(training, trained), "f1_before": f1_before}

    def write(aside: Path) -> None:
        write_model(trained.model, trained.tokenizer, aside)
        metrics["engine"] = prepare_engine(
            aside, trained.held_out[:MAX_SAMPLES], preference=preference, device=training.options.device
        )
        write_mistakes(aside, trained.mistakes.as_dict())
        write_review(aside, trained.review)
        metrics["seconds"] = round(time.monotonic() - started, 1)
        training.report(RunProgress("publishing"))

    training.report(RunProgress("saving"))
    return store.publish(write, metrics)


def _metrics(training: Training, trained: TrainedModel) -> dict[str, object]:
    """Return the content of a model's metrics.json, except for the fields that _publish adds."""
    return {
        **(trained.scores.as_dict() if trained.scores else {}),
        "tasks": len(set(training.spool.task_ids)),
        "trained": len(trained.learned),
        "held_out": len(trained.held_out),
        "spans": training.spool.spans,
        "label_spans": {label: training.spool.spans_by_label[label] for label in training.labels},
        "left_out": trained.left_out.as_dict(),
        "label_names": list(training.labels),
        "baseline": baseline_name(training.baseline),
        "settings": asdict(training.options.hyperparameters),
        "data_hash": training.digest(),
    }
