"""The training job: reads the annotated tasks from Label Studio, trains, and reports the outcome of the run."""

import logging
import os
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from redis import RedisError
from rq.timeouts import JobTimeoutException

from huggingface_ner.errors import HuggingFaceNERError
from huggingface_ner.jobs.mention_fill import MentionFill
from huggingface_ner.jobs.mention_store import MentionStore
from huggingface_ner.jobs.phases import PhaseClock
from huggingface_ner.jobs.process import RUN_ID, begin_job
from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.jobs.review_tab import NothingToReviewError, show_tasks_to_review
from huggingface_ner.jobs.runs import Run
from huggingface_ner.label_studio.annotator_names import annotator_names
from huggingface_ner.label_studio.client import ClientError, Contact, LabelStudioClient
from huggingface_ner.label_studio.gold import read_gold
from huggingface_ner.label_studio.labeling_config import LabelingConfig, LabelingConfigError, parse_labeling_config
from huggingface_ner.label_studio.tasks import task_reader
from huggingface_ner.learning.fine_tuning import Hyperparameters
from huggingface_ner.learning.progress import Outcome, RunProgress
from huggingface_ner.learning.spool import Spool
from huggingface_ner.learning.starting_model import starting_model
from huggingface_ner.learning.training import Report, Training, TrainingOptions
from huggingface_ner.learning.version import train_version
from huggingface_ner.left_out import LeftOut
from huggingface_ner.settings import Settings
from huggingface_ner.spans import AnnotatedText
from huggingface_ner.store.versions import ModelStore, project_store

REPORT_INTERVAL = 1.0
# Maximum seconds for which reporting the outcome is retried if Redis does not answer.
OUTCOME_TIMEOUT = 120.0

logger = logging.getLogger(__name__)


class LeaseLostError(Exception):
    """This run lost its lease to another run, so it must not publish anything."""


def train_project(project_id: int) -> None:
    """Execute the run that the worker began, and report its outcome. RQ calls this in the job's process."""
    settings, queue = begin_job()
    run = queue.running(project_id)
    if run is None or run.id != os.environ.get(RUN_ID):
        return
    clock = PhaseClock()
    try:
        notes = queue.notes
        report = _reporter(queue, run, clock)
        token, mentions = notes.token(project_id), queue.mentions.store
        outcome = _outcome(project_id, settings, token, report, note=notes.note_contact, mentions=mentions)
    except LeaseLostError:
        logger.warning("project %d: run %s stops: it lost the lease to another worker", project_id, run.id)
        return
    log = logger.error if outcome.status == "failed" else logger.info
    log("project %d: %s: %s", project_id, outcome.status, outcome.reason)
    _report_outcome(queue, run, outcome.model_copy(update={"phases": clock.seconds()}))


def _outcome(
    project_id: int,
    settings: Settings,
    offered_token: str | None,
    report: Report,
    *,
    note: Callable[[Contact], object] | None = None,
    mentions: MentionStore | None = None,
) -> Outcome:
    try:
        client = LabelStudioClient(settings, offered_token, note=note)
        return run_training(project_id, settings, client, report, mentions)
    except LeaseLostError:
        raise
    except HuggingFaceNERError as error:
        return Outcome.failed(str(error), retryable=error.retryable)
    except JobTimeoutException:
        return Outcome.failed(
            f"it took longer than TRAINING_TIMEOUT={settings.training_timeout} s", retryable=False
        )
    except OSError as error:
        return Outcome.failed(f"{error}: the current model stays in use", retryable=True)
    except Exception as error:
        logger.exception("project %d: the training failed", project_id)
        return Outcome.failed(f"{type(error).__name__}: {error}: the current model stays in use", retryable=True)


