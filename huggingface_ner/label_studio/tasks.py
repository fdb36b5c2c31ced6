"""Reads tasks as the documents that their annotators see."""

import base64
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence, Set
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urljoin

from huggingface_ner.errors import ClientGoneError, HuggingFaceNERError, place_of_error
from huggingface_ner.json_values import mapping
from huggingface_ner.label_studio.documents import Document, UnreadableTextError, open_document
from huggingface_ner.label_studio.fetching import FetchError, UrlFetcher
from huggingface_ner.label_studio.labeling_config import LabelingConfig, TextObject
from huggingface_ner.label_studio.page_values import fill_in
from huggingface_ner.left_out import LeftOut, TaskReason
from huggingface_ner.settings import Settings

STORAGE_SCHEMES = ("s3://", "gs://", "azure-blob://", "azure_spi://")
URLS_AT_A_TIME = 8
# Seconds between two checks whether the client is still connected.
POLL_INTERVAL = 0.25
# There can be thousands of tasks, so a reader logs only this many warnings. After a request, the number of the
# others is logged; trainings count them in LeftOut.
MAX_WARNINGS = 20

logger = logging.getLogger(__name__)

# The documents of a task, each with its object; those that cannot be read are left out.
TaskDocuments = list[tuple[TextObject, Document]]


class TaskReader:
    """Reads tasks; if a task cannot be read, its id is logged, and the other tasks are still read.

    fetch: returns the text behind a URL or raises FetchError; called only for objects with ``valueType="url"``.
    label_studio_host: the base of relative addresses, and the host that resolves storage URIs.
    timeout: the time limit for all texts that ``documents_many`` fetches, in seconds.
    is_connected: returns whether the client still waits for the tasks.
    """

    def __init__(
        self,
        fetch: Callable[[str], str],
        label_studio_host: str,
        timeout: float = math.inf,
        is_connected: Callable[[], bool] = lambda: True,
    ) -> None:
        self._fetch = fetch
        self._host = label_studio_host
        self._timeout = timeout
        self._is_connected = is_connected
        self._warnings = 0
        self._lock = threading.Lock()

    def documents(self, task: object, config: LabelingConfig, left_out: LeftOut | None = None) -> TaskDocuments:
        """Return the documents of one task.

        left_out: counts the task if one of its texts cannot be read.
        """
        documents: TaskDocuments = []
        reasons: list[TaskReason] = []
        task = mapping(task)
        try:
            text_objects = config.for_task(task.get("data")).objects
        except Exception as error:
            reasons.append(self._warn(task, error))
            text_objects = ()
        for text_object in text_objects:
            try:
                documents.append((text_object, self._open(task, text_object)))
            except Exception as error:
                reasons.append(self._warn(task, error))
        if left_out is not None:
            left_out.tasks.update(reasons[:1])
        return documents

    def documents_many(self, tasks: Sequence[object], config: LabelingConfig) -> list[TaskDocuments]:
        """Return the documents of each task, in order; URLs are fetched several at a time.

        Tasks whose texts do not arrive in time are left out. Raises ClientGoneError.
        """
        try:
            if any(text_object.is_url for text_object in config.objects):
                return self._documents_with_urls(tasks, config)
            return [self.documents(task, config) for task in tasks]
        finally:
            if self._warnings > MAX_WARNINGS:
                logger.warning("%d more texts cannot be read: not labelled", self._warnings - MAX_WARNINGS)

    def _documents_with_urls(self, tasks: Sequence[object], config: LabelingConfig) -> list[TaskDocuments]:
        threads = ThreadPoolExecutor(URLS_AT_A_TIME, thread_name_prefix="fetch")
        try:
            # in copies of this thread's context, which names the request in the log
            fetched = [threads.submit(copy_context().run, self.documents, task, config) for task in tasks]
            late = self._wait_for(fetched)
            if late:
                message = "%d of %d tasks: not labelled: their texts were not fetched within URL_TIMEOUT=%g s"
                logger.warning(message, len(late), len(tasks), self._timeout)
            return [future.result() if future not in late else [] for future in fetched]
        finally:
            # fetches that are still running end at their own time limits
            threads.shutdown(wait=False, cancel_futures=True)

    def _wait_for(self, fetched: Sequence[Future[TaskDocuments]]) -> Set[Future[TaskDocuments]]:
        """Wait for tasks, and return those that are not read in time; raises ClientGoneError."""
        until = time.monotonic() + self._timeout
        left: Set[Future[TaskDocuments]] = set(fetched)
        while left and time.monotonic() < until:
            if not self._is_connected():
                raise ClientGoneError
            left = wait(left, min(POLL_INTERVAL, max(until - time.monotonic(), 0.0))).not_done
        return left

    def _warn(self, task: Mapping[str, Any], error: Exception) -> TaskReason:
        """Log that a task is not labelled, and return why.

        A task's data can be anything, so its errors must not affect other tasks.
        """
        is_ours = isinstance(error, HuggingFaceNERError)
        with self._lock:
            self._warnings += 1
            is_logged = self._warnings <= MAX_WARNINGS
        if is_logged:
            # our messages name keys and hosts, never a text; other messages may contain the text
            reason = str(error) if is_ours else place_of_error(error)
            logger.warning("task %.40r: not labelled: %s", task.get("id"), reason)
        return "not_fetched" if isinstance(error, FetchError) else "unreadable"

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
    """A reader that remembers the last task, so that several reads of it in a row fetch its texts only once."""

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


def task_reader(settings: Settings, is_connected: Callable[[], bool] = lambda: True) -> TaskReader:
    """Return a reader that fetches only URLs that the settings allow; see TaskReader."""
    return TaskReader(_fetcher(settings), settings.label_studio_host, settings.url_timeout, is_connected)


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
