"""The training job: reads the annotated tasks from Label Studio, trains, and reports the outcome of the run."""

import logging
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

from redis import RedisError
from rq.timeouts import JobTimeoutException

from huggingface_ner.errors import HuggingFaceNERError, without_text
from huggingface_ner.jobs.forgetting import forget_project
from huggingface_ner.jobs.mention_fill import MentionFill
from huggingface_ner.jobs.mention_store import MentionStore
from huggingface_ner.jobs.old_predictions import delete_old_predictions
from huggingface_ner.jobs.phases import PhaseClock
from huggingface_ner.jobs.process import RUN_ID, begin_job
from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.jobs.review_tab import NothingToReviewError, show_tasks_to_review
from huggingface_ner.jobs.run_reporter import REPORT_INTERVAL, LeaseLostError, Reporter
from huggingface_ner.jobs.runs import Run
from huggingface_ner.label_studio.addresses import project_address
from huggingface_ner.label_studio.annotator_names import annotator_names
from huggingface_ner.label_studio.client import ClientError, LabelStudioClient, NoProjectError
from huggingface_ner.label_studio.contacts import Contact
from huggingface_ner.label_studio.gold import read_gold
from huggingface_ner.label_studio.labeling_config import LabelingConfig, LabelingConfigError, parse_labeling_config
from huggingface_ner.label_studio.suggestion_edits import SuggestionEdits
from huggingface_ner.label_studio.tasks import RememberingReader, task_reader
from huggingface_ner.learning.fine_tuning import Hyperparameters
from huggingface_ner.learning.progress import Outcome, RunProgress
from huggingface_ner.learning.spool import Spool
from huggingface_ner.learning.starting_model import starting_model
from huggingface_ner.learning.tracking import Tracking
from huggingface_ner.learning.training import Report, Training, TrainingOptions
from huggingface_ner.learning.version import train_version
from huggingface_ner.left_out import LeftOut
from huggingface_ner.settings import Settings
from huggingface_ner.spans import AnnotatedText
from huggingface_ner.store.history import SuggestionCounts, newest_with_suggestions
from huggingface_ner.store.versions import ModelStore, project_store
from huggingface_ner.temporary_folders import temporary_folder

# Maximum seconds for which reporting the outcome is retried if Redis does not answer.
OUTCOME_TIMEOUT = 120.0
# Maximum seconds for which old predictions are deleted after a training; the rest is deleted after the next one.
DELETION_TIMEOUT = 60.0

logger = logging.getLogger(__name__)


def train_project(project_id: int) -> None:
    """Execute the run that the worker began, and report its outcome. RQ calls this in the job's process."""
    settings, queue = begin_job()
    run = queue.running(project_id)
    if run is None or run.id != os.environ.get(RUN_ID):
        return
    clock, notes = PhaseClock(), queue.notes
    try:
        report = Reporter(queue, run, clock)
        token, mentions = notes.token(project_id), queue.mentions.store
        outcome = _outcome(project_id, settings, token, report, note=notes.note_contact, mentions=mentions)
    except LeaseLostError:
        logger.warning("project %d: run %s stops: it lost the lease to another worker", project_id, run.id)
        return
    except NoProjectError as error:
        if not notes.is_seen(project_id) and not project_store(settings.models_folder, project_id).versions():
            logger.warning("project %d: the request for a training is forgotten: %s", project_id, error)
            forget_project(queue.rq.connection, settings, project_id)
            return
        outcome = Outcome.failed(str(error), retryable=False)
    log = logger.error if outcome.status == "failed" else logger.info
    log("project %d: %s: %s", project_id, outcome.status, outcome.reason)
    _report_outcome(queue, run, outcome.model_copy(update={"phases": clock.seconds()}))
    if outcome.status == "published" and not settings.predict_after_training:
        # otherwise, the suggestion job does this when all tasks have the new version's predictions
        client = LabelStudioClient(settings, token, note=notes.note_contact)
        until = time.monotonic() + DELETION_TIMEOUT
        delete_old_predictions(
            *(project_id, project_store(settings.models_folder, project_id), client, notes),
            is_interrupted=lambda: time.monotonic() > until,
        )


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
    except (LeaseLostError, NoProjectError):
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
        return Outcome.failed(f"{without_text(error)}: the current model stays in use", retryable=True)


