"""Builds a model whose predictions are known: it tags certain words, and learns certain others in seconds."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertForTokenClassification, PreTrainedTokenizerFast

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
HIDDEN_SIZE = 64


def save_lexicon_model(folder: Path, tags: Mapping[str, str], labels: Sequence[str]) -> Path:
    """Save a BERT model with a fixed vocabulary of words, and return the folder.

    tags: the tag of each word that the model can tell from other words, in lower case and without accents, as its
    tokenizer writes it; "O" for a word that the model has yet to learn. Each word has its own dimension of the
    encoder, which passes embeddings through unchanged.
    """
    names = ["O", *(f"{prefix}-{label}" for label in labels for prefix in "BI")]
    words = list(tags)
    if len(words) > HIDDEN_SIZE:
        raise ValueError(f"{len(words)} words, but there is room for only {HIDDEN_SIZE}")
    tokenizer = _tokenizer(words)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=HIDDEN_SIZE,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=1,
        max_position_embeddings=128,
        hidden_dropout_prob=0.0,
        id2label=dict(enumerate(names)),
        label2id={name: index for index, name in enumerate(names)},
    )
    model = BertForTokenClassification(config)
    embeddings = model.get_input_embeddings().get_parameter("weight")
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "LayerNorm" not in name:
                weight.zero_()
        for dimension, word in enumerate(words):
            embeddings[tokenizer.convert_tokens_to_ids(word), dimension] = 1.0
            if tags[word] != "O":
                model.classifier.weight[names.index(tags[word]), dimension] = 1.0
        # after the layer norm, the value in a word's own dimension is about 8
        model.classifier.bias[0] = 4.0
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _tokenizer(words: Sequence[str]) -> PreTrainedTokenizerFast:
    vocabulary = {token: index for index, token in enumerate([*SPECIAL, *words])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)  # this also removes accents
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, cls_token="[CLS]", sep_token="[SEP]", pad_token="[PAD]", unk_token="[UNK]"
    )
