"""Laying out windows in rows, and back; a packed model gives the same output as for each window alone."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from huggingface_ner.engines.layouts import Layout, Packed, Padded, Size
from huggingface_ner.engines.packed_model import BLOCKWISE, blocks, packed_model
from huggingface_ner.engines.pretrained import load_model
from huggingface_ner.engines.torch_engine import TorchEngine
from huggingface_ner.tagging.loading import load_torch_tagger
from huggingface_ner.tagging.sample_texts import SAMPLE_TEXTS
from tests.tiny_models import save_tiny_model

LAYOUTS = [Padded(0), Padded(0, 8), Padded(0, 8, max_width=30), Packed(0), Packed(0, 16)]
BATCHES = st.lists(st.lists(st.integers(1, 99), min_size=1, max_size=40), min_size=1, max_size=8)


@pytest.mark.parametrize("layout", LAYOUTS)
@given(batch=BATCHES)
def test_each_window_gets_its_own_rows(layout: Layout, batch: list[list[int]]) -> None:
    inputs = layout.lay_out(batch)
    assert len(inputs) == len(layout.INPUTS)
    assert len({array.shape for array in inputs}) == 1
    rows = layout.rows(inputs[0][..., np.newaxis].astype(np.float32), batch)
    assert [row[:, 0].astype(int).tolist() for row in rows] == batch
    assert sum(map(len, batch)) <= layout.tokens(Size.of([len(ids) for ids in batch])) <= inputs[0].size


def test_a_packed_row_says_which_window_a_token_is_of_and_where() -> None:
    input_ids, positions, segments = Packed(9, 4).lay_out([[5, 6, 7], [8], [5, 5]])
    assert input_ids.tolist() == [[5, 6, 7, 8, 5, 5, 9, 9]]
    assert positions.tolist() == [[0, 1, 2, 0, 0, 1, 0, 0]]
    assert segments.tolist() == [[0, 0, 0, 1, 2, 2, -1, -1]]


def test_padded_rows_are_no_wider_than_the_model_reads() -> None:
    padded = Padded(0, 16, max_width=40)
    assert [padded.lay_out([[1] * length])[0].shape[1] for length in (3, 17, 33, 40, 41)] == [16, 32, 40, 40, 41]


@pytest.mark.parametrize(
    ("kind", "is_packed"), [("bert", True), ("roberta", True), ("deberta", False), ("modernbert", False)]
)
def test_kinds_are_packed_if_that_changes_nothing(kind: str, is_packed: bool, tmp_path: Path) -> None:
    """DeBERTa needs another kind of mask, and ModernBERT's distant tokens do not attend to each other."""
    model = load_model(save_tiny_model(tmp_path, kind))[0]
    before = model.config._attn_implementation
    assert isinstance(TorchEngine(model).layout, Packed) is is_packed
    assert (model.config._attn_implementation == before) is not is_packed


def test_a_model_that_is_packed_finds_what_it_finds_padded(
    news_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = load_torch_tagger(news_model, "cpu")
    monkeypatch.setattr("huggingface_ner.engines.packed_model.packed_model", lambda _: None)
    engine = TorchEngine(load_model(news_model)[0])
    assert isinstance(engine.layout, Padded)
    wanted = packed.with_engine(engine).tag(SAMPLE_TEXTS)
    found = packed.tag(SAMPLE_TEXTS)
    assert [one.spans for one in found] == [one.spans for one in wanted]
    np.testing.assert_allclose([one.score for one in found], [one.score for one in wanted], atol=1e-5)


@pytest.mark.parametrize("lengths", [[200], [60, 4, 64], [1] * 150, [64, 64], [3, 70, 90, 30]])
def test_attention_by_blocks_is_attention(lengths: list[int], news_model: Path) -> None:
    """Windows end within blocks, at their edges and beyond them."""
    model = load_model(news_model)[0]
    packed = packed_model(model)
    assert packed is not None
    inputs = [torch.from_numpy(array) for array in Packed(0, 16).lay_out([range(1, 1 + n) for n in lengths])]
    with torch.inference_mode():
        assert model.config._attn_implementation == BLOCKWISE
        by_blocks = packed(*inputs)
        model.set_attn_implementation("eager")
        torch.testing.assert_close(by_blocks, packed(*inputs), atol=1e-4, rtol=0)


def test_a_block_has_the_keys_of_its_windows_and_few_others() -> None:
    segments = torch.tensor([0] * 20 + [1] * 30 + [2] * 100 + [3] * 10)
    found = [(at.queries.start, at.queries.stop, at.keys.start, at.keys.stop) for at in blocks(segments)]
    assert found == [(0, 64, 0, 160), (64, 128, 48, 160), (128, 160, 48, 160)]


def test_a_model_whose_windows_would_see_each_other_is_padded(tmp_path: Path) -> None:
    """For example, the model ignores the mask of a packed row."""
    model = load_model(save_tiny_model(tmp_path, "bert"))[0]
    forward = model.forward

    def careless(attention_mask: torch.Tensor, **inputs: torch.Tensor) -> object:
        return forward(attention_mask=attention_mask if attention_mask.dim() == 2 else None, **inputs)

    model.forward = careless
    assert packed_model(model) is None
