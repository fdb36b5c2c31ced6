"""Deletes predictions from Label Studio that nobody needs any more.

Label Studio keeps the predictions of every version that ever answered for a task, and shows them side by side.
After a new version, two kinds of predictions are deleted: those of our versions that are no longer kept, and those
of the packaged encoder, which cannot predict. Predictions of other models and of people are never touched: a
version is ours only if the project's store knows its name.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from redis import RedisError

from huggingface_ner.engines.stand_in import PACKAGED_ENCODER
from huggingface_ner.errors import HuggingFaceNERError
from huggingface_ner.jobs.project_notes import ProjectNotes
from huggingface_ner.label_studio.client import LabelStudioClient
from huggingface_ner.label_studio.stored_predictions import StoredPredictions
from huggingface_ner.store.versions import ModelStore

# Label Studio 1.23.2 deletes all predictions of a version in one transaction, which takes 2.3 ms for each. With
# SQLite, it can save no annotation meanwhile, and gives up after 5 s. So larger versions are deleted one by one,
# which takes 17 ms for each.
MAX_AT_ONCE = 200

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Deletion:
    """How many predictions were deleted, and whether no more are to be deleted now."""

    count: int
    is_finished: bool


def delete_old_predictions(
    project_id: int,
    store: ModelStore,
    client: LabelStudioClient,
    notes: ProjectNotes,
    is_interrupted: Callable[[], bool] = lambda: False,
) -> Deletion:
    """Delete the predictions of a project that are no longer needed.

    is_interrupted: called after each prediction that is deleted singly; if it returns True, the rest is left. A
    failure is only logged, because the deletion is tried again after the next version.
    """
    try:
        return _delete(project_id, store, client, notes, is_interrupted)
    except (HuggingFaceNERError, OSError, RedisError) as error:
        logger.warning("project %d: old predictions were not deleted: %s", project_id, error)
        return Deletion(0, is_finished=True)


def _delete(
    project_id: int,
    store: ModelStore,
    client: LabelStudioClient,
    notes: ProjectNotes,
    is_interrupted: Callable[[], bool],
) -> Deletion:
    _restore_selected(project_id, client, notes)
    # in this order: a version that is published meanwhile must not be taken for an old one
    ours = {entry.version for entry in store.history()} | {PACKAGED_ENCODER}
    kept = {version.name for version in store.versions()}
    if not kept:
        return Deletion(0, is_finished=True)
    stored = StoredPredictions(client, project_id)
    counts = stored.versions()
    old = sorted((ours - kept) & counts.keys())
    if not old:
        return Deletion(0, is_finished=True)
    deleted = 0
    for version in old:
        excess = max(counts[version] - MAX_AT_ONCE, 0)
        for prediction in islice(stored.ids(version), excess):
            stored.delete(prediction)
            deleted += 1
            if is_interrupted():
                logger.info("project %d: deleted %d old predictions; more follow later", project_id, deleted)
                return Deletion(deleted, is_finished=False)
    # deleting unselects the version that the project shows, see StoredPredictions.delete_version
    selected = client.selected_version(project_id)
    notes.put_selected(project_id, selected)
    deleted += sum(stored.delete_version(version) for version in old)
    if selected in old:  # its predictions are gone, so it cannot be selected any more
        notes.put_selected(project_id, "")
    _restore_selected(project_id, client, notes)
    logger.info("project %d: deleted %d predictions of %s", project_id, deleted, ", ".join(old))
    return Deletion(deleted, is_finished=True)


def _restore_selected(project_id: int, client: LabelStudioClient, notes: ProjectNotes) -> None:
    """Select again the version that was unselected by deleting predictions, even if a killed job deleted them."""
    selected = notes.selected(project_id)
    if selected:
        client.set_model_version(project_id, selected)
        notes.put_selected(project_id, "")
