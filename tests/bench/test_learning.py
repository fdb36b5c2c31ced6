import json
import re
from pathlib import Path

import numpy as np
import pytest
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from bench import learning
from bench.learning import main
from huggingface_ner.learning import fine_tuning
from huggingface_ner.tagging.loading import tagger_of_model
from huggingface_ner.tagging.reading import Reading
from huggingface_ner.tagging.tagger import Tagger
from huggingface_ner.tagging.transitions import Weights


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fine_tuning, "MIN_STEPS", 2)


@pytest.fixture
def corpora(tmp_path: Path) -> list[str]:
    folders = []
    for name, place in (("north", "Oslo"), ("south", "Rome")):
        folder = tmp_path / name
        folder.mkdir()
        text = f"Anna is in {place}. Tom is not."
        spans = [{"start": 0, "end": 4, "label": "PER"}, {"start": 11, "end": 15, "label": "LOC"}]
        rows = [json.dumps({"id": number, "text": text, "spans": spans}) for number in range(6)]
        for part in ("train", "dev"):
            (folder / f"{part}.jsonl").write_text("\n".join(rows))
        folders.append(str(folder))
    return folders


def test_a_way_does_not_differ_from_itself(
    corpora: list[str], tiny_bert: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    north, south = corpora
    saved = str(tmp_path / "before.json")
    arguments = ["--corpus", north, "--corpus", south, "--sizes", "4", "--seeds", "0", "1", "--epochs", "1"]
    arguments += ["--baseline", str(tiny_bert)]
    main([*arguments, "--save", saved])
    assert [line.split()[:4] for line in capsys.readouterr().out.splitlines()] == [
        ["north,", "4", "texts", "ours"],
        ["south,", "4", "texts", "ours"],
    ]
    main([*arguments, "--against", saved])
    *_, title, first, second, both = capsys.readouterr().out.splitlines()
    assert saved in title
    for line, name in ((first, "north, 4 texts"), (second, "south, 4 texts"), (both, "all")):
        assert line.startswith(name)
        assert line.endswith("+0.000 (+0.000 to +0.000)")


def test_kept_models_are_not_trained_again(
    corpora: list[str],
    tiny_bert: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    models = tmp_path / "models"
    arguments = ["--corpus", corpora[0], "--sizes", "0", "--seeds", "3", "--baseline", str(tiny_bert)]
    arguments += ["--models", str(models), "--plain", "--epochs", "1"]
    main(arguments)
    first = capsys.readouterr().out
    assert "F1 above that of the plain loop" in first
    assert sorted(path.name for path in models.iterdir()) == [
        "north, all texts, ours, seed 3",
        "north, all texts, plain loop, seed 3",
    ]
    monkeypatch.setattr(fine_tuning, "MIN_STEPS", "not used")
    main(arguments)
    # a saved model's scores differ in their last digits
    changing = r"error [\d.]+  \d+ s\n"
    assert re.sub(changing, "", capsys.readouterr().out) == re.sub(changing, "", first)


def test_texts_can_be_cut_into_sentences(
    corpora: list[str], tiny_bert: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = tmp_path / "cut.json"
    arguments = ["--corpus", corpora[0], "--sizes", "2", "--seeds", "0", "--baseline", str(tiny_bert)]
    main([*arguments, "--epochs", "1", "--sentences", "--save", str(saved)])
    ((of_seed,),) = json.loads(saved.read_text()).values()
    # each of the six texts has two sentences, and the first one has both spans
    assert [gold for _, _, gold in of_seed] == [2, 0] * 6


def test_the_weight_of_transitions_is_that_of_the_option(
    corpora: list[str],
    tiny_bert: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    seen: list[tuple[Weights, ...] | None] = []

    def tagger_of_seen_model(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Tagger:
        seen.append(Reading.of_model(model).transitions)
        return tagger_of_model(model, tokenizer)

    monkeypatch.setattr(learning, "tagger_of_model", tagger_of_seen_model)
    arguments = ["--corpus", corpora[0], "--sizes", "2", "--seeds", "0", "--baseline", str(tiny_bert)]
    arguments += ["--epochs", "1", "--models", str(tmp_path / "models")]
    for weight in ("0.5", "0", "1"):
        main([*arguments, "--weight", weight])
    own, none, twice = (np.array(weights) for weights in seen)
    assert own.any()
    assert not none.any()
    assert twice == pytest.approx(2 * own)
