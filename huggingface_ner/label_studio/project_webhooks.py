"""Adds credentials to the webhooks that Label Studio has registered for this backend."""

from typing import Any
from urllib.parse import unquote, urlsplit

from label_studio_sdk import LabelStudio

from huggingface_ner.label_studio.client import ClientError, LabelStudioClient


def give_credentials(
    client: LabelStudioClient, project_id: int, host: str, user: str, authorization: str
) -> int | None:
    """Add credentials to the webhook of a project's backend, and return how many webhooks lacked them.

    Returns None if the backend has no webhook.
    host: host and port of the backend's URL, to find it among several backends with the same user.
    authorization: the header to add. Nothing is added if the webhook's URL contains the credentials, as it
    does if the backend's URL contains them.
    Raises ClientError.
    """
    with client.request(project_id) as sdk:
        backends: list[Any] = [each for each in sdk.ml.list(project=project_id) if _has_user(each, user)]
        if len(backends) > 1:
            backends = [each for each in backends if urlsplit(each.url).netloc.rpartition("@")[2] == host]
        urls = {f"{backend.url.rstrip('/')}/webhook" for backend in backends}
        ours = [hook for hook in _webhooks(sdk, project_id) if hook.url in urls]
        without = [hook for hook in ours if not _carries(hook, authorization)]
        for hook in without:
            headers = {**(hook.headers or {}), "Authorization": authorization}
            sdk.webhooks.update(hook.id, url=hook.url, headers=headers)
        kept = _webhooks(sdk, project_id) if without else []
    refused = {hook.id for hook in without} - {hook.id for hook in kept if _carries(hook, authorization)}
    if refused:
        raise ClientError(f"webhook {min(refused)} did not keep the added credentials", retryable=True)
    return len(without) if ours else None


def _webhooks(sdk: LabelStudio, project_id: int) -> list[Any]:
    return list(sdk.webhooks.list(project=str(project_id)))


def _has_user(backend: Any, user: str) -> bool:
    """Return whether Label Studio connects to a backend as a user; the name may be in the backend's URL."""
    return user in (backend.basic_auth_user, unquote(urlsplit(backend.url).username or ""))


def _carries(webhook: Any, authorization: str) -> bool:
    in_url = urlsplit(webhook.url).username is not None
    return in_url or (webhook.headers or {}).get("Authorization") == authorization
