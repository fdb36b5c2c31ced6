"""Label Studio's API through its SDK: reads configs and annotated tasks, and selects model versions."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import httpx
from label_studio_sdk import LabelStudio
from label_studio_sdk.core.api_error import ApiError

from huggingface_ner.errors import HuggingFaceNERError
from huggingface_ner.label_studio.contacts import Contact
from huggingface_ner.label_studio.refusals import http_error
from huggingface_ner.label_studio.task_counts import FIELDS, read_task_counts
from huggingface_ner.label_studio.timed_client import TimedClient
from huggingface_ner.settings import Settings

# Maximum seconds until Label Studio sends something, and until it has sent a whole answer. A page of long texts
# with many annotations takes several seconds.
ANSWER_TIMEOUT = 120.0
REQUEST_TIMEOUT = 600.0
TASKS_AT_A_TIME = 200

_GET_A_KEY = (
    "make a personal access token in Label Studio under Account & Settings, as a user who may change the project, "
    "and set LABEL_STUDIO_API_KEY to it"
)


class ClientError(HuggingFaceNERError):
    """A request to Label Studio failed; the message says what to do.

    retryable: whether the same request may succeed later.
    """

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.retryable = retryable


class KeyRefusedError(ClientError):
    """Label Studio refuses the key; the message says what to do."""


class NoProjectError(ClientError):
    """Label Studio has no such project, or does not show it to the user of the key."""


@dataclass(frozen=True, slots=True)
class Project:
    """A project's title and its labelling config (XML); either can be empty."""

    title: str
    labeling_config: str


