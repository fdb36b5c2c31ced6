"""Layers and nested regions in annotated tasks are learned with the real encoder, and then suggested."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from huggingface_ner.cli import main
from huggingface_ner.engine_kinds import EnginePreference
from huggingface_ner.engines.pretrained import packaged_encoder
from huggingface_ner.learning import fine_tuning
from huggingface_ner.learning.fine_tuning import Hyperparameters, fine_tune
from huggingface_ner.left_out import LeftOut
from huggingface_ner.spans import AnnotatedText, Span
from huggingface_ner.store.model_folder import save_model
from huggingface_ner.tagging.engine_trials import prepare_engine
from huggingface_ner.tagging.loading import load_prepared, load_tagger, tagger_of_model
from tests import ROOT

# Fewer steps than the default are enough for these few texts.
STEPS = 200
PEOPLE = ("Anna", "Tom", "Mei", "Olga", "Luis", "Nora", "Ravi", "Carla")
TOWNS = ("Bremen", "Oslo", "Kyoto", "Porto", "Lima", "Dakar", "Wien", "Kiel")


def _labels(*values: str) -> str:
    return "".join(f'<Label value="{value}"/>' for value in values)


def _texts(parts: str, **fillers: tuple[str, ...]) -> list[tuple[str, dict[str, tuple[int, int]]]]:
    """Return texts made of a template, such as "in {town}", each with the place of every filler."""
    made = []
    for values in zip(*fillers.values(), strict=True):
        named = dict(zip(fillers, values, strict=True))
        text = parts.format(**named)
        places = {name: (text.index(value), text.index(value) + len(value)) for name, value in named.items()}
        made.append((text, places))
    return made


def _region(control: str, place: tuple[int, int], *labels: str, key: str = "labels") -> dict[str, Any]:
    value = {"start": place[0], "end": place[1], key: list(labels)}
    return {"from_name": control, "to_name": "text", "type": key, "value": value}


def _task(number: int, text: object, regions: list[dict[str, Any]]) -> dict[str, Any]:
    return {"id": number, "data": {"text": text}, "annotations": [{"result": regions}]}


def two_layers() -> tuple[str, list[dict[str, Any]]]:
    (case,) = json.loads((ROOT / "tests" / "cases" / "two_layers.json").read_text())["cases"]
    return case["config"], case["tasks"]


def dialogue() -> tuple[str, list[dict[str, Any]]]:
    """Return a config and tasks: entities in a dialogue, and phrases of praise around some of them."""
    config = (
        f'<View><ParagraphLabels name="entity" toName="text">{_labels("PER", "LOC")}</ParagraphLabels>'
        f'<ParagraphLabels name="tone" toName="text">{_labels("PRAISE")}</ParagraphLabels>'
        '<Paragraphs name="text" value="$text"/></View>'
    )
    tasks = []
    for number, (text, places) in enumerate(
        _texts("Hello {person}, we really loved {town}.", person=PEOPLE, town=TOWNS)
    ):
        regions = []
        places["praise"] = (text.index("really"), places["town"][1])
        for control, place, label in (
            ("entity", places["person"], "PER"),
            ("entity", places["town"], "LOC"),
            ("tone", places["praise"], "PRAISE"),
        ):
            region = _region(control, (1, 1), label, key="paragraphlabels")
            region["value"] |= {"start": "1", "end": "1", "startOffset": place[0], "endOffset": place[1]}
            regions.append(region)
        tasks.append(
            _task(number, [{"author": "A", "text": "Good morning."}, {"author": "B", "text": text}], regions)
        )
    return config, tasks


def nested() -> tuple[str, list[dict[str, Any]]]:
    """Return a config and tasks with nested regions.

    In the first control, regions are nested in three levels, and one place has two labels. The second control
    shares the label Person with it.
    """
    names = _labels("Amt", "Organisation", "Ort", "Stadt", "Person")
    config = (
        f'<View><Labels name="name" toName="text">{names}</Labels>'
        f'<Labels name="role" toName="text">{_labels("Person", "Satz")}</Labels>'
        '<Text name="text" value="$text"/></View>'
    )
    tasks = []
    for number, (text, places) in enumerate(
        _texts("Gestern sprach {person}, Leiterin der Messe {town}, mit uns.", person=PEOPLE, town=TOWNS)
    ):
        town, person = places["town"], places["person"]
        regions = [
            _region("name", (text.index("Leiterin"), town[1]), "Amt"),
            _region("name", (text.index("Messe"), town[1]), "Organisation"),
            _region("name", town, "Ort", "Stadt"),
            _region("name", person, "Person"),
            _region("role", (person[0], town[1]), "Person"),
            _region("role", (text.index("mit uns"), text.index("mit uns") + 7), "Satz"),
        ]
        tasks.append(_task(number, text, regions))
    return config, tasks


def _places(results: list[list[dict[str, Any]]]) -> list[list[str]]:
    """Return the regions of each task in a form that can be compared, one item for each label."""
    return [
        sorted(
            json.dumps([region["from_name"], *(region["value"].get(key) for key in keys), label])
            for region in regions
            for keys in [("start", "end", "startOffset", "endOffset")]
            for label in region["value"][region["type"]]
        )
        for regions in results
    ]


@pytest.mark.parametrize(
    ("project", "labels"),
    [
        (two_layers, {"PER": 6, "LOC": 6, "CLAIM": 6}),
        (dialogue, {"PER": 8, "LOC": 8, "PRAISE": 8}),
        (
            nested,
            {"Amt": 8, "Organisation": 8, "Ort": 8, "Stadt": 8, "Satz": 8, "name/Person": 8, "role/Person": 8},
        ),
    ],
)
def test_each_label_of_each_layer_is_learned_and_suggested(
    project: Any,
    labels: dict[str, int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fine_tuning, "MIN_STEPS", STEPS)
    config, tasks = project()
    (tmp_path / "config.xml").write_text(config)
    (tmp_path / "tasks.json").write_text(json.dumps(tasks))
    given = ["--config", str(tmp_path / "config.xml"), "--tasks", str(tmp_path / "tasks.json")]
    out = str(tmp_path / "model")
    assert main(["train", *given, "--out", out, "--held-out", "0", "--baseline", str(packaged_encoder())]) == 0
    assert "not used" not in capsys.readouterr().out

    assert main(["evaluate", *given, "--model", out, "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert {label: score["gold"] for label, score in scores["labels"].items()} == labels
    assert (scores["gold"], scores["gold_left_out"]) == (sum(labels.values()), 0)
    assert {label: score["f1"] for label, score in scores["labels"].items()} == dict.fromkeys(labels, 1.0)

    assert main(["predict", *given, "--model", out, "--out", str(tmp_path / "predictions.json")]) == 0
    predicted = json.loads((tmp_path / "predictions.json").read_text())
    results = [task["predictions"][0]["result"] for task in predicted]
    assert _places(results) == _places([task["annotations"][0]["result"] for task in tasks])


EXAMPLES = [
    AnnotatedText(str(n), f"{person} likes {town}", tuple(sorted(spans)))
    for n, (person, town) in enumerate(zip(PEOPLE, TOWNS, strict=True))
    for end in [len(person) + 7 + len(town)]
    for spans in [[Span(0, len(person), "PER"), Span(end - len(town), end, "LOC"), Span(0, end, "CLAIM")]]
]
LAYERS = (("PER", "LOC"), ("CLAIM",))


@pytest.fixture(scope="module")
def grouped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a model with two tag groups."""
    folder = tmp_path_factory.mktemp("grouped") / "model"
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(fine_tuning, "MIN_STEPS", STEPS)
        model, tokenizer = fine_tune(
            EXAMPLES,
            ["PER", "LOC", "CLAIM"],
            packaged_encoder(),
            Hyperparameters(),
            match_labels=lambda _: {},
            layers=LAYERS,
            device="cpu",
        )
    save_model(model, tokenizer, folder)
    return folder


