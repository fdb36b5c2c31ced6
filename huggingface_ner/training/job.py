"""One training run, from the annotated tasks in Label Studio to a published version."""

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from redis import RedisError
from rq.timeouts import JobTimeoutException

from huggingface_ner.label_studio.client import ClientError, LabelStudioClient
from huggingface_ner.label_studio.gold import read_gold
from huggingface_ner.label_studio.labeling_config import (
    LabelingConfig,
    LabelingConfigError,
    parse_labeling_config,
)
from huggingface_ner.label_studio.tasks import task_reader
from huggingface_ner.logs import configure_logging
from huggingface_ner.model_store import ModelStore, Version, project_store
from huggingface_ner.processes import end_with_parent
from huggingface_ner.settings import Settings, shared_settings
from huggingface_ner.tagging.engine_trials import prepare_engine
from huggingface_ner.tagging.errors import ModelError
from huggingface_ner.tagging.tagger import Tagger
from huggingface_ner.tagging.threads import take_cores
from huggingface_ner.training.connection import QueueError, connect, queue_url
from huggingface_ner.training.dataset import held_out_tasks
from huggingface_ner.training.evaluation import Evaluation, evaluate_tagger
from huggingface_ner.training.fine_tuning import Hyperparameters, TrainingError, fine_tune
from huggingface_ner.training.model_folder import write_model
from huggingface_ner.training.queue import TrainingQueue
from huggingface_ner.training.runs import Ending, Run, RunProgress
from huggingface_ner.training.spool import Spool, SpooledTexts
from huggingface_ner.training.starting_model import starting_model

HELD_OUT_SHARE = 0.2
# Held-out texts that engines are tried on.
MOST_SAMPLES = 100
SECONDS_FOR_REDIS = 5.0
SECONDS_BETWEEN_REPORTS = 1.0
# How long the news of a run's end waits for a Redis that is away.
SECONDS_TO_SAY = 120.0
# The service goes first where the two share cores.
NICENESS = 10

Report = Callable[[RunProgress], None]

logger = logging.getLogger(__name__)


def train_project(project_id: int) -> None:
    """Do the run that holds a project, and say how it ended: what RQ calls, in a process of its own."""
    settings = shared_settings()
    configure_logging(settings)
    end_with_parent(lambda: os._exit(1))
    os.nice(NICENESS)
    take_cores(settings.training_threads)
    url = queue_url(settings)
    if url is None:
        raise QueueError("REDIS_URL is not set")
    queue = TrainingQueue(connect(url, timeout=SECONDS_FOR_REDIS), settings)
    run = queue.running(project_id)
    if run is None:
        return
    ending = _ending(project_id, settings, queue.token(project_id), _reporter(queue, run))
    log = logger.error if ending.status == "failed" else logger.info
    log("project %d: %s: %s", project_id, ending.status, ending.reason)
    _say(queue, run, ending)


def _ending(project_id: int, settings: Settings, offered_token: str | None, report: Report) -> Ending:
    try:
        return run_training(project_id, settings, LabelStudioClient(settings, offered_token), report)
    except ClientError as error:
        return Ending.failed(str(error), again=error.again)
    except (ModelError, TrainingError) as error:
        return Ending.failed(str(error), again=False)
    except JobTimeoutException:
        return Ending.failed(f"it took longer than TRAINING_TIMEOUT={settings.training_timeout} s", again=False)
    except OSError as error:
        return Ending.failed(f"{error}: the model that serves stays", again=True)
    except Exception as error:
        logger.exception("project %d: the training failed", project_id)
        return Ending.failed(f"{type(error).__name__}: {error}", again=True)


