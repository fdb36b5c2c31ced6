from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedModel

from huggingface_ner.engines.pretrained import load_model, load_tokenizer
from huggingface_ner.learning.head import opens_inside, replace_head
from huggingface_ner.tagging.loading import load_tagger
from huggingface_ner.tagging.tag_groups import TagGroups
from tests.tiny_models import save_tiny_model
from tests.told_models import save_told_model

BIO = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]


def _same(labels: Sequence[str]) -> dict[str, str]:
    return {label: label for label in labels}


def _weights(model: PreTrainedModel) -> torch.Tensor:
    head = model.get_submodule("classifier")
    assert isinstance(head, torch.nn.Linear)
    return head.weight


@pytest.mark.parametrize(
    ("tags", "sources"),
    [
        (["[PAD]", "O", "B-PER", "I-PER", "B-LOC", "I-LOC"], [1, 2, 3, 4, 5]),
        (["OTHER", "PER-B", "PER-I", "LOC-B", "LOC-I"], [0, 1, 2, 3, 4]),
        (["PER", "LOC", "NONE"], [2, 0, 0, 1, 1]),
        (["O", "S-PER", "B-PER", "E-PER", "I-PER", "S-LOC"], [0, 2, 4, 5, 5]),
    ],
)
def test_rows_of_heads_with_other_names_are_copied(tmp_path: Path, tags: list[str], sources: list[int]) -> None:
    model, _ = load_model(save_tiny_model(tmp_path, "bert", tags))
    old = _weights(model).detach().clone()
    replace_head(model, TagGroups.bio([["PER", "LOC"]]), _same)
    assert [(old == row).all(-1).nonzero().flatten().tolist() for row in _weights(model)] == [
        [source] for source in sources
    ]


def test_rows_of_grouped_heads_are_copied_label_by_label(tmp_path: Path) -> None:
    model, _ = load_model(save_tiny_model(tmp_path, "bert", BIO))
    plain = _weights(model).detach().clone()
    groups = TagGroups.bio([["CLAIM", "LOC"], ["PER"], ["PER"]])
    replace_head(model, groups, _same)
    grouped = _weights(model).detach().clone()
    rows = dict(zip(groups.names, grouped, strict=True))
    for name, source in {"O": 0, "2/O": 0, "3/O": 0, "B-LOC": 3, "I-LOC": 4, "2/B-PER": 1, "3/I-PER": 2}.items():
        assert torch.equal(rows[name], plain[source])
    assert not (plain == rows["B-CLAIM"]).all(-1).any()
    # back to one group, which gets the O of the old group that shares the most labels with it
    grouped[:] += torch.arange(groups.size)[:, None]
    with torch.no_grad():
        _weights(model)[:] = grouped
    replace_head(model, TagGroups.bio([["PER"]]), _same)
    assert torch.equal(_weights(model), grouped[5:8])


@pytest.mark.parametrize(("opening", "inside"), [("I-PER", True), ("B-PER", False)])
def test_a_head_shows_with_which_tag_it_opens_entities(tmp_path: Path, opening: str, inside: bool) -> None:
    told = ["O", "O", opening, "O", "I-PER", "O", opening, "O", "B-PER", "O", opening]
    folder = save_told_model(tmp_path, BIO, told)
    model, tokenizer = load_model(folder)[0], load_tokenizer(folder)
    assert opens_inside(model, tokenizer, ["a b c d e f", ""]) is inside


def test_the_new_begin_rows_of_an_iob1_head_come_from_its_inside_rows(tmp_path: Path) -> None:
    model, _ = load_model(save_tiny_model(tmp_path, "bert", BIO))
    old = _weights(model).detach().clone()
    replace_head(model, TagGroups.bio([["PER", "LOC"]]), _same, opens_inside=True)
    assert torch.equal(_weights(model), old[[0, 2, 2, 4, 4]])


def test_a_trained_head_says_how_it_is_read(tmp_path: Path) -> None:
    folder = save_tiny_model(tmp_path / "old", "bert")
    model, tokenizer = load_model(folder)[0], load_tokenizer(folder)
    assert not opens_inside(model, tokenizer, [])
    # label names that could be confused with tags or special tokens
    labels = ["O", "B-side", "[PAD]"]
    replace_head(model, TagGroups.bio([labels]), None)
    model.save_pretrained(tmp_path / "new")
    tokenizer.save_pretrained(tmp_path / "new")
    assert load_tagger(tmp_path / "new", device="cpu").labels == tuple(labels)
