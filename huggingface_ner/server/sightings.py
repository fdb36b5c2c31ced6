"""Stores facts from Label Studio's requests, for the pages: each project's name, address and events."""

from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.label_studio.addresses import parse_address
from huggingface_ner.label_studio.events import WebhookEvent


class Sightings:
    """Stores facts about projects from requests; if there is no queue, nothing is stored."""

    def __init__(self, queue: TrainingQueue | None) -> None:
        self._notes = queue.notes if queue is not None else None

    def connected(self, project_id: int | None, address: object) -> None:
        """Note that a project is connected. address: Label Studio's address, as its request gives it."""
        if self._notes is not None and project_id is not None:
            self._notes.note_setup(project_id, parse_address(address))

    def event_arrived(self, event: WebhookEvent) -> None:
        """Note that an event of a project's webhook has arrived."""
        if self._notes is not None and event.project_id is not None:
            self._notes.note_event(event.project_id, event.title, event.counts)
