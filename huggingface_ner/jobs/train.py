"""One training run, from the annotated tasks in Label Studio to how it ended."""

import logging
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from redis import RedisError
from rq.timeouts import JobTimeoutException

from huggingface_ner.errors import HuggingFaceNERError
from huggingface_ner.jobs.process import begin_job
from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.jobs.runs import Outcome, Run, RunProgress
from huggingface_ner.jobs.worker import RUN_ID
from huggingface_ner.label_studio.client import LabelStudioClient
from huggingface_ner.label_studio.gold import read_gold
from huggingface_ner.label_studio.labeling_config import LabelingConfigError, parse_labeling_config
from huggingface_ner.label_studio.tasks import task_reader
from huggingface_ner.learning.spool import Spool
from huggingface_ner.learning.starting_model import starting_model
from huggingface_ner.learning.version import Report, train_version
from huggingface_ner.settings import Settings
from huggingface_ner.store.versions import project_store

REPORT_INTERVAL = 1.0
# How long the news of a run's end waits for a Redis that is away.
OUTCOME_TIMEOUT = 120.0

logger = logging.getLogger(__name__)


class ReplacedError(Exception):
    """Another run has taken this one's place: nothing of it may be published any more."""


def train_project(project_id: int) -> None:
    """Do the run that the worker began, and say how it ended: what RQ calls, in a process of its own."""
    settings, queue = begin_job()
    run = queue.running(project_id)
    if run is None or run.id != os.environ.get(RUN_ID):
        return
    try:
        outcome = _outcome(project_id, settings, queue.tokens.get(project_id), _reporter(queue, run))
    except ReplacedError:
        logger.warning("project %d: run %s is given up: another has taken its place", project_id, run.id)
        return
    log = logger.error if outcome.status == "failed" else logger.info
    log("project %d: %s: %s", project_id, outcome.status, outcome.reason)
    _say(queue, run, outcome)


def _outcome(project_id: int, settings: Settings, offered_token: str | None, report: Report) -> Outcome:
    try:
        return run_training(project_id, settings, LabelStudioClient(settings, offered_token), report)
    except ReplacedError:
        raise
    except HuggingFaceNERError as error:
        return Outcome.failed(str(error), retryable=error.retryable)
    except JobTimeoutException:
        return Outcome.failed(
            f"it took longer than TRAINING_TIMEOUT={settings.training_timeout} s", retryable=False
        )
    except OSError as error:
        return Outcome.failed(f"{error}: the model that serves stays", retryable=True)
    except Exception as error:
        logger.exception("project %d: the training failed", project_id)
        return Outcome.failed(f"{type(error).__name__}: {error}: the model that serves stays", retryable=True)


def run_training(project_id: int, settings: Settings, client: LabelStudioClient, report: Report) -> Outcome:
    """Train a project's model on what Label Studio has; see train_version. Raises ClientError too."""
    report(RunProgress("downloading"))
    try:
        config = parse_labeling_config(client.labeling_config(project_id))
    except LabelingConfigError as error:
        return Outcome(status="skipped", reason=f"the labelling config is not for this: {error}")
    with TemporaryDirectory(prefix="huggingface-ner-") as folder, Spool(Path(folder) / "texts.jsonl") as spool:
        for text in read_gold(client.annotated_tasks(project_id), config, task_reader(settings)):
            spool.add(text)
        if not spool.task_ids:
            return Outcome(
                status="skipped",
                reason="no task has an annotation that is not cancelled and a text that can be read: nothing to "
                "learn from yet",
            )
        store = project_store(settings, project_id)
        baseline = starting_model(settings.baseline_model_name, is_set=settings.baseline_is_set)
        return train_version(spool, config, store, baseline, settings, report=report)


def _reporter(queue: TrainingQueue, run: Run) -> Report:
    """Return a function that tells Redis of a new phase at once, and of steps now and then.

    It raises ReplacedError where the run has lost its project.
    """
    last: dict[str, Any] = {"phase": None, "at": 0.0}

    def report(progress: RunProgress) -> None:
        now = time.monotonic()
        if progress.phase == last["phase"] and now - last["at"] < REPORT_INTERVAL:
            return
        last.update(phase=progress.phase, at=now)
        try:
            is_ours = queue.report(run, progress)
        except RedisError as error:
            logger.warning("progress cannot be told: %s", error)
        else:
            if not is_ours:
                raise ReplacedError(run.id)

    return report


def _say(queue: TrainingQueue, run: Run, outcome: Outcome) -> None:
    """Tell how a run ended, waiting for a Redis that is away; unsaid, it is done again and finds no change."""
    until = time.monotonic() + OUTCOME_TIMEOUT
    while True:
        try:
            queue.end(run, outcome)
        except RedisError:
            if time.monotonic() > until:
                raise
            time.sleep(REPORT_INTERVAL)
        else:
            return