def test_every_engine_finds_the_spans_of_all_groups(grouped: Path, tmp_path: Path) -> None:
    texts = [text.text for text in EXAMPLES]
    expected = load_tagger(grouped, device="cpu").find_spans(texts)
    assert expected == [list(text.spans) for text in EXAMPLES]
    preference = EnginePreference("onnx", "fp32")
    record = prepare_engine(grouped, EXAMPLES, preference=preference, device="cpu", into=tmp_path)
    assert record["engine"] == "onnx fp32"
    tagger = load_prepared(grouped, "cpu", preference, tmp_path)
    assert tagger is not None
    assert tagger.choice.kind.engine == "onnx"
    assert tagger.labels == ("PER", "LOC", "CLAIM")
    assert tagger.find_spans(texts) == expected


def test_a_head_is_reused_from_plain_to_grouped_and_back(
    grouped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fine_tuning, "MIN_STEPS", 1)
    monkeypatch.setattr(fine_tuning, "SMALL_ENCODER_RATE", 0.0)

    def trained(baseline: Path, labels: list[str], layers: Any) -> Any:
        nothing = Hyperparameters(learning_rate=1e-9, num_train_epochs=0.1)
        same = {label: label for label in ("PER", "LOC", "CLAIM")}
        return fine_tune(
            EXAMPLES, labels, baseline, nothing, match_labels=lambda _: same, layers=layers, device="cpu"
        )

    def spans(model: Any) -> list[list[Span]]:
        return tagger_of_model(*model).find_spans([text.text for text in EXAMPLES])

    swapped = trained(grouped, ["CLAIM", "PER", "LOC"], (("CLAIM",), ("PER", "LOC")))
    assert spans(swapped) == [list(text.spans) for text in EXAMPLES]
    plain = trained(grouped, ["LOC", "PER"], None)
    entities = [[span for span in text.spans if span.label != "CLAIM"] for text in EXAMPLES]
    assert spans(plain) == entities
    save_model(plain[0], plain[1], tmp_path / "plain")
    again = trained(tmp_path / "plain", ["PER", "LOC", "CLAIM"], LAYERS)
    assert [[span for span in found if span.label != "CLAIM"] for found in spans(again)] == entities


