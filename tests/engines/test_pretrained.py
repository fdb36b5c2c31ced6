import pickle
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from huggingface_ner.engines.errors import ModelError
from huggingface_ner.engines.pretrained import load_model
from tests.tiny_models import save_tiny_model


class _Shell:
    """An object whose pickle contains a call, which is made when the pickle is read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (self._path,)  # type: ignore[return-value]


@pytest.fixture
def bin_model(tmp_path: Path) -> Path:
    """The folder of a model that has pytorch_model.bin and no safetensors."""
    folder = save_tiny_model(tmp_path / "model", "bert")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    return folder


def test_a_model_without_safetensors_is_loaded(tmp_path: Path, bin_model: Path) -> None:
    expected, _ = load_model(save_tiny_model(tmp_path / "safe", "bert"))
    model, missing = load_model(bin_model)
    assert missing == []
    for name, tensor in expected.state_dict().items():
        assert torch.equal(model.state_dict()[name], tensor)


def test_safetensors_are_preferred(bin_model: Path, tmp_path: Path) -> None:
    safe = save_tiny_model(tmp_path / "safe", "bert")
    shutil.copy(safe / "model.safetensors", bin_model)
    (bin_model / "pytorch_model.bin").write_bytes(b"damaged")
    load_model(bin_model)


@pytest.mark.parametrize("wrapped", [True, False])
def test_code_in_a_pickle_is_not_run(bin_model: Path, tmp_path: Path, wrapped: bool) -> None:
    run = tmp_path / "run"
    if wrapped:
        torch.save({"classifier.weight": _Shell(run)}, bin_model / "pytorch_model.bin")
    else:
        (bin_model / "pytorch_model.bin").write_bytes(pickle.dumps(_Shell(run)))
    with pytest.raises(ModelError, match="no model could be loaded"):
        load_model(bin_model)
    assert not run.exists()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_no_numbers_are_named(tmp_path: Path, value: float) -> None:
    folder = save_tiny_model(tmp_path, "bert")
    weights = load_file(folder / "model.safetensors")
    weights["classifier.bias"][1] = value
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"classifier\.bias.*NaN or infinite"):
        load_model(folder)
