"""Token windows to tag probabilities."""

from collections.abc import Sequence

import numpy as np
import torch
from transformers import PreTrainedModel

from huggingface_ner.tagging.decoding import LogProbabilities


class TorchEngine:
    """Runs a token-classification model with PyTorch on the device that the model is on."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model
        self._model.train(False)
        self._pad = model.config.pad_token_id or 0

    def log_probabilities(self, batch: Sequence[Sequence[int]]) -> LogProbabilities:
        """Return [windows, longest window, tags]; what lies beyond a window's own length means nothing."""
        longest = max(map(len, batch))
        input_ids = np.full((len(batch), longest), self._pad, dtype=np.int64)
        attention_mask = np.zeros_like(input_ids)
        for row, ids in enumerate(batch):
            input_ids[row, : len(ids)] = ids
            attention_mask[row, : len(ids)] = 1
        device = self._model.device
        with torch.inference_mode():
            logits = self._model(
                input_ids=torch.from_numpy(input_ids).to(device),
                attention_mask=torch.from_numpy(attention_mask).to(device),
            ).logits
            result: LogProbabilities = torch.log_softmax(logits.float(), dim=-1).cpu().numpy()
        return result
