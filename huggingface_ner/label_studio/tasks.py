"""Reads tasks as the documents that their annotators see."""

import base64
import logging
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urljoin

from huggingface_ner.errors import HuggingFaceNERError
from huggingface_ner.label_studio.documents import Document, UnreadableTextError, open_document
from huggingface_ner.label_studio.fetching import FetchError, UrlFetcher
from huggingface_ner.label_studio.labeling_config import LabelingConfig, TextObject
from huggingface_ner.label_studio.page_values import fill_in
from huggingface_ner.left_out import LeftOut, TaskReason
from huggingface_ner.settings import Settings

STORAGE_SCHEMES = ("s3://", "gs://", "azure-blob://", "azure_spi://")
URLS_AT_A_TIME = 8

logger = logging.getLogger(__name__)

# The documents of a task, each with its object; those that cannot be read are left out.
TaskDocuments = list[tuple[TextObject, Document]]


class TaskReader:
    """Reads tasks; if a task cannot be read, its id is logged, and the other tasks are still read.

    fetch: returns the text behind a URL or raises FetchError; called only for objects with ``valueType="url"``.
    label_studio_host: the base of relative addresses, and the host that resolves storage URIs.
    """

    def __init__(self, fetch: Callable[[str], str], label_studio_host: str) -> None:
        self._fetch = fetch
        self._host = label_studio_host

    def documents(self, task: object, config: LabelingConfig, left_out: LeftOut | None = None) -> TaskDocuments:
        """Return the documents of one task.

        left_out: counts the task if one of its texts cannot be read.
        """
        documents: TaskDocuments = []
        reasons: list[TaskReason] = []
        task = task if isinstance(task, Mapping) else {}
        try:
            text_objects = config.for_task(task.get("data")).objects
        except Exception as error:
            reasons.append(_warn(task, error))
            text_objects = ()
        for text_object in text_objects:
            try:
                documents.append((text_object, self._open(task, text_object)))
            except Exception as error:
                reasons.append(_warn(task, error))
        if left_out is not None:
            left_out.tasks.update(reasons[:1])
        return documents

    def documents_many(self, tasks: Sequence[object], config: LabelingConfig) -> list[TaskDocuments]:
        """Return the documents of each task, in order; URLs are fetched several at a time."""
        if not any(text_object.is_url for text_object in config.objects):
            return [self.documents(task, config) for task in tasks]
        with ThreadPoolExecutor(URLS_AT_A_TIME, thread_name_prefix="fetch") as threads:
            return list(threads.map(lambda task: self.documents(task, config), tasks))

    def _open(self, task: Mapping[str, Any], text_object: TextObject) -> Document:
        value = fill_in(text_object.template, task.get("data"))
        if text_object.is_url:
            if not isinstance(value, str) or not value.strip():
                raise UnreadableTextError(f"{text_object.data_key}: a URL is needed")
            value = self._fetch(self._resolve(value.strip(), task.get("id")))
        return open_document(text_object, value)

    def _resolve(self, address: str, task_id: object) -> str:
        if address.startswith(STORAGE_SCHEMES):
            uri = base64.urlsafe_b64encode(address.encode("utf-8", "replace")).decode()
            task = quote(str(task_id), safe="", errors="replace")
            return f"{self._host}/tasks/{task}/resolve/?fileuri={uri}"
        try:
            return urljoin(f"{self._host}/", address)
        except ValueError as error:
            raise FetchError("this is not a valid URL") from error


class RememberingReader(TaskReader):
    """A reader that reads a task once, if it is read several times in a row."""

    def __init__(self, reader: TaskReader) -> None:
        self._reader = reader
        self._last: tuple[object, LabelingConfig, TaskDocuments, LeftOut] | None = None

    def documents(self, task: object, config: LabelingConfig, left_out: LeftOut | None = None) -> TaskDocuments:
        """See TaskReader."""
        if self._last is None or self._last[0] is not task or self._last[1] is not config:
            counted = LeftOut()
            self._last = task, config, self._reader.documents(task, config, counted), counted
        if left_out is not None:
            left_out.merge(self._last[3])
        return self._last[2]


def task_reader(settings: Settings) -> TaskReader:
    """Return a reader that fetches only URLs that the settings allow."""
    return TaskReader(_fetcher(settings), settings.label_studio_host)


@lru_cache(maxsize=4)
def _fetcher(settings: Settings) -> UrlFetcher:
    """Return this process's fetcher, which keeps its access token from one request to the next."""
    key = settings.label_studio_api_key
    return UrlFetcher(
        settings.label_studio_host,
        api_key=key.get_secret_value() if key is not None else None,
        allowed_hosts=settings.allowed_url_hosts,
        max_bytes=settings.url_max_bytes,
        timeout=settings.url_timeout,
    )


def _warn(task: Mapping[str, Any], error: Exception) -> TaskReason:
    """Log that a task is not labelled, and return why.

    A task's data can be anything, so its errors must not affect other tasks.
    """
    if isinstance(error, HuggingFaceNERError):
        # the message names keys and hosts, never a text
        logger.warning("task %.40r: not labelled: %s", task.get("id"), error)
        return "not_fetched" if isinstance(error, FetchError) else "unreadable"
    # the error's own message may contain the text
    places = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)[-3:]]
    kind = type(error).__name__
    logger.warning("task %.40r: not labelled: %s in %s", task.get("id"), kind, " > ".join(places))
    return "unreadable"
