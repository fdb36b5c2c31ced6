"""A baseline may have its tokenizer as a file of SentencePiece only, as many models on the Hub do."""

import io
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
import torch
from transformers import AutoConfig, AutoModelForTokenClassification

from huggingface_ner.engines.pretrained import load_tokenizer
from huggingface_ner.learning import fine_tuning
from huggingface_ner.learning.fine_tuning import Hyperparameters, fine_tune
from huggingface_ner.scores import evaluate
from huggingface_ner.spans import AnnotatedText, Span
from huggingface_ner.store.model_folder import save_model
from huggingface_ner.tagging.loading import load_tagger
from huggingface_ner.tagging.windows import Windower
from tests import ROOT
from tests.tiny_models import TEXTS

NAMES = ("Anna", "Kovács", "Zürich", "Zu\u0308rich", "Paulo")
CORPUS = (*TEXTS, *(f"{name} flew ." for name in NAMES * 20))
# What stands before a name. Normalized, or in UTF-8, it has another length than in code points, or it is unknown.
BEFORE = ("", "  \n\t", "½ ﬁ Ａ ", "☃ 😀 ", "東京\u3000\u00a0", "e\u0301 \r\n ")
WITHOUT_SENTENCEPIECE = """
import sys
sys.modules["sentencepiece"] = None  # as if it were not installed
from huggingface_ner.tagging.loading import load_tagger

print(load_tagger(sys.argv[1], device="cpu").find_spans(sys.argv[2:]))
"""


@dataclass(frozen=True)
class Kind:
    """How a kind of model uses SentencePiece.

    file: the name of the file. pieces: the arguments that give the special pieces in it their names and ids.
    offset: an ordinary piece's token id, less its id in the file. first, last: the tokens around each text.
    config: values of the model's config that are not its defaults.
    """

    file: str
    offset: int
    first: str
    last: str
    pieces: dict[str, Any]
    config: dict[str, Any]


_SPECIAL = {"pad": "[PAD]", "bos": "[CLS]", "eos": "[SEP]", "unk": "[UNK]"}
KINDS = {
    "deberta-v2": Kind(
        "spm.model",
        0,
        "[CLS]",
        "[SEP]",
        {f"{role}_id": number for number, role in enumerate(_SPECIAL)}
        | {f"{role}_piece": piece for role, piece in _SPECIAL.items()},
        # as in the third version of DeBERTa
        {
            "relative_attention": True,
            "pos_att_type": ["p2c", "c2p"],
            "position_biased_input": False,
            "position_buckets": 8,
            "share_att_key": True,
            "norm_rel_ebd": "layer_norm",
            "type_vocab_size": 0,
        },
    ),
    "xlm-roberta": Kind("sentencepiece.bpe.model", 1, "<s>", "</s>", {}, {}),
    "camembert": Kind("sentencepiece.bpe.model", 4, "<s>", "</s>", {}, {}),
}


@dataclass(frozen=True)
class Baseline:
    """An untrained model in a folder, and SentencePiece itself with the folder's file."""

    kind: Kind
    folder: Path
    judge: sentencepiece.SentencePieceProcessor


def _baseline(name: str, folder: Path) -> Baseline:
    kind = KINDS[name]
    file = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS),
        model_writer=file,
        vocab_size=150,
        hard_vocab_limit=False,
        num_threads=1,
        minloglevel=2,
        **kind.pieces,
    )
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    values = sizes | {"vocab_size": 200, "max_position_embeddings": 40, "initializer_range": 0.5} | kind.config
    config = AutoConfig.for_model(name, **values)
    AutoModelForTokenClassification.from_config(config).save_pretrained(folder)
    (folder / kind.file).write_bytes(file.getvalue())
    return Baseline(kind, folder, sentencepiece.SentencePieceProcessor(model_proto=file.getvalue()))


@pytest.fixture(scope="module", params=KINDS)
def baseline(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Baseline:
    return _baseline(request.param, tmp_path_factory.mktemp(request.param))


def test_the_tokens_are_those_of_sentencepiece(baseline: Baseline) -> None:
    kind, judge = baseline.kind, baseline.judge
    assert {path.name for path in baseline.folder.iterdir()} == {"config.json", "model.safetensors", kind.file}
    tokenizer = load_tokenizer(baseline.folder)
    for text in {*TEXTS, *CORPUS}:
        pieces = judge.encode(text)
        ids = tokenizer(text)["input_ids"]
        assert ids[1:-1] == [piece + kind.offset for piece in pieces]
        tokens = [kind.first, *(judge.id_to_piece(piece) for piece in pieces), kind.last]
        assert tokenizer.convert_ids_to_tokens(ids) == tokens
    assert tokenizer("Anna ☃ flew .")["input_ids"].count(tokenizer.unk_token_id) == 1


def test_full_width_characters_stay_as_they_are_for_deberta_only(baseline: Baseline) -> None:
    """As the README says: for DeBERTa, transformers normalizes texts in another way than the file says."""
    tokenizer = load_tokenizer(baseline.folder)
    for wide, normal in (("Ａ", "A"), ("１", "1"), ("，", ","), ("？", "?")):
        assert baseline.judge.encode(wide) == baseline.judge.encode(normal)
        is_same = tokenizer(wide)["input_ids"] == tokenizer(normal)["input_ids"]
        assert is_same == (baseline.kind.file != "spm.model")


@pytest.mark.parametrize("before", BEFORE)
def test_words_have_the_offsets_of_the_text(baseline: Baseline, before: str) -> None:
    windower = Windower(load_tokenizer(baseline.folder), 40)
    for name in NAMES:
        text = f"{before}{name} flew .\n"
        words = [text[start:end] for start, end in windower.tokenize([text])[0].words]
        assert words[-3:] == [name, "flew", "."]
        assert "".join(words) == "".join(text.split())


def test_a_trained_model_needs_no_sentencepiece(
    baseline: Baseline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a model without pre-training has no knowledge to forget
    monkeypatch.setattr(fine_tuning, "SMALL_ENCODER_RATE", 1e-2)
    examples = [
        AnnotatedText(f"{before}{name}", f"{before}{name} flew .", (Span(at, at + len(name), "PER"),))
        for before in BEFORE
        for name in NAMES
        for at in [len(before)]
    ]
    trained = fine_tune(
        examples,
        ["PER"],
        baseline.folder,
        Hyperparameters(learning_rate=2e-2, num_train_epochs=1),
        match_labels=lambda labels: {},
        device="cpu",
    )
    folder = tmp_path / "model"
    save_model(*trained, folder)
    texts = [example.text for example in examples]
    found = load_tagger(folder, device="cpu").find_spans(texts)
    assert evaluate([example.spans for example in examples], found).overall.f1 > 0.9
    assert not (folder / baseline.kind.file).exists()
    command = [sys.executable, "-c", WITHOUT_SENTENCEPIECE, str(folder), *texts]
    loaded = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert loaded.stdout.strip() == str(found)