def run_training(
    project_id: int,
    settings: Settings,
    client: LabelStudioClient,
    report: Report,
    mentions: MentionStore | None = None,
) -> Outcome:
    """Train a project's model on its annotations in Label Studio; see train_version. Also raises ClientError.

    mentions: the store in which the annotations that are read become known mentions.
    """
    report(RunProgress("downloading"))
    try:
        project = client.project(project_id)
        config = parse_labeling_config(project.labeling_config)
    except LabelingConfigError as error:
        return Outcome(status="skipped", reason=f"the labelling config cannot be used: {error}")
    # a task is read up to three times: for the known mentions, for its suggestions and for the training
    tasks, reader = client.annotated_tasks(project_id), RememberingReader(task_reader(settings))
    if mentions is not None:
        fill = MentionFill(mentions, project_id, config, reader)
        tasks, reader = fill.watch(tasks), fill.reader
    store = project_store(settings.models_folder, project_id, settings.keep_versions)
    tasks = _noting_suggestions(tasks, SuggestionEdits(config, reader), store)
    names = partial(_annotator_names, client, project_id)
    read_texts = partial(read_gold, tasks, config, reader)
    outcome = _train(project_id, store, config, settings, read_texts, report=report, names=names)
    outcome = outcome.model_copy(update={"accepted": _accepted(store)})
    _update_review_tab(client, project_id, store)
    summary = outcome.left_out and outcome.left_out["summary"]
    warning = outcome.unknown_tokens and outcome.unknown_tokens["warning"]
    for text in filter(None, (summary, warning)):
        # %.80r, because a title can contain line breaks and have any length
        logger.warning("project %d, %.80r: %s", project_id, project.title, text)
    return outcome


def _annotator_names(client: LabelStudioClient, project_id: int, annotators: Collection[int]) -> dict[int, str]:
    """Return the names of annotators by id; if Label Studio does not return them, log this and return {}."""
    try:
        return annotator_names(client, project_id, annotators)
    except ClientError as error:
        logger.warning("project %d: the names of its annotators could not be read: %s", project_id, error)
        return {}


def _update_review_tab(client: LabelStudioClient, project_id: int, store: ModelStore) -> None:
    """If somebody has made the tab with tasks to review, show in it the tasks that the training has found."""
    try:
        show_tasks_to_review(client, project_id, store, create=False)
    except NothingToReviewError:
        return
    except ClientError as error:
        logger.warning("project %d: the tab with tasks to review could not be updated: %s", project_id, error)


def _noting_suggestions(
    tasks: Iterator[dict[str, Any]], edits: SuggestionEdits, store: ModelStore
) -> Iterator[dict[str, Any]]:
    """Yield the tasks, and then store what annotators did with the suggestions in them; raises OSError."""
    yield from edits.watch(tasks)
    found = edits.by_version.items()
    store.note_suggestions({name: SuggestionCounts(tasks=one.tasks, **asdict(one.edits)) for name, one in found})


def _accepted(store: ModelStore) -> dict[str, Any] | None:
    """Return the counts of suggestions of the newest version that has such counts; None if no version has any."""
    entry = newest_with_suggestions(store.history())
    if entry is None or entry.suggestions is None:
        return None
    return {"version": entry.version, **entry.suggestions.as_dict()}


def _train(
    project_id: int,
    store: ModelStore,
    config: LabelingConfig,
    settings: Settings,
    read_texts: Callable[[LeftOut], Iterable[AnnotatedText]],
    *,
    report: Report,
    names: Callable[[Collection[int]], Mapping[int, str]],
) -> Outcome:
    left_out = LeftOut()
    with temporary_folder("huggingface-ner-texts-") as folder, Spool(folder / "texts.jsonl") as spool:
        for text in read_texts(left_out):
            spool.add(text)
        if not spool.task_ids:
            return Outcome(
                status="skipped",
                reason="no task has an annotation (cancelled ones do not count) and a readable text, so there is "
                "nothing to learn from yet",
                left_out=left_out.as_dict(),
            )
        tracking = Tracking.in_folder(settings.report_to, f"project-{project_id}", settings.model_dir)
        tracking.check()
        training = Training(
            spool,
            config.label_names,
            config.match_labels,
            starting_model(settings.baseline_model_name, is_set=settings.baseline_is_set),
            TrainingOptions(hyperparameters(settings), device=settings.device, tracking=tracking),
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
            salt=project_address(settings.label_studio_host, project_id),
        )


def hyperparameters(settings: Settings, seed: int = 0) -> Hyperparameters:
    """Return the hyperparameters that the settings ask for."""
    return Hyperparameters(
        settings.learning_rate,
        settings.num_train_epochs,
        settings.weight_decay,
        seed,
        settings.training_repetitions,
    )


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
