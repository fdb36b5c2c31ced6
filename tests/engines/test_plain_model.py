"""A model in the form for converters has the same logits as before, and its attention is not blockwise."""

import logging
import sys
import warnings
from pathlib import Path

import pytest
import torch

from huggingface_ner.engines.layouts import Packed, Padded
from huggingface_ner.engines.packed_model import BLOCKWISE
from huggingface_ner.engines.plain_model import plain_model, quiet
from huggingface_ner.engines.pretrained import load_model
from tests.tiny_models import save_tiny_model


@pytest.mark.parametrize(
    ("kind", "attention", "layout"),
    [("bert", "eager", Packed), ("bert", "sdpa", Packed), ("deberta", "eager", Padded)],
)
def test_the_logits_are_those_of_the_model(
    tmp_path: Path, kind: str, attention: str, layout: type[Packed] | type[Padded]
) -> None:
    model = load_model(save_tiny_model(tmp_path, kind))[0]
    window = [2, 9, 8, 7]
    with torch.inference_mode():
        wanted = model(input_ids=torch.tensor([window]), attention_mask=torch.ones(1, 4, dtype=torch.int64)).logits
        plain, found = plain_model(model, attention)
        assert found is layout
        assert model.config._attn_implementation == attention != BLOCKWISE
        logits = plain(*map(torch.from_numpy, layout(0).lay_out([window])))
    torch.testing.assert_close(logits, wanted)


def test_converters_are_quiet(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    with quiet():
        warnings.warn("for their developers", stacklevel=1)
        print("def forward(self):", file=sys.stderr)
        logging.getLogger("converter").warning("for their developers")
    logging.getLogger("converter").warning("for people")
    assert caplog.messages == ["for people"]
    assert capsys.readouterr().err == ""
