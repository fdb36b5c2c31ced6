"""The memory of a model is returned to the system, even if the model contains reference cycles."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from huggingface_ner.serving.memory import give_memory_back


class _Cycle:
    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def no_collections_by_chance() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collections_by_chance")
def test_what_refers_to_itself_is_given_back() -> None:
    gone = weakref.ref(_Cycle())
    assert gone() is not None
    give_memory_back()
    assert gone() is None
