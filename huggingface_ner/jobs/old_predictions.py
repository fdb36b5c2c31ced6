"""Deletes predictions from Label Studio that nobody needs any more.

Label Studio keeps the predictions of every version that ever answered for a task, and shows them side by side.
After a new version, two kinds of predictions are deleted: those of our versions that are no longer kept, and those
of the packaged encoder, which cannot predict. Predictions of other models and of people are never touched: a
version is ours only if the project's store knows its name.
"""

import logging

from redis import RedisError

from huggingface_ner.engines.stand_in import PACKAGED_ENCODER
from huggingface_ner.errors import HuggingFaceNERError
from huggingface_ner.jobs.project_notes import ProjectNotes
from huggingface_ner.label_studio.client import LabelStudioClient
from huggingface_ner.store.versions import ModelStore

logger = logging.getLogger(__name__)


def delete_old_predictions(
    project_id: int, store: ModelStore, client: LabelStudioClient, notes: ProjectNotes
) -> int:
    """Delete the predictions of a project that are no longer needed, and return how many there were.

    A failure is only logged, because the deletion is tried again after the next version.
    """
    try:
        return _delete(project_id, store, client, notes)
    except (HuggingFaceNERError, OSError, RedisError) as error:
        logger.warning("project %d: old predictions were not deleted: %s", project_id, error)
        return 0


def _delete(project_id: int, store: ModelStore, client: LabelStudioClient, notes: ProjectNotes) -> int:
    _restore_selected(project_id, client, notes)
    kept = {version.name for version in store.versions()}
    if not kept:
        return 0
    ours = {entry.version for entry in store.history()} | {PACKAGED_ENCODER}
    old = sorted((ours - kept) & client.predicted_versions(project_id).keys())
    if not old:
        return 0
    # deleting unselects the version that the project shows, see LabelStudioClient.delete_predictions
    selected = client.selected_version(project_id)
    notes.put_selected(project_id, selected)
    deleted = sum(client.delete_predictions(project_id, version) for version in old)
    if selected in old:  # its predictions are gone, so it cannot be selected any more
        notes.put_selected(project_id, "")
    _restore_selected(project_id, client, notes)
    logger.info("project %d: deleted %d predictions of %s", project_id, deleted, ", ".join(old))
    return deleted


def _restore_selected(project_id: int, client: LabelStudioClient, notes: ProjectNotes) -> None:
    """Select again the version that was unselected by deleting predictions, even if a killed job deleted them."""
    selected = notes.selected(project_id)
    if selected:
        client.set_model_version(project_id, selected)
        notes.put_selected(project_id, "")
