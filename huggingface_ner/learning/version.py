"""Annotated texts to a version of a project's model, published unless the one that serves is better."""

import hashlib
import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from huggingface_ner.engines.errors import ModelError
from huggingface_ner.engines.stand_in import baseline_name
from huggingface_ner.jobs.runs import Outcome, RunProgress
from huggingface_ner.label_studio.labeling_config import LabelingConfig
from huggingface_ner.learning.dataset import MIN_TASKS_FOR_HELD_OUT, held_out_tasks
from huggingface_ner.learning.evaluation import evaluate_tagger
from huggingface_ner.learning.fine_tuning import Hyperparameters, fine_tune
from huggingface_ner.learning.spool import Spool, SpooledTexts
from huggingface_ner.scores import Evaluation
from huggingface_ner.settings import Settings
from huggingface_ner.store.model_folder import write_model
from huggingface_ner.store.versions import ModelStore, Version
from huggingface_ner.tagging.engine_trials import prepare_engine
from huggingface_ner.tagging.loading import load_torch_tagger, tagger_of_model
from huggingface_ner.tagging.tagger import Tagger

HELD_OUT_SHARE = 0.2
# Held-out texts that engines are tried on.
MAX_SAMPLES = 100

Report = Callable[[RunProgress], None]

logger = logging.getLogger(__name__)


def train_version(
    spool: Spool,
    config: LabelingConfig,
    store: ModelStore,
    baseline: str | Path,
    settings: Settings,
    *,
    report: Report,
    held_out_share: float = HELD_OUT_SHARE,
    seed: int = 0,
) -> Outcome:
    """Train on a spool's texts, compare with the model that serves on those held out, and publish.

    Nothing is done where the serving version was trained on the same with the same settings. Raises ModelError,
    TrainingError and OSError; whatever happens, the serving version stays.
    """
    started = time.time()
    hyperparameters = Hyperparameters(
        settings.learning_rate, settings.num_train_epochs, settings.weight_decay, seed
    )
    name = baseline_name(baseline)
    parts = [spool.digest(), config.label_names, name, asdict(hyperparameters), held_out_share]
    data_hash = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    serving = store.current_version()
    if serving is not None and serving.metrics.get("data_hash") == data_hash and _load(serving, settings):
        return Outcome(
            status="unchanged",
            reason="annotations, labels and settings are those that the serving version was trained with",
            version=serving.name,
            f1=serving.metrics.get("f1"),
            f1_before=serving.metrics.get("f1_before"),
        )
    # what a project once held out it goes on holding out, however few tasks are left: the serving model is
    # measured by them
    held_before = bool(serving is not None and serving.metrics.get("held_out"))
    ids = held_out_tasks(spool.task_ids, held_out_share, least=2 if held_before else MIN_TASKS_FOR_HELD_OUT)
    learned, held_out = spool.split(ids)

    report(RunProgress("training"))
    model, tokenizer = fine_tune(
        learned,
        config.label_names,
        baseline,
        hyperparameters,
        match_labels=config.match_labels,
        device=settings.device,
        progress=_training_progress(report),
    )
    report(RunProgress("evaluating"))
    tagger = tagger_of_model(model, tokenizer)
    scores = evaluate_tagger(tagger, held_out, config.match_labels) if held_out else None
    # a version that was trained on all tasks, as one of a small project is, knows the texts by heart
    comparable = serving is None or held_before
    rivals = [*(store.fallbacks(serving.name) if serving is not None else []), baseline]
    before = _first_scores(rivals, held_out, config, settings) if scores and comparable else None
    f1 = scores.overall.f1 if scores else None
    f1_before = before.overall.f1 if before else None
    if f1 is not None and f1_before is not None and f1 < f1_before - settings.f1_tolerance:
        return Outcome(
            status="refused",
            reason=f"the serving model stays: the new one's F1 on {len(held_out)} held-out texts is {f1:.3f}, "
            f"lower than its {f1_before:.3f} by more than F1_TOLERANCE={settings.f1_tolerance:g}",
            f1=f1,
            f1_before=f1_before,
        )
    metrics: dict[str, object] = {
        **(scores.as_dict() if scores else {}),
        "f1_before": f1_before,
        "tasks": len(set(spool.task_ids)),
        "trained": len(learned),
        "held_out": len(held_out),
        "spans": spool.spans,
        "label_names": list(config.label_names),
        "baseline": name,
        "settings": asdict(hyperparameters),
        "data_hash": data_hash,
    }

    def write(aside: Path) -> None:
        write_model(model, tokenizer, aside)
        metrics["engine"] = prepare_engine(
            aside, held_out[:MAX_SAMPLES], preference=settings.engine_preference, device=settings.device
        )
        metrics["seconds"] = round(time.time() - started, 1)
        report(RunProgress("publishing"))

    report(RunProgress("saving"))
    version = store.publish(write, metrics)
    compared = "" if comparable else ", and not compared: the model before was trained on all tasks"
    return Outcome(
        status="published",
        reason=f"learned from {len(learned)} texts, scored on {len(held_out)}{compared}",
        version=version.name,
        f1=f1,
        f1_before=f1_before,
    )


def _first_scores(
    models: Sequence[Version | str | Path], held_out: SpooledTexts, config: LabelingConfig, settings: Settings
) -> Evaluation | None:
    """Score the first model that can be loaded, which is the one that serves; None where none can."""
    for model in models:
        tagger = _load(model, settings)
        if tagger is not None:
            return evaluate_tagger(tagger, held_out, config.match_labels)
    return None


def _load(model: Version | str | Path, settings: Settings) -> Tagger | None:
    try:
        return load_torch_tagger(model.folder if isinstance(model, Version) else model, settings.device)
    except ModelError as error:
        logger.info("nothing to compare with: %s", error)
        return None


def _training_progress(report: Report) -> Callable[[int, int, float], None]:
    started = time.monotonic()

    def progress(step: int, steps: int, epoch: float) -> None:
        seconds_left = (time.monotonic() - started) / step * (steps - step)
        report(RunProgress("training", step, steps, round(epoch, 2), round(seconds_left, 1)))

    return progress
