"""Tasks as Label Studio 1.23.2 returns them, with predictions and the annotations made from them."""

import copy
from typing import Any

import pytest

from huggingface_ner.edits import Edits
from huggingface_ner.label_studio.labeling_config import LabelingConfig, parse_labeling_config
from huggingface_ner.label_studio.suggestion_edits import SuggestionEdits, VersionEdits, first_used
from huggingface_ner.label_studio.tasks import TaskReader
from tests import recorded

BODY = recorded("predict_tasks_with_annotations_and_predictions")["request"]["body"]
FROM_PREDICTION = recorded("webhook_ANNOTATION_CREATED_ui_from_prediction")["request"]["body"]["annotation"]
IN_BULK = recorded("webhook_ANNOTATIONS_CREATED_bulk")["request"]["body"]["annotation"][0]
EARLY, LATE = "2026-11-23T22:40:50.100000Z", "2026-11-23T22:40:59.900000+00:00"
CONFIG = parse_labeling_config(BODY["label_config"])


def _task() -> dict[str, Any]:
    # "Barack" was suggested, and three seconds later "Barack Obama" and "Paris" were saved
    return dict(copy.deepcopy(BODY["tasks"][0]))


def _counts(*tasks: dict[str, Any], config: LabelingConfig = CONFIG) -> dict[str, VersionEdits]:
    edits = SuggestionEdits(config, TaskReader(str, ""))
    assert list(edits.watch(iter(tasks))) == list(tasks)
    return edits.by_version


def test_what_was_saved_is_compared_with_what_was_suggested() -> None:
    mended = VersionEdits(1, Edits(to_mend=1, missing=1))
    assert _counts(_task()) == {"rec-v1": mended}
    assert _counts(BODY["tasks"][1]) == {}, "this task is not annotated"
    other = _task()
    other["predictions"][0]["model_version"] = "rec-v2"
    other["annotations"][0]["result"] = copy.deepcopy(other["predictions"][0]["result"])
    assert _counts(_task(), other, _task()) == {
        "rec-v1": VersionEdits(2, Edits(to_mend=2, missing=2)),
        "rec-v2": VersionEdits(1, Edits(exact=1)),
    }


def test_an_empty_annotation_deletes_and_an_empty_suggestion_misses() -> None:
    deleted, missed = _task(), _task()
    deleted["annotations"][0]["result"] = []
    missed["predictions"][0]["result"] = []
    assert _counts(deleted) == {"rec-v1": VersionEdits(1, Edits(to_delete=1))}
    assert _counts(missed) == {"rec-v1": VersionEdits(1, Edits(missing=2))}


def test_the_suggestion_that_was_on_the_page_counts() -> None:
    """An annotation names the suggestion that it was started from, even if a newer suggestion was stored since."""
    task = _task()
    shown, newer = task["predictions"][0], {**task["predictions"][0], "id": 9, "model_version": "rec-v2"}
    newer["created_at"] = "2026-11-23T22:40:51.000000Z"
    task["predictions"] = [newer, shown]
    assert first_used(task) == (newer, task["annotations"][0])
    task["annotations"] = [{**FROM_PREDICTION, "parent_prediction": shown["id"]}]
    assert first_used(task) == (shown, task["annotations"][0])
    task["annotations"][0]["parent_prediction"] = 77
    assert first_used(task) is None, "the suggestion that it was started from was deleted"


def test_only_what_was_annotated_after_the_suggestion_counts() -> None:
    task = _task()
    task["predictions"][0]["created_at"] = LATE
    assert first_used(task) is None
    task["annotations"].append({**task["annotations"][0], "id": 72, "created_at": "2026-11-23T22:41:07Z"})
    found = first_used(task)
    assert found is not None
    assert found[1]["id"] == 72


def test_each_task_counts_once_with_its_first_annotation() -> None:
    task = _task()
    task["annotations"].insert(0, {**task["annotations"][0], "id": 73, "created_at": LATE, "result": []})
    assert _counts(task) == {"rec-v1": VersionEdits(1, Edits(to_mend=1, missing=1))}
    task["annotations"][1]["was_cancelled"] = True
    assert _counts(task) == {"rec-v1": VersionEdits(1, Edits(to_delete=1))}


def test_what_nobody_has_looked_at_does_not_count() -> None:
    """The Data Manager turns predictions into annotations in bulk."""
    task = _task()
    task["annotations"] = [{**IN_BULK, "parent_prediction": task["predictions"][0]["id"]}]
    assert first_used(task) is None
    task["annotations"][0]["updated_by"] = 1
    assert first_used(task) is not None, "somebody has changed the annotation since"


@pytest.mark.parametrize(
    "change",
    [
        {"predictions": None},
        {"predictions": [3, {}, {"model_version": 4, "result": []}, {"model_version": "v", "result": None}]},
        {"predictions": "x"},
        {"annotations": None},
        {"annotations": [None, 3, {"was_cancelled": True}]},
    ],
)
def test_what_cannot_be_read_counts_nothing(change: dict[str, Any]) -> None:
    assert _counts({**_task(), **change}) == {}


def test_odd_regions_and_texts_are_no_suggestions() -> None:
    task = _task()
    task["predictions"][0]["result"] += [
        3,
        {"value": None},
        {"from_name": "other", "to_name": "text", "value": {}},
    ]
    task["annotations"][0]["created_at"] = None
    assert first_used(task) is None
    task["annotations"][0]["parent_prediction"] = task["predictions"][0]["id"]
    assert _counts(task) == {"rec-v1": VersionEdits(1, Edits(to_mend=1, missing=1))}
    assert _counts({**task, "data": {}}) == {}, "nothing can be compared in a text that cannot be read"


def test_each_control_counts_for_itself() -> None:
    """Two controls have a label of the same name; a suggestion of one does not match a region of the other."""
    labels = '<Label value="PER"/><Label value="LOC"/>'
    controls = "".join(f'<Labels name="{name}" toName="text">{labels}</Labels>' for name in ("label", "second"))
    config = parse_labeling_config(f'<View>{controls}<Text name="text" value="$text"/></View>')
    task = _task()
    task["annotations"][0]["result"] = [{**task["predictions"][0]["result"][0], "from_name": "second"}]
    assert _counts(task, config=config) == {"rec-v1": VersionEdits(1, Edits(to_mend=1))}
