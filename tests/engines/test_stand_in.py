"""The packaged encoder stands in for the default baseline, and for no other."""

from pathlib import Path

import pytest

from huggingface_ner.engines.pretrained import packaged_encoder
from huggingface_ner.engines.stand_in import PACKAGED_ENCODER, baseline_name, baseline_source, stand_in


def test_only_the_default_baseline_is_replaced() -> None:
    assert stand_in(is_set=False) == packaged_encoder()
    assert stand_in(is_set=True) is None


def test_the_packaged_encoder_has_a_name_of_its_own(tmp_path: Path) -> None:
    assert baseline_name(packaged_encoder()) == PACKAGED_ENCODER
    assert baseline_name("org/model") == "org/model"
    assert baseline_name(tmp_path) == str(tmp_path)


def test_a_baseline_comes_from_the_package_a_folder_or_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert baseline_source(packaged_encoder()) == "package"
    for name in ("base", "org/model"):
        assert baseline_source(name) == "hub"
        (tmp_path / name).mkdir(parents=True)
        assert baseline_source(name) == baseline_source(tmp_path / name) == "folder"
