from typing import Any

import pytest

from huggingface_ner.label_studio.project_ids import parse_project_id
from tests import recorded


def test_recorded_projects_have_numbers() -> None:
    assert parse_project_id(recorded("webhook_ANNOTATION_CREATED")["request"]["body"]["project"]["id"]) == 31
    assert parse_project_id(recorded("setup")["request"]["body"]["project"]) == 32


@pytest.mark.parametrize(
    "project",
    [
        None,
        True,
        0,
        -1,
        2**31,
        1.5,
        "",
        "0.1",
        "-1",
        "../x",
        "1/..",
        "1.x",
        "1\n",
        "٣",
        "9" * 5000,
        [1],
        {"id": 1},
    ],
)
def test_what_is_no_project_has_none(project: Any) -> None:
    assert parse_project_id(project) is None
