"""With the real Label Studio, regions that overlap are learned, suggested and saved correctly."""

from itertools import product

import pytest
from playwright.sync_api import Page

from huggingface_ner.engines.pretrained import packaged_encoder
from tests.e2e.conftest import EACH_N_UPDATES, SCREENSHOTS, TOKEN, Serve
from tests.e2e.editor import each_once
from tests.e2e.steps import published, region
from tests.e2e.studio import Region, Studio

pytestmark = pytest.mark.e2e

# An organisation contains a place, and a claim of another control contains both and a person.
CONFIG = (
    '<View><Labels name="entity" toName="text"><Label value="PER"/><Label value="LOC"/><Label value="ORG"/>'
    '</Labels><Labels name="kind" toName="text"><Label value="CLAIM"/></Labels>'
    '<Text name="text" value="$text"/></View>'
)
PEOPLE = ("Anna", "Tom", "Maria", "Peter", "Sarah")
PLACES = ("Lyon", "Oslo", "Rome", "Berlin", "Paris")
Found = tuple[str, str, str]


def text_of(person: str, place: str) -> str:
    return f"We heard: {person} works at the Museum of {place}. Nothing else."


def meant(person: str, place: str) -> list[Found]:
    """Return the control, the characters and the label of each region that a task should have."""
    organization = f"Museum of {place}"
    return [
        ("entity", person, "PER"),
        ("entity", place, "LOC"),
        ("entity", organization, "ORG"),
        ("kind", f"{person} works at the {organization}", "CLAIM"),
    ]


def found(text: str, regions: list[Region]) -> list[Found]:
    values = [(each["from_name"], each["value"]) for each in each_once(regions)]
    return [(control, text[value["start"] : value["end"]], *value["labels"]) for control, value in values]


def test_each_label_is_learned_suggested_and_saved(studio: Studio, serve: Serve, page: Page) -> None:
    *taught, asked = product(PEOPLE, PLACES)
    texts = [text_of(*names) for names in taught]
    assert len(texts) == EACH_N_UPDATES
    # without known mentions, all suggestions come from the trained model
    encoder = {"BASELINE_MODEL_NAME": str(packaged_encoder()), "LEARNING_RATE": "1e-3", "KNOWN_MENTIONS": "false"}
    with serve(LABEL_STUDIO_API_KEY=TOKEN, **encoder) as url:
        project = studio.project("layers", CONFIG)
        project.connect(url)
        before = project.backend()["model_version"]
        for task_id, text, names in zip(
            project.add(*({"text": text} for text in texts)), texts, taught, strict=True
        ):
            regions = [
                {**region(text, characters, label), "from_name": control}
                for control, characters, label in meant(*names)
            ]
            project.submit(task_id, regions)
        last = published(url, project, before)
        text = text_of(*asked)
        (task_id,) = project.add({"text": text})
        (prediction,) = project.open(task_id)["predictions"]
        assert last["f1"] is not None
        assert sorted(found(text, prediction["result"])) == sorted(meant(*asked))

        page.goto(f"{studio.server.url}/projects/{project.id}/data?task={task_id}")
        page.wait_for_function(
            "() => window.Htx?.annotationStore?.selected?.regions.length === 4", timeout=120_000
        )
        page.screenshot(path=SCREENSHOTS / "layers.png")
        button = page.get_by_role("button", name="Submit current annotation", exact=True)
        with page.expect_response(
            lambda answer: answer.request.method == "POST" and "/annotations" in answer.url
        ) as saving:
            button.click()
        assert saving.value.ok
        (annotation,) = project.annotations(task_id)
        assert sorted(found(text, annotation["result"])) == sorted(meant(*asked))
