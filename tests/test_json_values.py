"""Values of JSON, of the expected type and of all others."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huggingface_ner.json_values import mapping, mappings, read_json, whole_number_or_zero

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
OBJECTS = st.dictionaries(st.text(), SCALARS)
LISTS = st.lists(SCALARS | OBJECTS | st.lists(SCALARS))


@given(OBJECTS)
def test_an_object_is_returned_as_it_is(value: dict[str, Any]) -> None:
    assert mapping(value) is value
    assert mappings(value) == []


@given(SCALARS | LISTS)
def test_what_is_no_object_is_an_empty_one(value: object) -> None:
    assert mapping(value) == {}


@given(st.lists(OBJECTS), LISTS)
def test_only_the_objects_of_a_list_are_returned(objects: list[dict[str, Any]], others: list[Any]) -> None:
    kept = [one for one in others if type(one) is dict]
    assert mappings([*objects, *others]) == [*objects, *kept]


@given(SCALARS)
def test_what_is_no_list_has_no_objects(value: object) -> None:
    assert mappings(value) == []


@given(st.integers())
def test_a_whole_number_is_returned(value: int) -> None:
    assert whole_number_or_zero(value) == value


@given(st.none() | st.booleans() | st.floats() | st.text() | OBJECTS | LISTS)
def test_what_is_no_whole_number_counts_nothing(value: object) -> None:
    assert type(whole_number_or_zero(value)) is int
    assert whole_number_or_zero(value) == 0


@given(st.dictionaries(st.text(), st.none() | st.integers(-(2**63), 2**63) | st.floats() | st.text()))
def test_json_is_read_as_usual(value: dict[str, Any]) -> None:
    written = json.dumps(value)
    for content in (written, written.encode()):
        assert json.dumps(read_json(content)) == written


@pytest.mark.parametrize("digits", ["9" * 21, "-" + "9" * 30, "1" + "0" * 5_000])
def test_a_number_that_no_count_has_is_an_error(digits: str) -> None:
    with pytest.raises(ValueError, match="more than 20 digits"):
        read_json(f'{{"tasks": {digits}}}')
