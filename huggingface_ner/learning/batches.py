"""Makes batches of labelled windows."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import DataCollatorForTokenClassification, PreTrainedTokenizerBase

from huggingface_ner.learning.augmentation import MentionReplacement
from huggingface_ner.learning.dataset import IGNORED
from huggingface_ner.tagging.tag_groups import TagGroups


def padding_collator(
    tokenizer: PreTrainedTokenizerBase, tag_groups: TagGroups
) -> Callable[[list[dict[str, Any]]], dict[str, torch.Tensor]]:
    """Return a function that pads windows to one length and returns them as a batch."""
    pad = DataCollatorForTokenClassification(tokenizer)
    groups = len(tag_groups.schemes)
    if groups == 1:
        return pad

    def pad_groups(features: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        batch: dict[str, torch.Tensor] = pad([{"input_ids": feature["input_ids"]} for feature in features])
        labels = torch.full((*batch["input_ids"].shape, groups), IGNORED)
        for window, feature in zip(labels, features, strict=True):
            rows = torch.tensor(feature["labels"])
            place = slice(len(rows)) if tokenizer.padding_side == "right" else slice(-len(rows), None)
            window[place] = rows
        return {**batch, "labels": labels}

    return pad_groups


class CountingCollator:
    """Pads augmented windows to a batch, and counts the tokens of all batches, padding included."""

    def __init__(self, pad: Callable[[list[dict[str, Any]]], dict[str, Any]], augment: MentionReplacement) -> None:
        self._pad = pad
        self._augment = augment
        self.tokens = 0

    def __call__(self, features: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Return a batch of the windows, some of whose mentions are replaced."""
        batch = self._pad([self._augment(feature) for feature in features])
        self.tokens += batch["input_ids"].numel()
        return batch
