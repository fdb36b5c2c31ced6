"""Finds out whether padding changes a model's output.

The attention mask hides padding from attention, but not from convolutions or pooling, as in ConvBERT and Funnel.
If such a model is padded, the output for a window depends on the longest window of its batch.
"""

import torch
from transformers import PreTrainedModel

from huggingface_ner.engines.layouts import Padded
from huggingface_ner.engines.positions import window_length
from huggingface_ner.engines.pretrained import padding_id
from huggingface_ner.engines.probes import TOLERANCE, probe_windows

# A model is tried with windows that are padded to WIDTH tokens, or to its longest window if that is shorter, and
# that have these shares of the tokens.
WIDTH = 16
SHARES = (0.3, 0.6, 0.9)


def is_changed_by_padding(model: PreTrainedModel) -> bool:
    """Return whether a window's output depends on padding; False if the model cannot run without padding.

    The model has to be in float32.
    """
    filler, width = padding_id(model), min(WIDTH, window_length(model))
    batch = probe_windows(model, [max(int(width * share), 1) for share in SHARES])

    def run(layout: Padded, windows: list[list[int]]) -> torch.Tensor:
        input_ids, attention_mask = (torch.from_numpy(put).to(model.device) for put in layout.lay_out(windows))
        logits: torch.Tensor = model(input_ids=input_ids, attention_mask=attention_mask).logits
        return logits

    with torch.inference_mode():
        padded = run(Padded(filler, width), batch)
        try:
            alone = [run(Padded(filler), [window])[0] for window in batch]
        except Exception:
            return False
    pairs = zip(padded, alone, strict=True)
    return any(float((one[: len(other)] - other).abs().max()) > TOLERANCE for one, other in pairs)
