"""Trains a new version of a project's model, and publishes it unless the current version is better."""

import logging
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from huggingface_ner.engine_kinds import EnginePreference
from huggingface_ner.engines.errors import ModelError
from huggingface_ner.engines.prepared import ENGINE, is_tried
from huggingface_ner.engines.stand_in import baseline_name, baseline_source
from huggingface_ner.learning.comparison import Comparison, compare, needs_more
from huggingface_ner.learning.held_out import MAX_HELD_OUT, MIN_TASKS_FOR_HELD_OUT, divide, split_by_id
from huggingface_ner.learning.progress import Outcome, RunProgress
from huggingface_ner.learning.spool import SpooledTexts
from huggingface_ner.learning.training import TrainedModel, Training
from huggingface_ner.learning.unknown_tokens import UnknownTokens
from huggingface_ner.left_out import LEARNING_REASONS, LeftOut
from huggingface_ner.scores import Evaluation, score_basis
from huggingface_ner.store.mistakes_file import write_mistakes
from huggingface_ner.store.model_folder import write_model
from huggingface_ner.store.review_file import read_review, write_review
from huggingface_ner.store.split_file import Split
from huggingface_ner.store.version_names import sort_key
from huggingface_ner.store.versions import ModelStore, Version
from huggingface_ner.tagging.engine_trials import prepare_engine
from huggingface_ner.tagging.loading import load_torch_tagger
from huggingface_ner.tagging.tagger import Tagger

# Maximum number of held-out texts that engines are tried on.
MAX_SAMPLES = 100
# The field of metrics.json with the number of tasks held out. A version without this field comes from a release
# that did not store which tasks were held out.
HELD_OUT_TASKS = "held_out_tasks"
# Maximum number of training texts on which the ranges of int8 engines are measured.
MAX_LEARNED = 300

logger = logging.getLogger(__name__)


def train_version(
    training: Training, store: ModelStore, *, f1_tolerance: float, preference: EnginePreference, salt: str = ""
) -> Outcome:
    """Train a model, compare it with the current version on the texts held out, publish it, and try engines.

    Returns without training if the current version was trained on the same texts with the same settings.
    f1_tolerance: the model is not published if its F1 is lower than the current version's by more than this,
    unless the difference may be chance; see comparison.compare.
    preference: which engine to prepare for the model. salt: the project's salt, see held_out.divide.
    Raises ModelError, TrainingError and OSError; the current version then stays in use. Once the new version is
    published, it is used even if trying engines on it fails.
    """
    started = time.monotonic()
    current = store.current_version()
    tasks = {*training.spool.task_ids}
    before = _split_before(store, current, tasks)
    if current is not None and _is_result(current, training):
        # engines have not been tried if the training that published the version was killed while it tried them
        _try_engines(training, training.spool.split(tasks & before.held_out), store, current, preference)
        return _unchanged(current, training)
    split = divide(tasks, before, training.options.held_out_share, salt)
    trained = training.run(tasks & split.held_out)
    comparable = current is None or _has_not_seen(current, split)
    compared = _compared(training, trained, store, before, f1_tolerance) if comparable else None
    if compared is not None and compared.is_worse:
        # tasks that only the refused model has learned from may still be held out
        store.write_split(replace(split, learned=before.learned))
        if current is not None:
            # the current version stays in use, but its review now describes the annotations of this training
            write_review(current.folder, trained.review)
        return _refused(trained, compared)
    store.write_split(split)
    version = _publish(training, trained, store, compared=compared, started=started)
    _try_engines(training, (trained.learned, trained.held_out), store, version, preference)
    not_compared = "" if current is None or comparable else f"; not compared: {_why_not_compared(current, split)}"
    return Outcome(
        status="published",
        reason=f"{_trained_on(training, trained)}{not_compared}",
        version=version.name,
        **_scores(trained.scores),
        f1_before=compared.f1_before if compared else None,
        left_out=trained.left_out.as_dict(),
        unknown_tokens=trained.unknown_tokens.as_dict(),
    )


def _scores(scores: Evaluation | None) -> dict[str, Any]:
    """Return the fields of an outcome with a model's scores."""
    if scores is None:
        return {}
    overall = scores.overall
    return {
        "f1": overall.f1,
        "f1_interval": overall.f1_interval,
        "gold": overall.gold,
        "f1_basis": scores.basis,
    }


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


def _split_before(store: ModelStore, current: Version | None, tasks: set[str]) -> Split:
    """Return the split of the last training, or an initial split if it is not known."""
    split = store.split()
    if split is not None or current is None:
        return split or Split()
    if HELD_OUT_TASKS not in current.metrics and current.metrics.get("held_out"):
        return split_by_id(tasks)
    return Split(since=current.name)


def _has_not_seen(version: Version, split: Split) -> bool:
    """Return whether a version has learned from none of the tasks held out, so that its scores are fair."""
    was_known = HELD_OUT_TASKS in version.metrics or bool(version.metrics.get("held_out"))
    return was_known and sort_key(version.name) > sort_key(split.since)


def _why_not_compared(version: Version, split: Split) -> str:
    if not version.metrics:
        return f"the metrics.json of {version.name} cannot be read, so it is not known what it was trained on"
    if HELD_OUT_TASKS not in version.metrics:
        return "the previous version was trained on all tasks"
    return f"it is not known which tasks {split.since} and earlier versions were trained on"


