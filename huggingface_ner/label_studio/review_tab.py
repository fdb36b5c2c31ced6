"""The tab in Label Studio's Data Manager that shows the tasks to review.

A tab shows the tasks that its filters find. Everybody who sees the project sees the tab. Label Studio's page has
no filter for a list of ids, so each id, or each range of consecutive ids, needs a separate filter.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from huggingface_ner.label_studio.client import LabelStudioClient

TAB_TITLE = "To review (Hugging Face NER)"
# Label Studio applies the filters one by one, and its page has a line for each.
MAX_TASKS = 100
# No task has this id.
NO_TASK = 0
# The columns that Label Studio 1.23.2 hides in a new tab.
_HIDDEN = [
    f"tasks:{column}"
    for column in (
        *("inner_id", "annotations_results", "annotations_ids", "predictions_score", "predictions_model_versions"),
        *("predictions_results", "file_upload", "storage_filename", "created_at", "updated_at", "updated_by"),
        *("avg_lead_time", "draft_exists"),
    )
]
_NEW_TAB = {"type": "list", "target": "tasks", "hiddenColumns": {"explore": _HIDDEN, "labeling": _HIDDEN}}
# Label Studio's page makes this tab if there is none.
_DEFAULT_TAB = {**_NEW_TAB, "title": "Default"}


def put_review_tab(client: LabelStudioClient, project_id: int, task_ids: Iterable[int], *, create: bool) -> bool:
    """Make the tab show the first MAX_TASKS of these tasks; return whether the tab exists.

    create: whether to create the tab if it is missing. If the project has no tab at all, the default tab with all
    tasks is also created, because the page creates it only if there is no other tab. Changes that users make to
    the tab are kept, except changes to its filters.
    Raises ClientError.
    """
    with client.request(project_id) as sdk:
        tabs = sdk.views.list(project=project_id)
        tab = next((view for view in tabs if _is_ours(view.data)), None)
        if tab is None and not create:
            return False
        kept = tab.data if tab is not None else _NEW_TAB
        data: Any = {**kept, "title": TAB_TITLE, "filters": _filters(list(task_ids)[:MAX_TASKS])}
        data.pop("selectedItems", None)
        if not tabs:
            default: Any = _DEFAULT_TAB
            sdk.views.create(project=project_id, data=default)
        if tab is None:
            sdk.views.create(project=project_id, data=data)
        else:
            sdk.views.update(str(tab.id), project=project_id, data=data)
    return True


def _is_ours(data: Any) -> bool:
    return isinstance(data, dict) and data.get("title") == TAB_TITLE


def _filters(task_ids: Iterable[int]) -> dict[str, Any]:
    return {
        "conjunction": "or",
        "items": [_filter(*ends) for ends in _ranges(task_ids)] or [_filter(NO_TASK, NO_TASK)],
    }


def _filter(first: int, last: int) -> dict[str, Any]:
    what: dict[str, Any] = {"filter": "filter:tasks:id", "type": "Number"}
    if first == last:
        return {**what, "operator": "equal", "value": first}
    return {**what, "operator": "in", "value": {"min": first, "max": last}}


def _ranges(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and last number of each range of consecutive numbers, in order."""
    # a number minus its position is the same in a range without a gap
    for _, placed in groupby(enumerate(sorted(set(numbers))), key=lambda one: one[1] - one[0]):
        ends = [number for _, number in placed]
        yield ends[0], ends[-1]