def test_a_project_without_overlaps_keeps_the_plain_head(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fine_tuning, "MIN_STEPS", 20)
    entities = [
        AnnotatedText(text.task_id, text.text, tuple(span for span in text.spans if span.label != "CLAIM"))
        for text in EXAMPLES
    ]

    def trained(**layers: Any) -> torch.nn.Module:
        model, tokenizer = fine_tune(
            entities,
            ["PER", "LOC"],
            tiny_bert,
            Hyperparameters(num_train_epochs=1),
            match_labels=lambda _: {},
            device="cpu",
            **layers,
        )
        save_model(model, tokenizer, tmp_path / "model")
        return model

    one, other = trained(), trained(layers=[["PER", "LOC"]])
    assert all(torch.equal(*pair) for pair in zip(one.parameters(), other.parameters(), strict=True))
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert config["huggingface_ner"].keys() == {"tag_scheme", "word_rules", "transitions", "calibrations"}
    assert list(config["id2label"].values()) == ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]


def test_a_grouped_model_says_its_groups(grouped: Path) -> None:
    config = json.loads((grouped / "config.json").read_text())
    assert config["huggingface_ner"]["groups"] == [["PER", "LOC"], ["CLAIM"]]
    assert len(config["huggingface_ner"]["transitions"]) == 2
    assert [config["id2label"][index] for index in ("0", "5")] == ["O", "2/O"]


def test_regions_that_fit_no_group_are_counted(tiny_bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fine_tuning, "MIN_STEPS", 1)
    left_out = LeftOut()
    fine_tune(
        [AnnotatedText("1", "Anna likes Oslo", tuple(Span(0, end, "PER") for end in (15, 10, 4, 3)))],
        ["PER"],
        tiny_bert,
        Hyperparameters(num_train_epochs=1),
        match_labels=lambda _: {},
        left_out=left_out,
        device="cpu",
    )
    assert left_out.regions == {("inside", "PER"): 1}
