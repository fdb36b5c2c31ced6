"""Creates models that predict a given tag for each character of a text, whatever the text is."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertForTokenClassification, PreTrainedTokenizerFast

from huggingface_ner.spans import Span

SURE = 0.99


def save_told_model(folder: Path, tags: Sequence[str], told: Sequence[str | Mapping[str, float]]) -> Path:
    """Save a model that predicts a given tag for each character, and return the folder.

    told: for each character, the tag that gets the probability SURE, or the probability of each tag.
    """
    backend = Tokenizer(models.WordLevel({"[UNK]": 0, "[PAD]": 1}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]", pad_token="[PAD]")
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=len(told) + 1,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=1,
        max_position_embeddings=len(told),
        pad_token_id=tokenizer.pad_token_id,
        id2label=dict(enumerate(tags)),
        label2id={tag: index for index, tag in enumerate(tags)},
    )
    model = BertForTokenClassification(config).train(False)
    rest = (1 - SURE) / max(len(tags) - 1, 1)
    logits = torch.tensor(
        [
            [SURE if tag == said else rest for tag in tags]
            if isinstance(said, str)
            else [said.get(tag, 0.0) + 1e-9 for tag in tags]
            for said in told
        ]
    ).log()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "LayerNorm" not in name:
                parameter.zero_()
        model.bert.embeddings.position_embeddings.weight[:] = torch.eye(len(told), len(told) + 1)
        states = model.bert(torch.zeros((1, len(told)), dtype=torch.int64)).last_hidden_state[0]
        model.classifier.weight[:] = (torch.linalg.pinv(states) @ logits).T
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def bio_tags(text: str, spans: Sequence[Span]) -> list[str]:
    """Return a BIO tag for each character of a text, such that the tags mark the spans."""
    tags = ["O"] * len(text)
    for span in spans:
        tags[span.start : span.end] = [
            f"{'B' if at == span.start else 'I'}-{span.label}" for at in range(span.start, span.end)
        ]
    return tags