def run_training(project_id: int, settings: Settings, client: LabelStudioClient, report: Report) -> Ending:
    """Train a project's model on what Label Studio has, and publish it unless the serving one is better.

    Raises ClientError, ModelError, TrainingError and OSError; whatever happens, the serving version stays.
    """
    started = time.time()
    store = project_store(settings, project_id)
    report(RunProgress("downloading"))
    try:
        config = parse_labeling_config(client.labeling_config(project_id))
    except LabelingConfigError as error:
        return Ending(status="skipped", reason=f"the labelling config is not for this: {error}")
    with TemporaryDirectory(prefix="huggingface-ner-") as folder, Spool(Path(folder) / "texts.jsonl") as spool:
        for text in read_gold(client.annotated_tasks(project_id), config, task_reader(settings)):
            spool.add(text)
        if not spool.task_ids:
            return Ending(
                status="skipped",
                reason="no task has an annotation that is not cancelled and a text that can be read: nothing to "
                "learn from yet",
            )
        baseline = starting_model(settings)
        hyperparameters = Hyperparameters(settings.learning_rate, settings.num_train_epochs, settings.weight_decay)
        data_hash = _data_hash(spool, config, baseline, hyperparameters)
        serving = store.serving_version()
        if serving is not None and serving.metrics.get("data_hash") == data_hash:
            return Ending(
                status="unchanged",
                reason="annotations, labels and settings are those that the serving version was trained with",
                version=serving.name,
                f1=serving.metrics.get("f1"),
                f1_before=serving.metrics.get("f1_before"),
            )
        learned, held_out = spool.split(held_out_tasks(spool.task_ids, HELD_OUT_SHARE))

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
        tagger = Tagger.of_model(model, tokenizer)
        scores = evaluate_tagger(tagger, held_out, config.match_labels) if held_out else None
        before = (
            _serving_scores(store, serving, baseline=baseline, config=config, held_out=held_out, settings=settings)
            if scores
            else None
        )
        f1 = scores.overall.f1 if scores else None
        f1_before = before.overall.f1 if before else None
        if f1 is not None and f1_before is not None and f1 < f1_before - settings.f1_tolerance:
            return Ending(
                status="refused",
                reason=f"the serving model stays: the new one's F1 on {len(held_out)} held-out texts is {f1:.3f}, "
                f"lower than its {f1_before:.3f} by more than F1_TOLERANCE={settings.f1_tolerance:g}",
                f1=f1,
                f1_before=f1_before,
            )
        report(RunProgress("publishing"))
        metrics: dict[str, object] = {
            **(scores.as_dict() if scores else {}),
            "f1_before": f1_before,
            "tasks": len(set(spool.task_ids)),
            "trained": len(learned),
            "held_out": len(held_out),
            "spans": spool.spans,
            "label_names": list(config.label_names),
            "baseline": str(baseline),
            "settings": asdict(hyperparameters),
            "data_hash": data_hash,
        }

        def write(aside: Path) -> None:
            write_model(model, tokenizer, aside)
            metrics["engine"] = prepare_engine(
                aside, held_out[:MOST_SAMPLES], wish=settings.engine_wish, device=settings.device
            )
            metrics["seconds"] = round(time.time() - started, 1)

        version = store.publish(write, metrics)
    return Ending(
        status="published",
        reason=f"learned from {len(learned)} texts, scored on {len(held_out)}",
        version=version.name,
        f1=f1,
        f1_before=f1_before,
    )


def _data_hash(
    spool: Spool, config: LabelingConfig, baseline: str | Path, hyperparameters: Hyperparameters
) -> str:
    """Return a hash of all that a model depends on."""
    parts = [spool.digest(), config.label_names, str(baseline), asdict(hyperparameters)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _serving_scores(
    store: ModelStore,
    serving: Version | None,
    *,
    baseline: str | Path,
    config: LabelingConfig,
    held_out: SpooledTexts,
    settings: Settings,
) -> Evaluation | None:
    """Score what serves now on the same texts; None where there is nothing to compare with.

    A version that was trained on all tasks, as one of a small project is, knows the texts by heart.
    """
    if serving is not None and not serving.metrics.get("held_out"):
        return None
    folders: list[str | Path] = [baseline]
    if serving is not None:
        folders[:0] = [version.folder for version in store.candidates(serving.name)]
    for folder in folders:
        try:
            tagger = Tagger.load_torch(folder, settings.device)
        except ModelError as error:  # an encoder without a head, or a broken version, which is passed over
            logger.info("nothing to compare with in %s", error)
        else:
            return evaluate_tagger(tagger, held_out, config.match_labels)
    return None


def _training_progress(report: Report) -> Callable[[int, int, float], None]:
    started = time.monotonic()

    def progress(step: int, steps: int, epoch: float) -> None:
        seconds_left = (time.monotonic() - started) / step * (steps - step)
        report(RunProgress("training", step, steps, round(epoch, 2), round(seconds_left, 1)))

    return progress


def _reporter(queue: TrainingQueue, run: Run) -> Report:
    """Return a function that tells Redis of a new phase at once, and of steps now and then."""
    last: dict[str, Any] = {"phase": None, "at": 0.0}

    def report(progress: RunProgress) -> None:
        now = time.monotonic()
        if progress.phase == last["phase"] and now - last["at"] < SECONDS_BETWEEN_REPORTS:
            return
        last.update(phase=progress.phase, at=now)
        try:
            queue.report(run, progress)
        except RedisError as error:
            logger.warning("progress cannot be told: %s", error)

    return report


def _say(queue: TrainingQueue, run: Run, ending: Ending) -> None:
    """Tell how a run ended, waiting for a Redis that is away; unsaid, it is done again and finds no change."""
    until = time.monotonic() + SECONDS_TO_SAY
    while True:
        try:
            queue.end(run, ending)
        except RedisError:
            if time.monotonic() > until:
                raise
            time.sleep(SECONDS_BETWEEN_REPORTS)
        else:
            return