def _compared(
    training: Training, trained: TrainedModel, store: ModelStore, before: Split, f1_tolerance: float
) -> Comparison | None:
    """Compare a model with an earlier one; return None if no text was held out or no earlier one can be loaded.

    The earlier model is the first of these that can be loaded: the current version, its fallbacks, the baseline.
    Versions that have learned from tasks held out are skipped. before: the split of the last training.
    """
    if trained.scores is None:
        return None
    current = store.current()
    versions = store.fallbacks(current) if current is not None else []
    honest = [version.folder for version in versions if _has_not_seen(version, before)]
    for model in (*honest, training.baseline):
        tagger = _load(model, training.options.device)
        if tagger is not None:
            scores = training.score(tagger, trained.held_out)
            # more texts take more time, so they are scored only if they are needed
            since = _texts_since(training, trained, before) if needs_more(trained.scores) else ()
            return compare(trained.scores, scores, training.score(tagger, since) if since else None, f1_tolerance)
    return None


def _texts_since(training: Training, trained: TrainedModel, before: Split) -> SpooledTexts:
    """Return the texts of up to MAX_HELD_OUT tasks that only the new model has learned from."""
    held_out = {text.task_id for text in trained.held_out}
    new = {*training.spool.task_ids} - before.held_out - before.learned - held_out
    return training.spool.split(set(sorted(new)[:MAX_HELD_OUT]))[1]


def _load(model: str | Path, device: str) -> Tagger | None:
    try:
        return load_torch_tagger(model, device)
    except ModelError as error:
        logger.info("cannot load the model to compare with: %s", error)
        return None


def _unchanged(current: Version, training: Training) -> Outcome:
    metrics = current.metrics
    # the annotators' agreement may have changed, although the annotations that count are the same
    write_review(current.folder, {**read_review(current.folder), **training.review_agreement()})
    # the texts and the regions that cannot be learned are the same; the regions that cannot be read may be others
    left_out = LeftOut.from_dict(metrics.get("left_out")).only(LEARNING_REASONS)
    left_out.merge(training.left_out)
    unknown_tokens = metrics.get("unknown_tokens")
    return Outcome(
        status="unchanged",
        reason="annotations, labels and settings have not changed since the current version was trained",
        version=current.name,
        f1=metrics.get("f1"),
        f1_interval=metrics.get("f1_interval"),
        gold=metrics.get("gold"),
        f1_before=metrics.get("f1_before"),
        f1_basis=score_basis(metrics.get("gold", 0), metrics.get("gold_left_out", 0)),
        left_out=left_out.as_dict(),
        unknown_tokens=UnknownTokens.from_dict(unknown_tokens).as_dict() if unknown_tokens else None,
    )


def _refused(trained: TrainedModel, compared: Comparison) -> Outcome:
    return Outcome(
        status="refused",
        reason=f"the current model stays in use: {compared.reason}",
        **_scores(trained.scores),
        f1_before=compared.f1_before,
        left_out=trained.left_out.as_dict(),
        unknown_tokens=trained.unknown_tokens.as_dict(),
    )


def _publish(
    training: Training,
    trained: TrainedModel,
    store: ModelStore,
    *,
    compared: Comparison | None,
    started: float,
) -> Version:
    """Publish a trained model.

    Until an engine is chosen, the model runs in float32. The engines are compared with float32.
    """
    metrics = {
        **_metrics(training, trained),
        "f1_before": compared.f1_before if compared else None,
        "comparison": compared.figures if compared else None,
    }

    def write(aside: Path) -> None:
        write_model(trained.model, trained.tokenizer, aside)
        write_mistakes(aside, trained.mistakes.as_dict())
        write_review(aside, trained.review)
        metrics["seconds"] = round(time.monotonic() - started, 1)
        training.report(RunProgress("publishing"))

    training.report(RunProgress("saving"))
    return store.publish(write, metrics)


def _try_engines(
    training: Training,
    texts: tuple[SpooledTexts, SpooledTexts],
    store: ModelStore,
    version: Version,
    preference: EnginePreference,
) -> None:
    """Try engines on a published version, unless this was done before; servers then switch to the chosen engine.

    texts: the texts that the version was trained on, and the texts held out.
    A failure is only logged: the servers continue in float32, and try engines themselves later.
    """
    if is_tried(version.folder):
        return
    training.report(RunProgress("trying engines"))
    learned, held_out = texts

    def write(aside: Path) -> dict[str, object]:
        return {
            "engine": prepare_engine(
                version.folder,
                held_out[:MAX_SAMPLES],
                learned=learned[:MAX_LEARNED],
                preference=preference,
                device=training.options.device,
                into=aside,
            )
        }

    try:
        store.add(version, ENGINE, write)
    except Exception as error:  # for example, the disk is full, or somebody has removed the version
        logger.warning("%s: no engine could be tried: %s", version.name, error)


def _metrics(training: Training, trained: TrainedModel) -> dict[str, object]:
    """Return the content of a model's metrics.json, except for the fields that _publish adds."""
    return {
        **(trained.scores.as_dict() if trained.scores else {}),
        "tasks": len(set(training.spool.task_ids)),
        "trained": len(trained.learned),
        "held_out": len(trained.held_out),
        HELD_OUT_TASKS: len({text.task_id for text in trained.held_out}),
        "spans": training.spool.spans,
        "label_spans": {label: training.spool.spans_by_label[label] for label in training.labels},
        "left_out": trained.left_out.as_dict(),
        "unknown_tokens": trained.unknown_tokens.as_dict(),
        "label_names": list(training.labels),
        "baseline": baseline_name(training.baseline),
        "baseline_source": baseline_source(training.baseline),
        "settings": asdict(training.options.hyperparameters),
        "data_hash": training.digest(),
    }
