"""The tab with tasks to review, in a stand-in for Label Studio; tests/e2e tests it in the real Label Studio."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from huggingface_ner.label_studio.client import ClientError, LabelStudioClient
from huggingface_ner.label_studio.review_tab import MAX_TASKS, TAB_TITLE, put_review_tab
from huggingface_ner.settings import Settings
from tests.label_studio_api import LEGACY_TOKEN, LabelStudioApi


@pytest.fixture
def client(label_studio_api: LabelStudioApi) -> LabelStudioClient:
    return LabelStudioClient(Settings(label_studio_host=label_studio_api.url, label_studio_api_key=LEGACY_TOKEN))


def shown(view: dict[str, Any]) -> set[int]:
    """Return the ids that a tab's filters find, as Label Studio applies them."""
    filters = view["data"]["filters"]
    assert filters["conjunction"] == "or"
    found: set[int] = set()
    for one in filters["items"]:
        assert (one["filter"], one["type"]) == ("filter:tasks:id", "Number")
        value = one["value"]
        found |= {value} if one["operator"] == "equal" else {*range(value["min"], value["max"] + 1)}
    return found


def test_a_tab_is_made_once_and_then_updated(label_studio_api: LabelStudioApi, client: LabelStudioClient) -> None:
    label_studio_api.views.append({"id": 1, "project": 7, "data": {"title": "Default"}})
    label_studio_api.views.append({"id": 2, "project": 8, "data": {"title": TAB_TITLE}})
    assert not put_review_tab(client, 7, [5], create=False)
    assert len(label_studio_api.views) == 2
    assert put_review_tab(client, 7, [9, 3, 4], create=True)
    *others, tab = label_studio_api.views
    assert (tab["project"], tab["data"]["title"], shown(tab)) == (7, TAB_TITLE, {3, 4, 9})
    tab["data"] |= {"hiddenColumns": {"explore": ["tasks:id"]}, "selectedItems": {"all": False, "included": [3]}}
    for create in (True, False):
        assert put_review_tab(client, 7, [3, 12], create=create)
    assert label_studio_api.views == [*others, tab]
    assert shown(tab) == {3, 12}
    assert tab["data"]["hiddenColumns"] == {"explore": ["tasks:id"]}, "a user's setting is kept"
    assert "selectedItems" not in tab["data"]


def test_without_tasks_a_tab_shows_none(label_studio_api: LabelStudioApi, client: LabelStudioClient) -> None:
    put_review_tab(client, 7, [], create=True)
    default, tab = label_studio_api.views
    assert shown(tab) == {0}, "no task has this id"
    assert default["data"]["title"] == "Default", "Label Studio's page makes this tab only if there is no other"
    assert "filters" not in default["data"]


def test_a_failure_is_told(label_studio_api: LabelStudioApi, client: LabelStudioClient) -> None:
    label_studio_api.status = 403
    with pytest.raises(ClientError, match="LABEL_STUDIO_API_KEY"):
        put_review_tab(client, 7, [1], create=True)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 400), max_size=150))
def test_exactly_the_first_tasks_are_shown(
    label_studio_api: LabelStudioApi, client: LabelStudioClient, tasks: list[int]
) -> None:
    put_review_tab(client, 7, tasks, create=True)
    assert shown(label_studio_api.views[-1]) == ({*tasks[:MAX_TASKS]} or {0})
