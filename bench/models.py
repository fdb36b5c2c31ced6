"""Encoders for the benchmarks."""

from pathlib import Path

import torch
from transformers import AutoModel, BertConfig

from huggingface_ner.engines.pretrained import load_tokenizer, packaged_encoder


def base_encoder(folder: Path) -> Path:
    """Save a randomly initialised encoder of BERT-base's size, with the packaged encoder's tokenizer."""
    tokenizer = load_tokenizer(packaged_encoder())
    torch.manual_seed(0)
    AutoModel.from_config(BertConfig(vocab_size=len(tokenizer))).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
