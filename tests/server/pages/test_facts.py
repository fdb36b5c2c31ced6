"""The facts about a project, read from what is stored."""

from pathlib import Path
from typing import Any

import pytest

from huggingface_ner.learning.unknown_tokens import UnknownTokens
from huggingface_ner.left_out import LeftOut
from huggingface_ner.server.pages.facts import ProjectFacts
from huggingface_ner.store.versions import Version

TWO = {"regions_seen": 9, "regions": {"inside": {"Ort": 2}}}
THREE = {"regions_seen": 9, "regions": {"overlap": {"Ort": 3}}}


@pytest.mark.parametrize(
    ("status", "metrics", "expected"),
    [
        ({"last": {"left_out": TWO}}, {"left_out": THREE}, 2),
        ({"last": {}}, {"left_out": THREE}, 3),
        ({"last": None}, {"left_out": THREE}, 3),
        ({}, {"left_out": THREE}, 3),
        ({"last": {"left_out": TWO}}, None, 2),
        ({"last": {"left_out": {}}}, {"left_out": {}}, None),
        ({}, {}, None),
        ({}, None, None),
    ],
)
def test_left_out_is_that_of_the_last_training_or_of_the_version(
    tmp_path: Path, status: dict[str, Any], metrics: dict[str, Any] | None, expected: int | None
) -> None:
    version = None if metrics is None else Version("20260101-000000-1", tmp_path, metrics)
    left_out = ProjectFacts(7, status, "http://localhost:8080", version).left_out
    if expected is None:
        assert left_out is None
    else:
        assert isinstance(left_out, LeftOut)
        assert left_out.regions_left_out == expected


def test_unknown_tokens_are_those_of_the_last_training_or_of_the_version(tmp_path: Path) -> None:
    many, few = UnknownTokens("one", 100, 31), UnknownTokens("two", 100, 1)
    version = Version("20260101-000000-1", tmp_path, {"unknown_tokens": many.as_dict()})
    for last, expected in (({"unknown_tokens": few.as_dict()}, few), ({"unknown_tokens": None}, many), ({}, many)):
        assert ProjectFacts(7, {"last": last}, "http://localhost:8080", version).unknown_tokens == expected
    assert ProjectFacts(7, {}, "http://localhost:8080", None).unknown_tokens is None
