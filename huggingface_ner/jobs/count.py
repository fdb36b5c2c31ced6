"""The job that does a recount: it asks Label Studio how many annotations a project has. See recounts.py."""

import logging
import time

from huggingface_ner.jobs.process import begin_job
from huggingface_ner.jobs.recounts import Recounts
from huggingface_ner.label_studio.client import ClientError, LabelStudioClient

# Seconds to wait after Label Studio has counted. By then, the events of all counted annotations have arrived:
# Label Studio sends an event after it has saved the annotation, and waits up to a second for the answer.
EVENT_SECONDS = 1.5
# Maximum number of queries to Label Studio in one recount. A query is repeated if annotations are saved meanwhile.
MAX_QUERIES = 5

logger = logging.getLogger(__name__)


def count_annotations(project_id: int) -> None:
    """Find a project's annotations that sent no event, and count them as updates.

    RQ calls this in the job's process.
    """
    settings, queue = begin_job()
    try:
        client = LabelStudioClient(settings, queue.notes.token(project_id), note=queue.notes.note_contact)
        recount_annotations(queue, client, project_id)
    except ClientError as error:
        logger.warning("project %d: could not count the annotations that sent no event: %s", project_id, error)
        recount = queue.requested_recount(project_id)
        if recount is not None and not error.retryable:
            queue.give_up_recount(project_id, recount)


def recount_annotations(recounts: Recounts, client: LabelStudioClient, project_id: int) -> None:
    """Do the requested recount of a project. Raises ClientError.

    If annotations are saved during each of MAX_QUERIES queries, the recount stays requested for a later attempt.
    """
    for _ in range(MAX_QUERIES):
        recount = recounts.requested_recount(project_id)
        if recount is None:
            return
        annotations = client.annotation_count(project_id)
        time.sleep(EVENT_SECONDS)
        missed = recounts.answer_recount(project_id, recount, annotations)
        if missed is not None:
            if missed:
                logger.info("project %d: %d annotations sent no event and count as updates", project_id, missed)
            return
