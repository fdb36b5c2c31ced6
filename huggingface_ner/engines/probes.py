"""Windows with which a model is tried in two ways whose output should be the same."""

from collections.abc import Iterable

from transformers import PreTrainedModel

from huggingface_ner.engines.pretrained import padding_id

# The largest accepted difference between two logits that should differ only by rounding.
TOLERANCE = 1e-3


def probe_windows(model: PreTrainedModel, lengths: Iterable[int]) -> list[list[int]]:
    """Return windows of these lengths, as token ids; none of the ids is that of padding."""
    ids = [number for number in range(min(model.config.vocab_size, 1000)) if number != padding_id(model)]
    return [[ids[at * at % len(ids)] for at in range(length)] for length in lengths]
