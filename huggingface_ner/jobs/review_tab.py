"""Makes the tab with tasks to review in Label Studio's Data Manager, and keeps it up to date."""

import logging
from pathlib import Path

from huggingface_ner.errors import HuggingFaceNERError
from huggingface_ner.jobs.process import begin_job
from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.label_studio.client import LabelStudioClient
from huggingface_ner.label_studio.review_tab import MAX_TASKS, TAB_TITLE, put_review_tab
from huggingface_ner.store.review_file import read_review, tasks_to_review
from huggingface_ner.store.versions import ModelStore, project_store

REQUESTED = "The tab is being made."

logger = logging.getLogger(__name__)


class NothingToReviewError(HuggingFaceNERError):
    """It is not known what to review in the project; the message says why."""


def request_review_tab(queue: TrainingQueue, project_id: int) -> None:
    """Request that a worker makes or updates the tab of a project; raises RedisError."""
    queue.review_tabs.request(project_id)
    queue.notes.note_review(project_id, REQUESTED)


def make_review_tab(project_id: int) -> None:
    """Make or update the tab of a project. RQ calls this in the job's process."""
    settings, queue = begin_job()
    store = project_store(settings.models_folder, project_id)
    try:
        client = LabelStudioClient(settings, queue.notes.token(project_id), note=queue.notes.note_contact)
        note = show_tasks_to_review(client, project_id, store, create=True)
    except HuggingFaceNERError as error:
        note = f"The tab could not be made: {error}"
        logger.warning("project %d: the tab with tasks to review could not be made: %s", project_id, error)
        if not error.retryable:
            queue.review_tabs.done(project_id)
    else:
        queue.review_tabs.done(project_id)
    queue.notes.note_review(project_id, note or "")


def show_tasks_to_review(
    client: LabelStudioClient, project_id: int, store: ModelStore, *, create: bool
) -> str | None:
    """Show the tasks to review in the tab; return a message for people, or None if there is no tab.

    create: whether to create the tab if it is missing. Raises ClientError, and NothingToReviewError if no training
    has found out what to review.
    """
    folder = _folder(store)
    review = read_review(folder) if folder else {}
    if not review:
        raise NothingToReviewError("no training has looked for annotations to review yet: train the project first")
    tasks = tasks_to_review(review)
    if not put_review_tab(client, project_id, tasks, create=create):
        return None
    shown = min(len(tasks), MAX_TASKS)
    left = f"; there was no room for {len(tasks) - shown} more" if len(tasks) > shown else ""
    return f"The tab “{TAB_TITLE}” in Label Studio shows {shown} task{'' if shown == 1 else 's'}{left}."


def _folder(store: ModelStore) -> Path | None:
    version = store.current_version()
    return version.folder if version else None
