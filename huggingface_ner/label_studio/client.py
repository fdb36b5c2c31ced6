"""Label Studio's API through its SDK: a project's labelling config and its annotated tasks."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from label_studio_sdk import LabelStudio
from label_studio_sdk.core.api_error import ApiError

from huggingface_ner.settings import Settings

# Label Studio takes some seconds for a page of long texts with many annotations.
SECONDS_TO_ANSWER = 120.0
TASKS_AT_A_TIME = 200


_GET_A_KEY = (
    "make a personal access token in Label Studio under Account & Settings, as a user who may see the project, "
    "and set LABEL_STUDIO_API_KEY to it"
)


class ClientError(ValueError):
    """Label Studio does not give what is asked for; the message says what to do.

    again: whether it may when it is asked again later.
    """

    def __init__(self, message: str, *, again: bool) -> None:
        super().__init__(message)
        self.again = again


class LabelStudioClient:
    """Reads projects with LABEL_STUDIO_API_KEY, a legacy token or a personal access token.

    offered: the token that Label Studio sent with /setup, for want of a key; it takes it where legacy tokens are
    allowed. Either goes to LABEL_STUDIO_HOST and nowhere else.
    """

    def __init__(self, settings: Settings, offered: str | None = None) -> None:
        self._host = settings.label_studio_host
        key = settings.label_studio_api_key
        self._key_is_set = key is not None
        self._key = offered if key is None else key.get_secret_value()
        if not self._key:
            raise ClientError(f"LABEL_STUDIO_API_KEY is not set: {_GET_A_KEY}", again=False)

    def labeling_config(self, project_id: int) -> str:
        """Return a project's labelling config, XML; raises ClientError."""
        with self._errors(project_id):
            return str(self._sdk().projects.get(id=project_id).label_config or "")

    def annotated_tasks(self, project_id: int) -> Iterator[dict[str, Any]]:
        """Yield a project's tasks that have annotations, as it exports them, a page at a time.

        Raises ClientError, also on the way.
        """
        with self._errors(project_id):
            tasks: Iterable[Any] = self._sdk().tasks.list(
                project=project_id, only_annotated=True, page_size=TASKS_AT_A_TIME, resolve_uri=False
            )
            for task in tasks:
                yield {"id": task.id, "data": task.data, "annotations": task.annotations}

    def _sdk(self) -> LabelStudio:
        return LabelStudio(  # type: ignore[no-untyped-call]
            base_url=self._host, api_key=self._key, timeout=SECONDS_TO_ANSWER
        )

    @contextmanager
    def _errors(self, project_id: int) -> Iterator[None]:
        where = f"Label Studio at LABEL_STUDIO_HOST={self._host}"
        try:
            yield
        except ApiError as error:
            status = error.status_code or 0
            if status in (401, 403):
                key = "LABEL_STUDIO_API_KEY" if self._key_is_set else "the token that it sent with /setup"
                raise ClientError(
                    f"{where} does not take {key} (HTTP {status}): {_GET_A_KEY}", again=False
                ) from error
            if status == 404:
                raise ClientError(
                    f"{where} has no project {project_id}, or the user of LABEL_STUDIO_API_KEY may not see it",
                    again=False,
                ) from error
            raise ClientError(f"{where} answers HTTP {status}", again=status >= 500 or status == 429) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ClientError(
                f"{where} does not answer ({error or type(error).__name__}): is it running, and can the training "
                "worker reach it there?",
                again=True,
            ) from error
        except ValueError as error:  # a page of some other service, which is no JSON
            raise ClientError(f"{where} does not answer as Label Studio does: {error}", again=True) from error
