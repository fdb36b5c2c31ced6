"""How heads of models on the Hub are read, from text to spans; the tests set the output of these models."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from tokenizers import pre_tokenizers
from transformers import pipeline

from huggingface_ner.engine_kinds import EngineName, EnginePreference
from huggingface_ner.engines import hardware
from huggingface_ner.engines.errors import ModelError
from huggingface_ner.engines.pretrained import load_model, load_tokenizer
from huggingface_ner.spans import Span
from huggingface_ner.store.model_folder import save_model
from huggingface_ner.tagging.calibration import Calibration
from huggingface_ner.tagging.engine_trials import prepare_engine
from huggingface_ner.tagging.inner_borders import InnerBorders
from huggingface_ner.tagging.loading import load_prepared, load_tagger
from huggingface_ner.tagging.reading import Reading
from huggingface_ner.tagging.tag_groups import TagGroups
from tests.told_models import SURE, bio_tags, save_told_model

CONLL = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
CONLL_SORTED = ["B-LOC", "B-MISC", "B-ORG", "I-LOC", "I-MISC", "I-ORG", "I-PER", "O"]


@pytest.mark.parametrize(
    ("tags", "words", "spans"),
    [
        (CONLL, ["O", "I-LOC", "O"], [(1, 2, "LOC")]),
        (CONLL, ["I-PER", "I-PER", "O"], [(0, 2, "PER")]),
        (CONLL, ["I-PER", "B-PER", "I-PER"], [(0, 1, "PER"), (1, 3, "PER")]),
        (CONLL, ["B-PER", "I-LOC", "I-LOC"], [(0, 1, "PER"), (1, 3, "LOC")]),
        (CONLL_SORTED, ["I-PER", "O", "I-LOC"], [(0, 1, "PER"), (2, 3, "LOC")]),
        # names as scikit-learn sorts them, with suffixes, an output for padding and another name for outside
        (["LOC/B", "LOC/I", "NONE", "<pad>"], ["NONE", "LOC/I", "LOC/I"], [(1, 3, "LOC")]),
    ],
)
def test_heads_of_the_hub_are_read(
    tmp_path: Path, tags: list[str], words: list[str], spans: list[tuple[int, int, str]]
) -> None:
    outside = next(tag for tag in tags if tag in ("O", "NONE"))
    told = [said for word in words for said in (word, outside)]
    (found,) = load_tagger(save_told_model(tmp_path, tags, told), device="cpu").find_spans(["a b c"])
    assert found == [Span(2 * start, 2 * end - 1, label) for start, end, label in spans]
    assert [span.score for span in found] == pytest.approx(
        [SURE ** (end - start) for start, end, _ in spans], abs=0.02
    )


@pytest.mark.parametrize("further", ["[PAD]", "X", "[CLS]", "<unk>"])
def test_an_output_for_padding_is_never_suggested(tmp_path: Path, further: str) -> None:
    told = [{further: 0.9, "B-PER": 0.08, "O": 0.02}, {further: 0.9, "O": 0.1}, {"O": 1.0}]
    tagger = load_tagger(save_told_model(tmp_path, ["O", "B-PER", "I-PER", further], told), device="cpu")
    (tagged,) = tagger.tag(["a b"])
    assert tagged.spans == [Span(0, 1, "PER")]
    assert tagged.spans[0].score == pytest.approx(0.8, abs=1e-3)
    assert tagged.score == pytest.approx(0.8**0.5, abs=1e-3)
    assert tagger.labels == ("PER",)


@pytest.mark.parametrize(
    "words",
    [
        ["O", "I-LOC", "O", "B-PER", "I-PER"],
        ["I-LOC", "I-PER", "B-PER", "I-PER", "O"],
        ["B-LOC", "B-LOC", "I-PER", "O", "I-LOC"],
        ["B-PER", "I-LOC", "I-LOC", "O", "B-LOC"],
    ],
)
def test_spans_are_those_of_transformers_own_pipeline(tmp_path: Path, words: list[str]) -> None:
    folder = save_told_model(tmp_path, CONLL, words)
    tokenizer = load_tokenizer(folder)
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save_pretrained(folder)
    ner: Any = pipeline(
        "token-classification",
        model=str(folder),
        tokenizer=str(folder),
        aggregation_strategy="simple",
        device="cpu",
    )
    theirs = [(found["start"], found["end"], found["entity_group"]) for found in ner("a b c d e")]
    (ours,) = load_tagger(folder, device="cpu").find_spans(["a b c d e"])
    assert [(span.start, span.end, span.label) for span in ours] == theirs


@pytest.mark.parametrize("engine", ["openvino", "onnx"])
def test_an_engine_without_pytorch_reads_a_head_as_the_model_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: EngineName
) -> None:
    monkeypatch.setattr(hardware, "has_fast_int8", lambda: True)
    fp32 = EnginePreference(engine, "fp32", min_agreement=0.0)
    folder = save_told_model(tmp_path / "model", CONLL, ["O", "O", "I-LOC", *["O"] * 20])
    prepare_engine(folder, preference=fp32, device="cpu", into=tmp_path / "into")
    tagger = load_prepared(folder, "cpu", fp32, tmp_path / "into")
    assert tagger is not None
    assert tagger.choice.kind.engine == engine
    assert tagger.find_spans(["a b"]) == [[Span(2, 3, "LOC")]]


def test_a_version_from_before_heads_said_how_they_are_read_is_strict(tmp_path: Path) -> None:
    folder = save_told_model(tmp_path / "model", CONLL, ["O", "O", "I-LOC", "O"])
    copy = shutil.copytree(folder, tmp_path / "version")
    (copy / "metrics.json").write_text("{}")
    assert load_tagger(folder, device="cpu").find_spans(["a b"]) == [[Span(2, 3, "LOC")]]
    assert load_tagger(copy, device="cpu").find_spans(["a b"]) != [[Span(2, 3, "LOC")]]
    assert Reading.of_model(load_model(copy)[0]).tag_groups(CONLL) == TagGroups.bio([["LOC", "PER"]])


def test_weights_of_transitions_are_part_of_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "has_fast_int8", lambda: True)
    onnx = EnginePreference("onnx", "fp32", min_agreement=0.0)
    told = [{"B-PER": 0.9, "O": 0.1}, {"O": 1.0}, {"O": 0.55, "I-PER": 0.45}, *[{"O": 1.0}] * 20]
    folder = save_told_model(tmp_path / "model", CONLL, told)
    config_file = folder / "config.json"
    config = json.loads(config_file.read_text())
    for transitions, end in ((None, 1), ((((0, 0, 0), (0, 0, 0.5), (0, 0, 0)),), 3)):
        reading = Reading(tag_scheme="IOB2", transitions=transitions)
        config_file.write_text(json.dumps({**config, "huggingface_ner": reading.saved()}))
        assert Reading.of_model(load_model(folder)[0]) == reading
        into = tmp_path / f"to-{end}"
        prepare_engine(folder, preference=onnx, device="cpu", into=into)
        for tagger in (load_tagger(folder, device="cpu"), load_prepared(folder, "cpu", onnx, into)):
            assert tagger is not None
            assert tagger.find_spans(["a b"]) == [[Span(0, end, "PER")]]


def test_calibrations_are_part_of_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "has_fast_int8", lambda: True)
    onnx = EnginePreference("onnx", "fp32", min_agreement=0.0)
    names = [*CONLL, "2/O", "2/B-LOC", "2/I-LOC"]
    told = [{"B-PER": 0.45, "O": 0.05, "2/O": 0.1, "2/B-LOC": 0.4}, *[{"O": 0.5, "2/O": 0.5}] * 20]
    folder = save_told_model(tmp_path / "model", names, told)
    config_file = folder / "config.json"
    config = json.loads(config_file.read_text())
    groups = (("LOC", "PER"), ("LOC",))
    first, second = Calibration(slope=0.5, words=0.1, bias=-1), Calibration(slope=1, words=0, bias=1)
    for calibrations, scores in ((None, [0.8, 0.9]), ((first, second), [4 / (4 + math.exp(-1)), 0.5246])):
        reading = Reading(tag_scheme="IOB2", groups=groups, calibrations=calibrations)
        config_file.write_text(json.dumps({**config, "huggingface_ner": reading.saved()}))
        assert Reading.of_model(load_model(folder)[0]) == reading
        into = tmp_path / f"into-{calibrations is None}"
        prepare_engine(folder, preference=onnx, device="cpu", into=into)
        for tagger in (load_tagger(folder, device="cpu"), load_prepared(folder, "cpu", onnx, into)):
            assert tagger is not None
            assert tagger.is_calibrated == (calibrations is not None)
            ((location, person),) = tagger.find_spans(["a b"])
            assert (location, person) == (Span(0, 1, "LOC"), Span(0, 1, "PER"))
            assert [location.score, person.score] == pytest.approx(scores, abs=0.01)


def test_a_model_without_weights_can_be_read_by_older_releases() -> None:
    assert Reading(tag_scheme="IOB2").saved() == {"tag_scheme": "IOB2", "word_rules": 2}


NONE = [[0.0] * 3] * 3


@pytest.mark.parametrize(
    "transitions",
    [[], "none", [NONE, NONE], [[]], [NONE[:2]], [[[0.0] * 2] * 3], [[[0.0, 0.0, float("nan")]] * 3]],
)
def test_weights_that_are_none_are_refused(tmp_path: Path, transitions: object) -> None:
    model, _ = load_model(save_told_model(tmp_path, CONLL, ["O"]))
    model.config.huggingface_ner = {"tag_scheme": "IOB2", "transitions": transitions}
    with pytest.raises(ModelError, match=r"transitions.*newer version"):
        Reading.of_model(model)


@pytest.mark.parametrize(
    "calibrations", [[], "none", [{"slope": 1, "words": 0, "bias": 0}] * 2, [{"slope": 0, "words": 0, "bias": 0}]]
)
def test_calibrations_that_are_none_are_refused(tmp_path: Path, calibrations: object) -> None:
    model, _ = load_model(save_told_model(tmp_path, CONLL, ["O"]))
    model.config.huggingface_ner = {"tag_scheme": "IOB2", "calibrations": calibrations}
    with pytest.raises(ModelError, match=r"calibrations.*newer version"):
        Reading.of_model(model)


def test_another_tools_head_is_read_by_its_names() -> None:
    reading = Reading(tag_scheme="IOB2")
    assert reading.tag_groups(["O", "B-PER", "I-PER"]).schemes[0].strict
    assert reading.tag_groups(["NONE", "PER"]).labels == ("PER",)
    counted = Reading(tag_scheme="IOB2", transitions=(((0, 0, 1), (0, 0, 1), (0, 0, 1)),))
    for names in (["NONE", "PER"], ["O", "B-PER", "E-PER"]):
        assert counted.tag_groups(names) == reading.tag_groups(names)


def test_a_model_without_borders_inside_words_is_saved_as_older_releases_saved_it() -> None:
    assert Reading(tag_scheme="IOB2").saved() == {"tag_scheme": "IOB2", "word_rules": 2}


@pytest.mark.parametrize("engine", ["torch", "openvino", "onnx"])
def test_borders_inside_words_are_saved_with_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: EngineName
) -> None:
    monkeypatch.setattr(hardware, "has_fast_int8", lambda: True)
    text, borders = "in Oslobb", InnerBorders(suffixes=("bb",))
    told = bio_tags(text, [Span(3, 7, "LOC")])
    folder = save_told_model(tmp_path / "model", ["O", "B-LOC", "I-LOC"], [*told, *["O"] * 20])
    model, tokenizer = load_model(folder)[0], load_tokenizer(folder)
    assert load_tagger(folder, device="cpu").find_spans([text]) == [[Span(3, 9, "LOC")]]
    model.config.huggingface_ner = Reading(tag_scheme="IOB2", inner_borders=borders).saved()
    save_model(model, tokenizer, tmp_path / "saved")
    if engine != "torch":
        fp32 = EnginePreference(engine, "fp32", min_agreement=0.0)
        prepare_engine(tmp_path / "saved", preference=fp32, device="cpu", into=tmp_path / "into")
        tagger = load_prepared(tmp_path / "saved", "cpu", fp32, tmp_path / "into")
        assert tagger is not None
        assert tagger.choice.kind.engine == engine
    else:
        tagger = load_tagger(tmp_path / "saved", device="cpu")
    assert tagger.find_spans([text]) == [[Span(3, 7, "LOC")]]


def test_a_model_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    model, _ = load_model(save_told_model(tmp_path, CONLL, ["O"]))
    model.config.huggingface_ner = {"tag_scheme": "IOB9"}
    with pytest.raises(ModelError, match=r"IOB9.*newer version"):
        Reading.of_model(model)
