"""The annotations to look at, read from the version's file, for people and for programs."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.server.app import create_app
from huggingface_ner.server.pages.facts import ProjectFacts
from huggingface_ner.server.pages.review import Review
from huggingface_ner.server.pages.review_csv import COLUMNS, FORMULA, NOT_LISTED, harmless, review_csv
from huggingface_ner.server.pages.review_reading import read_page_review
from huggingface_ner.serving.served_models import ServedModels
from huggingface_ner.settings import Settings
from huggingface_ner.store.review_file import REVIEW, write_review
from huggingface_ner.store.versions import Version, project_store
from tests.server.pages.projects import HOSTILE, TEXT, make_hostile, make_review, publish_curve

BASE = "http://ls.example"


def read(folder: Path, review: Any) -> Review | None:
    (folder / REVIEW).write_text(json.dumps(review))
    return read_page_review(ProjectFacts(7, {"state": "idle"}, BASE, Version("v", folder, {})))


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


def test_everything_that_was_found_is_shown(tmp_path: Path) -> None:
    review = read(tmp_path, make_review())
    assert review is not None
    place = review.dubious[1]
    assert (place.quote["task"], place.label, place.suggestion) == ("301", "Person", "Organisation")
    assert place.link == f"{BASE}/projects/7/data?task=301"
    assert "3 % on average" in place.reasons[0]
    assert (review.dubious[8].label, review.dubious[8].suggestion, review.more_dubious) == ("", "Ort", 4)
    assert {one.string: dict(one.counts) for one in review.strings} == {"Kovács": {"Person": 6, "": 3}}
    (text,) = review.texts
    assert text.ways[1].tasks == (("306", f"{BASE}/projects/7/data?task=306"),)
    assert [way.spans for way in text.ways] == [(("Kovács", "Person"),), (("Stadtverwaltung ", "Ort"),)]
    assert review.all_together is not None
    assert (review.all_together.count, review.all_together.f1) == (1, 0.0)
    (pair,) = review.pairs
    assert pair.names == (TEXT, "Bob <bob@example.org>")
    assert sorted(pair.differences) == [("", "Ort", 1), ("Person", "Ort", 1)]
    (dispute,) = review.disputes
    assert (dispute.task, dispute.f1) == ("307", 0.0)
    assert dispute.places[0].reasons == (f"{TEXT}: Person", "Bob <bob@example.org>: Ort", "unknown: not marked")


def test_programs_get_the_same_facts(client: FlaskClient, settings: Settings) -> None:
    publish_curve(settings)
    review = client.get("/projects/7").get_json()["review"]
    assert len(review["dubious"]) == 18
    assert review["dubious"][0]["link"].endswith("/projects/7/data?task=300")
    assert [one["string"] for one in review["contradictions"]] == ["Kovács"]
    assert review["identical_texts"][0]["ways"][1]["tasks"] == ["306"]
    agreement = review["agreement"]
    assert (agreement["tasks"], agreement["f1"], agreement["disputed"][0]["task"]) == (1, 0.0, "307")
    assert {one["label"] for one in agreement["labels"]} == {"Person", "Ort"}
    assert agreement["pairs"][0]["annotators"][1] == "Bob <bob@example.org>"


def _with_more(
    dubious: int, strings: int, texts: int, labels: int, pairs: int, disputes: int, places: int
) -> dict[str, Any]:
    """Return a review with the given numbers of entries that are not listed."""
    review = make_review()
    review["more"] = dubious
    review["contradictions"]["more"] = strings
    review["identical"]["more"] = texts
    review["agreement"] |= {"more_labels": labels, "more_pairs": pairs, "more": disputes}
    review["agreement"]["disputed"][0]["more"] = places
    return review


def _with_more_inside(more: int) -> dict[str, Any]:
    """Return a review with the given number of parts that are not listed, in each of its entries."""
    review = make_review()
    (text,), (string,) = review["identical"]["texts"], review["contradictions"]["strings"]
    (pair,), (dispute,) = review["agreement"]["pairs"], review["agreement"]["disputed"]
    text["more_ways"] = text["ways"][0]["more_tasks"] = text["ways"][1]["more_spans"] = more
    review["agreement"]["more_texts"] = more
    string["more_labels"] = string["more_examples"] = pair["more_differences"] = more
    dispute["places"][0]["more_annotators"] = dispute["places"][0]["by"][0]["more_labels"] = more
    return review


def test_what_is_not_listed_of_one_entry_is_counted(tmp_path: Path) -> None:
    found = read(tmp_path, _with_more_inside(3))
    assert found is not None
    facts = found.as_dict()
    (text,), (string,), (pair,) = facts["identical_texts"], facts["contradictions"], facts["agreement"]["pairs"]
    assert [text["more_ways"], text["ways"][0]["more_tasks"], text["ways"][1]["more_spans"]] == [3, 3, 3]
    assert facts["agreement"]["more_texts"] == 3
    assert [string["more_labels"], string["more_examples"], pair["more_differences"]] == [3, 3, 3]
    reasons = facts["agreement"]["disputed"][0]["places"][0]["reasons"]
    assert reasons[0].endswith(": Person, 3 more labels")
    assert reasons[-1] == "3 more annotators"


@pytest.mark.parametrize(("more", "s"), [(1, ""), (3, "s")])
def test_the_page_says_what_is_not_listed_of_one_entry(
    client: FlaskClient, settings: Settings, more: int, s: str
) -> None:
    version = project_store(settings.models_folder, 7).publish(lambda folder: None, {})
    write_review(version.folder, _with_more_inside(more))
    page = client.get("/projects/7", headers={"Accept": "text/html"}).get_data(as_text=True)
    for told in (
        f"and {more} more task{s}</p>",
        f", and {more} more span{s}</p>",
        f"And {more} more way{s} to annotate it.",
        f", {more} more label{s}</summary>",
        f"And {more} more such occurrence{s}.",
        f", {more} more difference{s}</div>",
        f": Person, {more} more label{s}</bdi>",
        f"<bdi>{more} more annotator{s}</bdi>",
        f"; {more} further text{s} would take too long.",
    ):
        assert page.count(told) == 1, told


def test_the_page_says_what_each_task_is_disputed_for(client: FlaskClient, settings: Settings) -> None:
    version = project_store(settings.models_folder, 7).publish(lambda folder: None, {})
    for more, told in ((0, "</bdi></summary>"), (1, "</bdi> and 1 other place</summary>")):
        review = make_review()
        (dispute,) = review["agreement"]["disputed"]
        del dispute["places"][1:]
        dispute["places"][0]["text"], dispute["more"] = "Kuala Lumpur", more
        write_review(version.folder, review)
        page = client.get("/projects/7", headers={"Accept": "text/html"}).get_data(as_text=True)
        assert f", F1 0.00: <bdi>Kuala Lumpur{told}" in page


def test_the_table_says_what_is_not_listed(tmp_path: Path) -> None:
    review = _with_more_inside(3)
    for numbers in (review, review["contradictions"], review["identical"], review["agreement"]):
        numbers["more"] = 2
    review["agreement"]["disputed"][0]["more"], review["not_looked_at"] = 4, 1
    found = read(tmp_path, review)
    assert found is not None
    table = rows(review_csv(found))
    told = [
        (row["task"], row["text"], row["annotated as"], row["why"]) for row in table if row["kind"] == NOT_LISTED
    ]
    assert told == [
        ("307", "", "", "4 more places in this task"),
        ("", TEXT, "Kovács: Person", "3 more tasks with this annotation"),
        ("", TEXT, "", "3 more ways to annotate this text"),
        ("", "Kovács", "", "3 more such occurrences of this string"),
        ("", "", "", "2 less dubious annotations"),
        ("", "", "", "1 text not checked for dubious annotations, because the project is too large"),
        ("", "", "", "2 more tasks that annotators disagree about"),
        ("", "", "", "2 more texts annotated in several ways"),
        ("", "", "", "2 more strings annotated in several ways"),
    ]
    (same,) = {row["annotated as"] for row in table if row["task"] == "306" and row["kind"] == "identical texts"}
    assert same == "Stadtverwaltung : Ort, 3 more spans"
    (why,) = {row["why"] for row in table if row["kind"] == "contradiction"}
    assert why == "Person 6 times, not annotated 3 times, 3 more labels"


def test_a_review_of_an_older_release_has_everything_listed(tmp_path: Path) -> None:
    def without_counts(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: without_counts(one) for name, one in value.items() if not name.startswith("more")}
        return [without_counts(one) for one in value] if isinstance(value, list) else value

    found = read(tmp_path, without_counts(make_review()))
    assert found is not None
    assert NOT_LISTED not in review_csv(found)


def test_programs_get_the_numbers_of_what_is_not_listed(tmp_path: Path) -> None:
    found = read(tmp_path, _with_more(3, 4, 5, 6, 7, 8, 9))
    assert found is not None
    facts = found.as_dict()
    agreement = facts["agreement"]
    assert [
        *(facts["more_dubious"], facts["more_contradictions"], facts["more_identical_texts"]),
        *(agreement["more_labels"], agreement["more_pairs"]),
        *(agreement["more_disputed"], agreement["disputed"][0]["more_places"]),
    ] == [3, 4, 5, 6, 7, 8, 9]


@pytest.mark.parametrize(
    ("more", "sentences"),
    [
        ((0, 0, 0, 0, 0, 0, 0), []),
        (
            (1, 1, 0, 1, 1, 1, 1),
            [
                "And 1 less dubious annotation.",
                "And 1 more contradiction.",
                "And 1 rarer label.",
                "And 1 pair that agrees more.",
                "And 1 more place.",
                "And 1 more such task.",
            ],
        ),
        (
            (2, 2, 1, 6, 7, 4, 5),
            [
                "And 2 less dubious annotations.",
                "And 3 more contradictions.",
                "And 6 rarer labels.",
                "And 7 pairs that agree more.",
                "And 5 more places.",
                "And 4 more such tasks.",
            ],
        ),
    ],
)
def test_the_page_says_how_many_are_not_listed(
    client: FlaskClient, settings: Settings, more: tuple[int, ...], sentences: list[str]
) -> None:
    version = project_store(settings.models_folder, 7).publish(lambda folder: None, {})
    write_review(version.folder, _with_more(*more))
    page = client.get("/projects/7", headers={"Accept": "text/html"}).get_data(as_text=True)
    assert re.findall(r"And \d+ [^.<]*\.", page) == sentences


def test_it_is_a_table_for_spreadsheets(client: FlaskClient, settings: Settings) -> None:
    publish_curve(settings)
    answer = client.get("/projects/7/review.csv")
    assert (answer.status_code, answer.mimetype) == (200, "text/csv")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="review-7.csv"'
    found = rows(answer.get_data(as_text=True))
    assert [*found[0]] == list(COLUMNS)
    assert {row["kind"] for row in found} == {
        "dubious annotation",
        "annotators disagree",
        "identical texts",
        "contradiction",
        NOT_LISTED,
    }
    assert [row["why"] for row in found if row["kind"] == NOT_LISTED] == ["4 less dubious annotations"]
    first = found[0]
    assert (first["task"], first["text"], first["annotated as"]) == ("300", "Kovács", "Person")
    assert first["address"].endswith("/projects/7/data?task=300")
    kovacs = [row for row in found if row["kind"] == "contradiction" and row["text"] == "Kovács"]
    assert kovacs[0]["why"] == "Person 6 times, not annotated 3 times"


def test_without_a_review_there_is_no_table(client: FlaskClient, settings: Settings) -> None:
    for path in ("/projects/7/review.csv", "/projects/x/review.csv"):
        assert client.get(path).status_code == 404
    project_store(settings.models_folder, 7).publish(lambda folder: None, {})
    assert client.get("/projects/7/review.csv").status_code == 404
    assert client.get("/projects/7").get_json()["review"] is None


def test_the_table_needs_credentials_too(settings: Settings, queue: TrainingQueue) -> None:
    publish_curve(settings)
    given = {"basic_auth_user": "ann", "basic_auth_pass": SecretStr("secret")}
    with_auth = settings.model_copy(update=given)
    client = create_app(with_auth, ServedModels(with_auth), queue).test_client()
    assert client.get("/projects/7/review.csv").status_code == 401
    headers = {"Authorization": "Basic YW5uOnNlY3JldA=="}
    assert client.get("/projects/7/review.csv", headers=headers).status_code == 200


def test_no_cell_is_a_formula(client: FlaskClient, settings: Settings, queue: TrainingQueue) -> None:
    make_hostile(settings, queue)
    folder = project_store(settings.models_folder, 8).versions()[-1].folder
    bad = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r\n=1", " =1", "＝1", *HOSTILE]
    dubious = [dict.fromkeys(("task", "before", "text", "after", "label", "suggestion"), one) for one in bad]
    write_review(folder, {**make_review(), "dubious": [{**one, "reasons": [one["text"]]} for one in dubious]})
    for row in rows(client.get("/projects/8/review.csv").get_data().decode("utf-8-sig")):
        assert not any((cell or "").lstrip().startswith(FORMULA) for cell in row.values())


@given(st.text())
def test_any_cell_is_harmless_and_stays_readable(cell: str) -> None:
    assert harmless(cell).removeprefix("'").endswith(cell.removeprefix("'"))
    assert not harmless(cell).lstrip().startswith(FORMULA)


WHOLE_NUMBERS = st.integers(-(2**63), 2**63 - 1)  # larger ones make the file damaged, see read_json
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), WHOLE_NUMBERS, st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=8,
)
FIELDS = ("dubious", "contradictions", "identical", "agreement", "annotators", "more")


@given(st.sampled_from(FIELDS), st.sampled_from(["", "strings", "texts", "labels", "pairs", "disputed"]), JSON)
def test_a_file_that_somebody_has_edited_is_read(
    tmp_path_factory: pytest.TempPathFactory, field: str, inner: str, value: Any
) -> None:
    review = make_review()
    folder = tmp_path_factory.getbasetemp()
    if inner and isinstance(review[field], dict):
        review[field][inner] = value
    else:
        review[field] = value
    found = read(folder, review)
    assert found is not None
    assert review_csv(found).startswith("kind,")
    json.dumps(found.as_dict())


def test_an_invalid_review_is_not_shown(tmp_path: Path) -> None:
    nothing: tuple[Any, ...] = ({}, [], None, "x")
    for review in nothing:
        assert read(tmp_path, review) is None
    empty = read(tmp_path, {"dubious": []})
    assert empty is not None
    assert empty.is_empty
    assert empty.all_together is None
