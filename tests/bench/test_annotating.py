import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bench.annotating import is_doubling, main
from bench.cost_curve import draw_cost
from huggingface_ner.learning import fine_tuning

NAMES = ("Anna Berg", "Tomas Lind", "Sara Holm", "Karin Nord")
PLACES = ("Oslo", "Bergen", "Malmö", "Turku", "Aarhus")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    rows = []
    for number in range(25):
        name, place = NAMES[number % len(NAMES)], PLACES[number % len(PLACES)]
        text = f"{name} lives in {place}."
        start = text.index(place)
        spans = [
            {"start": 0, "end": len(name), "label": "PER"},
            {"start": start, "end": start + len(place), "label": "LOC"},
        ]
        rows.append(json.dumps({"id": f"text-{number}", "text": text, "spans": spans}))
    (tmp_path / "train.jsonl").write_text("\n".join(rows), encoding="utf-8")
    return tmp_path


def _simulate(corpus: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    picture = corpus / "pictures" / "cost.svg"
    main(["--corpus", str(corpus), "--json", "--picture", str(picture), *arguments])
    assert picture.read_text(encoding="utf-8").startswith("<?xml")
    result: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return result


def test_the_annotator_pays_less_for_what_was_learned(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fine_tuning, "MIN_STEPS", 60)
    result = _simulate(corpus, capsys, "--until", "14")
    first, second = result["stretches"]
    # before the first training there is no model, but a name that was annotated is known
    edits = len(NAMES) + len(PLACES)
    assert (first["to"], first["entities"], first["edits"], first["cost"]) == (10, 20, edits, edits / 20)
    assert (second["to"], second["entities"]) == (14, 8)
    assert second["cost"] < 0.5
    assert second["cost"] == second["edits"] / 8
    assert (result["entities"], result["edits"]) == (28, edits + second["edits"])
    assert result["cost"] == pytest.approx(result["edits"] / 28, abs=1e-4)
    ((training),) = result["trainings"]
    assert (training["tasks"], training["status"]) == (10, "published")
    assert result["seconds_to_suggestion"] == training["seconds"] > 0


def test_without_known_mentions_nothing_is_suggested_before_the_first_training(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KNOWN_MENTIONS", "false")
    result = _simulate(corpus, capsys, "--until", "12", "--each", "100")
    assert [stretch["cost"] for stretch in result["stretches"]] == [1.0, 1.0]


def test_a_baseline_with_a_head_suggests_from_the_start(
    corpus: Path, tiny_bert: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = _simulate(corpus, capsys, "--until", "5", "--baseline", str(tiny_bert))
    (stretch,) = result["stretches"]
    assert stretch["to"] == 5
    # a random head's suggestions are wrong
    assert stretch["to_delete"] + stretch["to_mend"] > 0
    assert result["trainings"] == []


def test_it_trains_as_often_as_it_is_told(
    corpus: Path, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fine_tuning, "MIN_STEPS", 1)
    arguments = ["--until", "100", "--each", "8", "--shuffle", "--seed", "1", "--baseline", str(tiny_bert)]
    result = _simulate(corpus, capsys, *arguments)
    assert [training["tasks"] for training in result["trainings"]] == [8, 16, 24]
    assert [stretch["to"] for stretch in result["stretches"]] == [10, 20, 25]


def test_stretches_end_at_the_doublings() -> None:
    assert [tasks for tasks in range(1, 400) if is_doubling(tasks)] == [10, 20, 40, 80, 160, 320]


@pytest.mark.parametrize("count", ["0", "-1", "ten"])
def test_a_count_of_tasks_is_a_positive_number(count: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--until", count])
    assert f"must be a whole number of at least 1, not '{count}'" in capsys.readouterr().err


def test_the_curve_leaves_out_a_stretch_without_entities(tmp_path: Path) -> None:
    draw_cost([(10, 1.0), (20, None), (40, 0.62)], tmp_path / "cost.svg")
    drawn = (tmp_path / "cost.svg").read_text(encoding="utf-8")
    assert ">0.62<" in drawn
    assert ">to 20<" not in drawn
    draw_cost([(10, None)], tmp_path / "cost.png")
    with Image.open(tmp_path / "cost.png") as image:
        assert image.width > image.height > 300
