"""A plain training loop, with which ours is compared."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from huggingface_ner.engines.positions import window_length
from huggingface_ner.engines.pretrained import load_model, load_tokenizer
from huggingface_ner.learning.dataset import label_windows
from huggingface_ner.learning.head import replace_head
from huggingface_ner.spans import AnnotatedText
from huggingface_ner.tagging.tag_groups import TagGroups
from huggingface_ner.tagging.windows import Windower


def plain_loop(
    examples: Sequence[AnnotatedText], labels: Sequence[str], baseline: str | Path, seed: int
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Train as tutorials do: AdamW at 2e-4 for all weights, 15 epochs, batches of 8, linear decay."""
    torch.manual_seed(seed)
    tokenizer = load_tokenizer(baseline)
    model, _ = load_model(baseline)
    tag_groups = TagGroups.bio([labels])
    replace_head(model, tag_groups, None)
    rows = list(label_windows(examples, Windower(tokenizer, window_length(model)), tag_groups))
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-4)
    batches = 15 * -(-len(rows) // 8)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / batches)
    model.train()
    shuffled = random.Random(seed)
    for _ in range(15):
        shuffled.shuffle(rows)
        for start in range(0, len(rows), 8):
            some = rows[start : start + 8]
            longest = max(len(row["input_ids"]) for row in some)

            def padded(key: str, filler: int, some: list[Any] = some, longest: int = longest) -> torch.Tensor:
                return torch.tensor([row[key] + [filler] * (longest - len(row[key])) for row in some])

            input_ids, targets = padded("input_ids", 0), padded("labels", -100)
            model(input_ids=input_ids, attention_mask=(input_ids != 0).long(), labels=targets).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
    return model, tokenizer
