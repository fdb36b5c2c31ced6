"""Puts the credentials into the webhook that Label Studio registers for this backend.

Label Studio connects to a backend with basic auth, but registers its webhook without the credentials. Without this
module, the webhook's events would be refused, and no training would ever start. When the credentials are in place,
a recount finds the annotations whose events were refused before.
"""

import base64
import logging
import math
import threading
import time
from dataclasses import dataclass

from redis import RedisError

from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.label_studio.client import ClientError, LabelStudioClient
from huggingface_ner.label_studio.project_webhooks import give_credentials
from huggingface_ner.server import auth
from huggingface_ner.settings import Settings

# Seconds from /setup to the first check: Label Studio requests /setup, registers the webhook, and requests /setup
# again.
REGISTRATION_DELAY = 2.0
# Seconds to wait after each check that failed, for example because there was no webhook or no answer.
RETRY_DELAYS = (5.0, 20.0, 60.0)
# Seconds before a webhook that has credentials is checked again. If the backend is connected again, Label Studio
# replaces the webhook by one without credentials.
TRUST_SECONDS = 60.0
# Seconds after a failure before the next /setup may start another check; the cause may be fixed by then.
COOLDOWN_SECONDS = 15.0
MAX_PROJECTS = 1000

ARRIVED = "its events arrive with the credentials"
GIVEN = "webhook credentials are in place; annotations will start trainings"
ADVICE = (
    "Label Studio's webhook carries no credentials, so annotations do not start trainings: set "
    "LABEL_STUDIO_API_KEY to a token of a user who may change the project, or put the credentials into the "
    "backend's URL in Label Studio, http://USER:PASSWORD@HOST"
)

NO_WEBHOOK = (
    "the project has no webhook for this backend, so annotations do not start trainings: start Label Studio with "
    "ML_BLOCK_LOCAL_IP=false and SSRF_PROTECTION_ENABLED=false, then remove the model there and connect it again"
)

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Check:
    """The time at which a project's webhook is checked next.

    due: a time of the monotonic clock. If it is infinite, the next /setup starts a check, but no earlier than
    ``cooldown_until``.
    """

    host: str
    due: float
    attempts: int = 0
    cooldown_until: float = 0.0


class WebhookCredentials:
    """Checks the webhooks of the projects that request /setup, in a background thread.

    The result is logged and shown as ``webhook`` in ``/training``. If no credentials are set, nothing is checked.
    """

    def __init__(self, settings: Settings, queue: TrainingQueue | None) -> None:
        self._settings = settings
        self._started = time.time()
        # without a queue there are no trainings; if no credentials are set, the webhook needs none
        self._queue = queue if settings.basic_auth_user is not None else None
        self._checks: dict[int, _Check] = {}
        self._arrived: set[int] = set()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def look_after(self, project_id: int | None, host: str) -> None:
        """Schedule a check of a project's webhook, and return at once.

        host: the host and port of the URL that Label Studio has for this service.
        """
        if self._queue is None or project_id is None:
            return
        with self._changed:
            now = time.monotonic()
            check = self._checks.get(project_id)
            if check is None or check.host != host:
                if len(self._checks) >= MAX_PROJECTS:
                    self._checks.clear()
                self._checks[project_id] = _Check(host, now + REGISTRATION_DELAY)
                self._changed.notify_all()
            elif math.isinf(check.due):
                check.due = max(now, check.cooldown_until)
                self._changed.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, args=(self._queue,), name="webhook-credentials", daemon=True
                )
                self._thread.start()

    def arrived(self, project_id: int | None) -> None:
        """Note that an event of a project's webhook came with the credentials."""
        if self._queue is None or project_id is None or project_id in self._arrived:
            return
        if len(self._arrived) >= MAX_PROJECTS:
            self._arrived.clear()
        if self._note(self._queue, project_id, ARRIVED):
            self._arrived.add(project_id)

    def _run(self, queue: TrainingQueue) -> None:
        while True:
            with self._changed:
                now = time.monotonic()
                due = [(project_id, check) for project_id, check in self._checks.items() if check.due <= now]
                if not due:
                    soonest = min((check.due for check in self._checks.values()), default=math.inf)
                    self._changed.wait(None if math.isinf(soonest) else soonest - now)
                    continue
            for project_id, check in due:
                trouble = self._give_credentials(queue, project_id, check.host)
                is_final = self._schedule_next(check, trouble)
                if is_final:
                    failure = trouble if trouble == NO_WEBHOOK else f"{ADVICE} ({trouble})"
                    self._note(queue, project_id, GIVEN if trouble is None else failure)

    def _give_credentials(self, queue: TrainingQueue, project_id: int, host: str) -> str | None:
        """Put the credentials into a project's webhook; return None, or the reason if that failed."""
        credentials = auth.expected(self._settings) or b""
        authorization = f"Basic {base64.b64encode(credentials).decode('ascii')}"
        try:
            notes = queue.notes
            client = LabelStudioClient(self._settings, notes.token(project_id), note=notes.note_contact)
            user = self._settings.basic_auth_user or ""
            given = give_credentials(client, project_id, host, user, authorization)
            if given:
                queue.request_recount(project_id)
        except (ClientError, RedisError) as error:
            return str(error)
        except Exception as error:  # the thread has other projects to check
            logger.exception("project %d: checking its webhook failed", project_id)
            return f"{type(error).__name__}: {error}"
        return NO_WEBHOOK if given is None else None

    @staticmethod
    def _schedule_next(check: _Check, trouble: str | None) -> bool:
        """Schedule the next check; return whether the result is final and can be shown."""
        if trouble is not None and check.attempts < len(RETRY_DELAYS):
            check.due = time.monotonic() + RETRY_DELAYS[check.attempts]
            check.attempts += 1
            return False
        check.attempts, check.due = 0, math.inf
        check.cooldown_until = time.monotonic() + (TRUST_SECONDS if trouble is None else COOLDOWN_SECONDS)
        return True

    def _note(self, queue: TrainingQueue, project_id: int, note: str) -> bool:
        """Store and log a note, unless it was already stored since this service started; return False on failure.

        The note ARRIVED is replaced only if it was stored before this service started, because the credentials may
        have been different then.
        """
        try:
            known, noted_at = queue.notes.webhook_note(project_id)
            if noted_at >= self._started and known in (note, ARRIVED):
                return True
            if note in (ARRIVED, GIVEN):
                # earlier events may have been refused, or sent while the service was down
                queue.request_recount(project_id)
            queue.notes.note_webhook(project_id, note)
        except RedisError as error:
            logger.warning("project %d: the training queue does not answer: %s", project_id, error)
            return False
        level = logging.INFO if note in (ARRIVED, GIVEN) else logging.WARNING
        logger.log(level, "project %d: %s", project_id, note)
        return True
