"""Brings a model into the form that converters need: the inputs of a layout, and logits as the only output."""

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr

import torch
from torch import nn
from transformers import PreTrainedModel

from huggingface_ner.engines.errors import ModelError
from huggingface_ner.engines.layouts import Packed, Padded
from huggingface_ner.engines.packed_model import packed_model
from huggingface_ner.engines.padding import is_changed_by_padding


class PaddedModel(nn.Module):
    """A token-classification model that reads the inputs of ``layouts.Padded``."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return the logits, [windows, tokens, tags]; token ids and mask are both [windows, tokens]."""
        logits: torch.Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        return logits


def plain_model(model: PreTrainedModel, attention: str) -> tuple[nn.Module, type[Packed] | type[Padded]]:
    """Return a model in the form that converters need, packed if possible, and the layout of its inputs.

    attention: the implementation that is converted, such as "eager" or "sdpa". Its control flow must not depend on
    the values of its inputs. The model has to be in float32 on the CPU. Raises ModelError if the model can neither
    be packed nor padded.
    """
    model.train(False)
    # packed_model would replace fused attention by one whose control flow depends on the values of its inputs
    model.set_attn_implementation("eager")
    packed = packed_model(model)
    model.set_attn_implementation(attention)
    if packed is not None:
        return packed.train(False), Packed
    if is_changed_by_padding(model):
        raise ModelError(f"padding changes the output of {type(model).__name__}, so only PyTorch can run it")
    return PaddedModel(model).train(False), Padded


@contextmanager
def quiet() -> Iterator[None]:
    """Keep out of the log what converters write for their own developers.

    These are warnings and, if a model cannot be converted, hundreds of lines on stderr. Log handlers still write
    to stderr, because they keep the stream that they were made with.
    """
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
