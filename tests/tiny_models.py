"""Creates randomly initialised models of the usual kinds, which are small enough for a test."""

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    AutoModelForTokenClassification,
    BertConfig,
    DebertaV2Config,
    ModernBertConfig,
    PreTrainedTokenizerFast,
    RobertaConfig,
    XLMRobertaConfig,
)

KINDS = ("bert", "roberta", "deberta", "xlm-roberta")
BIO = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
TEXTS = (
    "Anna Kovács flew from Zürich to São Paulo with Jean-Luc O'Neill.",
    "東京都知事の小池百合子氏が大阪で会見した。",
    "Don't they sell 1,000 e-bikes at http://example.org?",
)


def save_tiny_model(folder: Path, kind: str, tags: Sequence[str] = BIO, *, positions: int = 40) -> Path:
    """Save a model and its tokenizer, and return the folder."""
    torch.manual_seed(0)
    size = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    tokenizer = _tokenizer(kind)
    if kind == "modernbert":  # each token attends to 4 tokens on each side
        size |= {"num_hidden_layers": 2, "local_attention": 8}
    labels = {"id2label": dict(enumerate(tags)), "label2id": {tag: index for index, tag in enumerate(tags)}}
    config_class = {
        "bert": BertConfig,
        "modernbert": ModernBertConfig,
        "roberta": RobertaConfig,
        "deberta": DebertaV2Config,
        "xlm-roberta": XLMRobertaConfig,
    }[kind]
    config = config_class(
        vocab_size=len(tokenizer),
        max_position_embeddings=positions,
        type_vocab_size=2 if kind == "bert" else 1,
        pad_token_id=tokenizer.pad_token_id,
        initializer_range=0.5,  # wide, so that a random head tells words apart
        **size,
        **labels,
    )
    AutoModelForTokenClassification.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _tokenizer(kind: str) -> PreTrainedTokenizerFast:
    trainer: trainers.Trainer | None = None
    # in RoBERTa and similar models, the id of <pad> is 1, and positions start after it
    first, pad, last, unknown = ("[CLS]", "[PAD]", "[SEP]", "[UNK]")
    special = [first, pad, last, unknown]
    if kind == "bert":
        backend = Tokenizer(models.WordPiece(unk_token=unknown))
        backend.normalizer = normalizers.BertNormalizer(lowercase=True)
        backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(vocab_size=150, special_tokens=special, show_progress=False)
    elif kind == "roberta":
        backend = Tokenizer(models.BPE())
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        backend.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(
            vocab_size=350, special_tokens=special, initial_alphabet=alphabet, show_progress=False
        )
    else:
        # not trained, because training gives different pieces every time, and sometimes none that tell names apart
        marked = "".join(f"▁{word}" for text in TEXTS for word in text.split())
        pieces = sorted({marked[at : at + size] for at in range(len(marked)) for size in (1, 2)})
        # a word begins with its mark and first letter in one piece, so that this piece tells words apart
        scores = [(piece, -1.0 if piece[0] == "▁" and len(piece) == 2 else -3.0) for piece in pieces]
        vocabulary = [*((token, 0.0) for token in special), *scores]
        backend = Tokenizer(models.Unigram(vocabulary, unk_id=special.index(unknown)))
        backend.normalizer = normalizers.NFKC()
        backend.pre_tokenizer = pre_tokenizers.Metaspace()
    if trainer is not None:
        backend.train_from_iterator(TEXTS, trainer)
    ids = {token: backend.token_to_id(token) for token in special}
    backend.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}", special_tokens=[(first, ids[first]), (last, ids[last])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, cls_token=first, sep_token=last, pad_token=pad, unk_token=unknown
    )
