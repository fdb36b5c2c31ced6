from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard, constants
from hypothesis import example, given
from hypothesis import strategies as st

from huggingface_ner.exports.model_card import CardOptions, base_model, escaped, model_card
from tests.exports.versions import METRICS

OPTIONS = CardOptions("me/model", "cc-by-4.0", ("de", "en"))


def test_its_metadata_are_those_that_the_hub_reads() -> None:
    card: Any = ModelCard(model_card(METRICS, 1, OPTIONS))
    assert card.data.to_dict()["language"] == ["de", "en"]
    assert (card.data.license, card.data.library_name) == ("cc-by-4.0", "transformers")
    assert (card.data.pipeline_tag, card.data.base_model) == ("token-classification", "dslim/bert-base-NER")
    results = {result.metric_type: result.metric_value for result in card.data.eval_results or []}
    assert results == {"f1": 0.7273, "precision": 0.8, "recall": 0.6667}
    assert card.data.model_name == "me/model"


def test_it_shows_every_label_with_its_interval_and_its_spans() -> None:
    card = model_card(METRICS, 1, OPTIONS)
    assert "F1 is **0.73** (95 % confidence interval 0.63 to 0.81)" in card
    assert "| PER | 0.75 | 0.63 to 0.84 | 0.75 | 0.75 | 40 | 200 |" in card
    assert "| NEW | – | – to – | – | – | 0 | 0 |" in card
    assert card.index("| PER |") < card.index("| LOC |") < card.index("| NEW |"), (
        "the most frequent label comes first"
    )
    for fact in ("| annotated tasks | 120 |", "| texts trained on | 96 |", "| annotated spans | 290 |"):
        assert fact in card


@pytest.mark.parametrize("metrics", [{}, {"tasks": 12, "trained": 12, "labels": [], "label_names": 5}])
def test_a_version_without_scores_has_a_card(metrics: dict[str, Any]) -> None:
    card: Any = ModelCard(model_card(metrics, 1, CardOptions("model")))
    assert card.data.eval_results is None
    assert "It has not been scored" in card.text
    assert "none is set" in card.text
    assert card.data.license is None


@pytest.mark.parametrize(
    ("baseline", "source", "named"),
    [
        ("dslim/bert-base-NER", "hub", "dslim/bert-base-NER"),
        ("bert-base-cased", "hub", "bert-base-cased"),
        ("all-MiniLM-L6-v2", "package", "sentence-transformers/all-MiniLM-L6-v2"),
        ("all-MiniLM-L6-v2", "folder", None),
        ("all-MiniLM-L6-v2", "hub", "all-MiniLM-L6-v2"),
        ("base", "folder", None),
        ("results/news", "folder", None),
        ("/home/anna/model", "folder", None),
        ("/home/anna/model", "hub", None),
        ("anna/../model", "hub", None),
        (None, "hub", None),
        (5, "hub", None),
    ],
)
def test_the_baseline_is_named_only_if_it_is_on_the_hub(baseline: object, source: str, named: str | None) -> None:
    metrics = {"baseline": baseline, "baseline_source": source}
    assert base_model(metrics) == named
    card = model_card(metrics, 1, OPTIONS)
    assert "anna" not in card
    if named is None:
        told = "a model that is not on the Hub" if source == "folder" else "not known"
        assert f"| started from | {told} |" in card


def test_the_baseline_of_an_earlier_release_is_named_only_if_it_was_copied_from_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    for name in ("org/model", "bert-base-cased", "results/news"):
        repository = tmp_path / "hub" / f"models--{name.replace('/', '--')}"
        (repository / "refs").mkdir(parents=True)
        (repository / "refs" / "main").write_text("0" * 40)
        (repository / "snapshots" / ("0" * 40)).mkdir(parents=True)
        (repository / "snapshots" / ("0" * 40) / "config.json").write_text("{}")
    (tmp_path / "results" / "news").mkdir(parents=True)
    assert base_model({"baseline": "all-MiniLM-L6-v2"}) == "sentence-transformers/all-MiniLM-L6-v2"
    for name in ("org/model", "bert-base-cased"):
        assert base_model({"baseline": name}) == name
    for other in ("org/other", "base", "results/news", "a--b/c", "x" * 200, "C:\\models\\x", "a/../x", None, 5):
        assert base_model({"baseline": other}) is None


@given(label=st.text(min_size=1))
@example("a\x85b")
@example("\u2028")
def test_hostile_labels_and_names_stay_texts(label: str) -> None:
    """The table and the YAML stay valid, and no label is read as Markdown or HTML."""
    metrics = {**METRICS, "labels": {}, "label_names": [label], "label_spans": {label: 5}}
    text = model_card(metrics, 1, CardOptions(label))
    head, _, body = text.removeprefix("---\n").partition("\n---\n")
    assert yaml.safe_load(head)["model-index"][0]["name"] == " ".join(label.split())
    rows = [
        line
        for line in body.split("\n")
        if line.startswith("| ") and line.endswith("| – | – to – | – | – | 0 | 5 |")
    ]
    assert rows == [f"| {escaped(label)} | – | – to – | – | – | 0 | 5 |"]
    assert not set(escaped(label)) & set("<>|`*_[]()\n\"'\\!")


@pytest.mark.parametrize("label", ["<script>", "a|b", "`x`", "[x](javascript:y)", "__x__", "x\n# y"])
def test_signs_of_markdown_are_escaped(label: str) -> None:
    assert not set(escaped(label)) & set("<>|`*_[]()\n")