def run_training(
    project_id: int,
    settings: Settings,
    client: LabelStudioClient,
    report: Report,
    mentions: MentionStore | None = None,
) -> Outcome:
    """Train a project's model on its annotations in Label Studio; see train_version. Also raises ClientError.

    mentions: stores the annotations that are read, as known mentions.
    """
    report(RunProgress("downloading"))
    try:
        project = client.project(project_id)
        config = parse_labeling_config(project.labeling_config)
    except LabelingConfigError as error:
        return Outcome(status="skipped", reason=f"the labelling config cannot be used: {error}")
    tasks, reader = client.annotated_tasks(project_id), task_reader(settings)
    if mentions is not None:
        fill = MentionFill(mentions, project_id, config, reader)
        tasks, reader = fill.watch(tasks), fill.reader
    store = project_store(settings.models_folder, project_id, settings.keep_versions)
    names = partial(_annotator_names, client, project_id)
    outcome = _train(store, config, settings, partial(read_gold, tasks, config, reader), report, names=names)
    _update_review_tab(client, project_id, store)
    summary = outcome.left_out and outcome.left_out["summary"]
    if summary:
        # %.80r, because a title can contain line breaks and have any length
        logger.warning("project %d, %.80r: %s", project_id, project.title, summary)
    return outcome


def _annotator_names(client: LabelStudioClient, project_id: int, annotators: Collection[int]) -> dict[int, str]:
    """Return the names of annotators; if Label Studio does not tell them, their numbers have to do."""
    try:
        return annotator_names(client, project_id, annotators)
    except ClientError as error:
        logger.warning("project %d: the names of its annotators could not be read: %s", project_id, error)
        return {}


def _update_review_tab(client: LabelStudioClient, project_id: int, store: ModelStore) -> None:
    """Let the tab with tasks to review, if somebody has made one, show those that the training has found."""
    try:
        show_tasks_to_review(client, project_id, store, create=False)
    except NothingToReviewError:
        return
    except ClientError as error:
        logger.warning("project %d: the tab with tasks to review could not be updated: %s", project_id, error)


def _train(
    store: ModelStore,
    config: LabelingConfig,
    settings: Settings,
    read_texts: Callable[[LeftOut], Iterable[AnnotatedText]],
    report: Report,
    *,
    names: Callable[[Collection[int]], Mapping[int, str]],
) -> Outcome:
    left_out = LeftOut()
    with TemporaryDirectory(prefix="huggingface-ner-") as folder, Spool(Path(folder) / "texts.jsonl") as spool:
        for text in read_texts(left_out):
            spool.add(text)
        if not spool.task_ids:
            return Outcome(
                status="skipped",
                reason="no task has an annotation (cancelled ones do not count) and a readable text, so there is "
                "nothing to learn from yet",
                left_out=left_out.as_dict(),
            )
        hyperparameters = Hyperparameters(settings.learning_rate, settings.num_train_epochs, settings.weight_decay)
        training = Training(
            spool,
            config.label_names,
            config.match_labels,
            starting_model(settings.baseline_model_name, is_set=settings.baseline_is_set),
            TrainingOptions(hyperparameters, device=settings.device),
            match_labels_over=config.match_labels_over,
            report=report,
            layers=config.layers,
            left_out=left_out,
            annotators=names(spool.annotators),
        )
        return train_version(
            training,
            store,
            f1_tolerance=settings.f1_tolerance,
            preference=settings.engine_preference,
        )


def _reporter(queue: TrainingQueue, run: Run, clock: PhaseClock) -> Report:
    """Return a function that reports a new phase to Redis at once, but steps at most every REPORT_INTERVAL.

    clock: times the phases. The function raises LeaseLostError if the run lost its lease.
    """
    last: dict[str, Any] = {"phase": None, "at": 0.0, "began": 0.0}

    def report(progress: RunProgress) -> None:
        now = time.monotonic()
        if progress.phase == last["phase"] and now - last["at"] < REPORT_INTERVAL:
            return
        if progress.phase != last["phase"]:
            clock.enter(progress.phase)
            last["began"] = time.time()
        last.update(phase=progress.phase, at=now)
        try:
            has_lease = queue.report(run, progress, last["began"])
        except RedisError as error:
            logger.warning("could not report progress to Redis: %s", error)
        else:
            if not has_lease:
                raise LeaseLostError(run.id)

    return report


def _report_outcome(queue: TrainingQueue, run: Run, outcome: Outcome) -> None:
    """Report the outcome of a run; if Redis does not answer, retry for up to OUTCOME_TIMEOUT seconds.

    If the outcome is lost, the run is repeated, and then its status is "unchanged".
    """
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