class LabelStudioClient:
    """Reads and writes projects with LABEL_STUDIO_API_KEY, a legacy token or a personal access token.

    offered: the token that Label Studio sent with /setup, used if no key is set. Label Studio accepts it if legacy
    tokens are enabled. The key and the token are sent to LABEL_STUDIO_HOST only.
    note: called after each request, so that people can be told whether Label Studio answers.
    """

    def __init__(
        self, settings: Settings, offered: str | None = None, *, note: Callable[[Contact], object] | None = None
    ) -> None:
        self._note = note or (lambda contact: None)
        self._host = settings.label_studio_host
        key = settings.label_studio_api_key
        self._key_is_set = key is not None
        self._key = offered if key is None else key.get_secret_value()
        if not self._key:
            raise ClientError(f"LABEL_STUDIO_API_KEY is not set: {_GET_A_KEY}", retryable=False)

    def project(self, project_id: int) -> Project:
        """Return a project's title and labelling config; raises ClientError, for example NoProjectError."""
        with self._errors(project_id):
            found = self._sdk.projects.get(id=project_id)
            project = Project(str(found.title or ""), str(found.label_config or ""))
        self._note_project(project_id, found)
        return project

    def has_project(self, project_id: int) -> bool:
        """Return whether the project exists and the user of the key may see it; raises ClientError."""
        try:
            self.project(project_id)
        except NoProjectError:
            return False
        return True

    def labeling_config(self, project_id: int) -> str:
        """Return a project's labelling config (XML); raises ClientError."""
        return self.project(project_id).labeling_config

    def annotation_count(self, project_id: int) -> int:
        """Return how many annotations a project has, including skipped ones; raises ClientError."""
        with self._errors(project_id):
            project = self._sdk.projects.get(id=project_id)
            # skipped annotations count too: skipping sends an event, and so does undoing it
            count = (project.total_annotations_number or 0) + (project.skipped_annotations_number or 0)
        self._note_project(project_id, project)
        return count

    def annotated_tasks(self, project_id: int) -> Iterator[dict[str, Any]]:
        """Yield a project's annotated tasks, in the form of its export; a page is requested when it is needed.

        Each task has ``id``, ``data``, ``annotations`` and ``predictions``. Raises ClientError, even after some
        tasks have been yielded.
        """
        with self._errors(project_id):
            tasks: Iterable[Any] = self._sdk.tasks.list(
                project=project_id, only_annotated=True, page_size=TASKS_AT_A_TIME, resolve_uri=False
            )
            for task in tasks:
                yield {
                    "id": task.id,
                    "data": task.data,
                    "annotations": task.annotations,
                    "predictions": [_prediction(prediction) for prediction in task.predictions or []],
                }

    def set_model_version(self, project_id: int, version: str) -> None:
        """Select a version as the model version of a project; raises ClientError.

        Label Studio then starts with the tasks that this version is least certain about.
        """
        if self.selected_version(project_id) != version:
            self.select_version(project_id, version)

    def selected_version(self, project_id: int) -> str:
        """Return the model version that is selected in a project; "" if none is. Raises ClientError."""
        with self._errors(project_id):
            return str(self._sdk.projects.get(id=project_id).model_version or "")

    def select_version(self, project_id: int, version: str) -> None:
        """Select a model version in a project; raises ClientError."""
        with self._errors(project_id):
            self._sdk.projects.update(project_id, model_version=version)

    @contextmanager
    def request(self, project_id: int) -> Iterator[LabelStudio]:
        """Yield the SDK for requests about a project; turn its errors into ClientError, and note the outcome."""
        with self._errors(project_id):
            yield self._sdk

    @cached_property
    def _sdk(self) -> LabelStudio:
        # the SDK's own client follows redirects, and would send the key to their targets
        client = TimedClient(
            REQUEST_TIMEOUT, timeout=ANSWER_TIMEOUT, event_hooks={"response": [self._refuse_redirect]}
        )
        return LabelStudio(  # type: ignore[no-untyped-call]
            base_url=self._host, api_key=self._key, timeout=ANSWER_TIMEOUT, httpx_client=client
        )

    def _refuse_redirect(self, response: httpx.Response) -> None:
        if response.has_redirect_location:
            target = urlsplit(response.headers["Location"])
            where = f"{target.scheme}://{target.hostname}" if target.hostname else "another path"
            raise ClientError(
                f"Label Studio at LABEL_STUDIO_HOST={self._host} redirects to {where}: set LABEL_STUDIO_HOST to "
                "the address at which it answers, because the key is not sent across redirects",
                retryable=False,
            )

    def _note_project(self, project_id: int, project: Any) -> None:
        counts = read_task_counts({field: getattr(project, field, None) for field in FIELDS})
        self._note(Contact(project_id, title=str(project.title or ""), counts=counts))

    @contextmanager
    def _errors(self, project_id: int) -> Iterator[None]:
        try:
            with self._explained(project_id):
                yield
        except ClientError as error:
            self._note(Contact(project_id, str(error), isinstance(error, KeyRefusedError)))
            raise
        self._note(Contact(project_id))

    @contextmanager
    def _explained(self, project_id: int) -> Iterator[None]:
        where = f"Label Studio at LABEL_STUDIO_HOST={self._host}"
        try:
            yield
        except ApiError as error:
            status = error.status_code or 0
            answer = http_error(error, self._key)
            if status in (401, 403):
                key = "LABEL_STUDIO_API_KEY" if self._key_is_set else "the token that it sent with /setup"
                raise KeyRefusedError(
                    f"{where} does not accept {key} ({answer}): {_GET_A_KEY}", retryable=False
                ) from error
            if status == 404:
                raise NoProjectError(
                    f"{where} has no project {project_id}, or the user of LABEL_STUDIO_API_KEY may not see it",
                    retryable=False,
                ) from error
            raise ClientError(f"{where} answers {answer}", retryable=status >= 500 or status == 429) from error
        except httpx.LocalProtocolError:  # its message quotes the header, and so the key
            raise ClientError(
                f"the token of {where} cannot be sent in a header: {_GET_A_KEY}", retryable=False
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ClientError(
                f"{where} does not answer ({error or type(error).__name__}): is it running, and can the training "
                "worker reach it there?",
                retryable=True,
            ) from error
        except ValueError as error:  # the page of another service, which is not JSON
            raise ClientError(f"{where} does not answer as Label Studio does: {error}", retryable=True) from error


def _prediction(prediction: Any) -> dict[str, Any]:
    """Return a task's prediction as the API sends it, only with the fields that this package reads."""
    created = prediction.created_at
    return {
        "id": getattr(prediction, "id", None),
        "model_version": prediction.model_version,
        "result": prediction.result,
        # the SDK leaves a time that it cannot parse as it is
        "created_at": created.isoformat() if isinstance(created, datetime) else created,
    }
