"""Trainings start from the baseline, or from its stand-in."""

import pytest

from huggingface_ner.engines.pretrained import packaged_encoder
from huggingface_ner.learning.starting_model import starting_model

MISSING = "no-organisation/no-model"


def test_a_default_baseline_that_cannot_be_loaded_is_replaced(caplog: pytest.LogCaptureFixture) -> None:
    """The baseline cannot be loaded, because tests have no access to the Hub."""
    assert starting_model(MISSING, is_set=False) == packaged_encoder()
    assert MISSING in caplog.text


def test_a_baseline_that_was_set_is_never_replaced() -> None:
    assert starting_model(MISSING, is_set=True) == MISSING


def test_a_default_baseline_that_loads_is_taken() -> None:
    assert starting_model(str(packaged_encoder()), is_set=False) == str(packaged_encoder())
