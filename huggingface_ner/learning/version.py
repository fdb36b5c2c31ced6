"""A training to a version of a project's model, published unless the one that serves is better."""

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
from huggingface_ner.store.model_folder import write_model
from huggingface_ner.store.versions import ModelStore, Version
from huggingface_ner.tagging.engine_trials import prepare_engine
from huggingface_ner.tagging.loading import load_torch_tagger
from huggingface_ner.tagging.tagger import Tagger

# Held-out texts that engines are tried on.
MAX_SAMPLES = 100

logger = logging.getLogger(__name__)


def train_version(
    training: Training, store: ModelStore, *, f1_tolerance: float, preference: EnginePreference
) -> Outcome:
    """Train, compare with the model that serves on the texts held out, and publish.

    Nothing is done if the serving version was trained on the same with the same settings.
    f1_tolerance: a model whose F1 is lower than the serving one's by more than this is not published.
    preference: which engine is to serve it.
    Raises ModelError, TrainingError and OSError; whatever happens, the serving version stays.
    """
    started = time.monotonic()
    current = store.current_version()
    if current is not None and _is_result(current, training):
        return _unchanged(current)
    trained = training.run(_min_tasks(current))
    comparable = current is None or _has_held_out(current)
    f1_before = _f1_before(training, trained.held_out, store, current) if trained.held_out and comparable else None
    if trained.f1 is not None and f1_before is not None and trained.f1 < f1_before - f1_tolerance:
        return _refused(trained.f1, f1_before, len(trained.held_out), f1_tolerance)
    version = _publish(training, trained, store, f1_before=f1_before, preference=preference, started=started)
    not_compared = "" if current is None or comparable else f", and not compared: {_why_not_compared(current)}"
    return Outcome(
        status="published",
        reason=f"learned from {len(trained.learned)} texts, scored on {len(trained.held_out)}{not_compared}",
        version=version.name,
        f1=trained.f1,
        f1_before=f1_before,
    )


def _is_result(version: Version, training: Training) -> bool:
    """Whether a version can be loaded and is what the training would give."""
    is_same = version.metrics.get("data_hash") == training.digest()
    return is_same and _load(version.folder, training.options.device) is not None


def _has_held_out(version: Version) -> bool:
    """Whether a version can be compared: one that was trained on all tasks knows the texts by heart."""
    return bool(version.metrics.get("held_out"))


def _why_not_compared(version: Version) -> str:
    if "held_out" in version.metrics:
        return "the model before was trained on all tasks"
    return f"what {version.name} was trained on is not known, its metrics.json cannot be read"


def _min_tasks(current: Version | None) -> int:
    """Return how many tasks there have to be so that some are held out.

    What a project once held out it goes on holding out, however few tasks are left: the serving model is measured
    by them.
    """
    return 2 if current is not None and _has_held_out(current) else MIN_TASKS_FOR_HELD_OUT


def _f1_before(
    training: Training, held_out: SpooledTexts, store: ModelStore, current: Version | None
) -> float | None:
    """Return F1 of the first model that can be loaded, which is the one that serves; None if none can."""
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
        logger.info("nothing to compare with: %s", error)
        return None


def _unchanged(current: Version) -> Outcome:
    return Outcome(
        status="unchanged",
        reason="annotations, labels and settings are those that the serving version was trained with",
        version=current.name,
        f1=current.metrics.get("f1"),
        f1_before=current.metrics.get("f1_before"),
    )


def _refused(f1: float, f1_before: float, held_out: int, f1_tolerance: float) -> Outcome:
    return Outcome(
        status="refused",
        reason=f"the serving model stays: the new one's F1 on {held_out} held-out texts is {f1:.3f}, "
        f"lower than its {f1_before:.3f} by more than F1_TOLERANCE={f1_tolerance:g}",
        f1=f1,
        f1_before=f1_before,
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
        metrics["seconds"] = round(time.monotonic() - started, 1)
        training.report(RunProgress("publishing"))

    training.report(RunProgress("saving"))
    return store.publish(write, metrics)


def _metrics(training: Training, trained: TrainedModel) -> dict[str, object]:
    """Return what is known of a model before it is published."""
    return {
        **(trained.scores.as_dict() if trained.scores else {}),
        "tasks": len(set(training.spool.task_ids)),
        "trained": len(trained.learned),
        "held_out": len(trained.held_out),
        "spans": training.spool.spans,
        "label_names": list(training.labels),
        "baseline": baseline_name(training.baseline),
        "settings": asdict(training.options.hyperparameters),
        "data_hash": training.digest(),
    }
