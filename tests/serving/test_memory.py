"""The memory of a model is returned to the system, even if the model contains reference cycles."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from huggingface_ner.serving.memory import exempt_from_collection, give_memory_back


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


@pytest.mark.usefixtures("no_collections_by_chance")
def test_exempt_objects_are_not_looked_at_but_given_back() -> None:
    dropped = weakref.ref(_Cycle())
    kept = _Cycle()
    exempt_from_collection()
    try:
        assert dropped() is None, "garbage is collected before"
        assert gc.get_freeze_count() > 0
        assert not any(each is kept for each in gc.get_objects())
        gone = weakref.ref(kept)
        del kept
        gc.collect()
        assert gone() is not None
        give_memory_back()
        assert gone() is None
        assert gc.get_freeze_count() > 0, "what is left is exempt again"
    finally:
        gc.unfreeze()
