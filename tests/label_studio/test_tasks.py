import base64
import logging

import pytest

from huggingface_ner.label_studio.fetching import FetchError
from huggingface_ner.label_studio.labeling_config import LabelingConfig, parse_labeling_config
from huggingface_ner.label_studio.tasks import TaskReader, look_up


def _config(attributes: str) -> LabelingConfig:
    return parse_labeling_config(
        f'<View><Labels name="l" toName="t"><Label value="PER"/></Labels><Text name="t" {attributes}/></View>'
    )


def _never(url: str) -> str:
    raise AssertionError(f"nothing is to be fetched: {url}")


@pytest.mark.parametrize(
    "text", ["http://127.0.0.1:1/x", "/etc/passwd", "file:///etc/passwd", "", "\x00", "a\ud83d", "s3://b/k"]
)
def test_text_is_text(text: str) -> None:
    ((_, document),) = TaskReader(_never, "http://ls").documents({"data": {"t": text}}, _config('value="$t"'))
    assert document.text == text


@pytest.mark.parametrize("task", [{}, {"data": {}}, {"data": None}, {"data": {"t": 3}}, None, "x", 7])
def test_a_task_that_cannot_be_read_costs_a_warning(task: object, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    good = {"id": 5, "data": {"t": "Anna"}}
    documents = TaskReader(_never, "http://ls").documents_many([task, good], _config('value="$t"'))
    assert [len(found) for found in documents] == [0, 1]
    assert "not labelled: t:" in caplog.text


def test_texts_are_never_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    def fetch(url: str) -> str:
        raise FetchError("example.org: it answers HTTP 500")

    data = {"t": "http://example.org/secret?token=1"}
    TaskReader(fetch, "http://ls").documents({"id": 1, "data": data}, _config('value="$t" valueType="url"'))
    assert "task 1" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    ("value", "asked"),
    [
        ("http://example.org/a.txt", "http://example.org/a.txt"),
        ("/data/upload/1/a.txt", "http://ls:8080/data/upload/1/a.txt"),
        ("data/local-files/?d=a.txt", "http://ls:8080/data/local-files/?d=a.txt"),
        (
            "s3://bucket/ü.txt",
            "http://ls:8080/tasks/9/resolve/?fileuri="
            + base64.urlsafe_b64encode("s3://bucket/ü.txt".encode()).decode(),
        ),
    ],
)
def test_addresses_are_resolved_at_label_studio(value: str, asked: str) -> None:
    urls = []

    def fetch(url: str) -> str:
        urls.append(url)
        return "Anna"

    reader = TaskReader(fetch, "http://ls:8080")
    tasks = [{"id": 9, "data": {"t": value}}] * 3
    documents = reader.documents_many(tasks, _config('value="$t" valueType="url"'))
    assert urls == [asked] * 3
    assert [found[0][1].text for found in documents] == ["Anna"] * 3


@pytest.mark.parametrize(
    ("key", "value"), [("a.b", "dotted"), ("a.c", "nested"), ("list.1.x", "second"), ("list[0].x", "first")]
)
def test_keys_lead_into_nested_data(key: str, value: str) -> None:
    data = {"a.b": "dotted", "a": {"b": "nested too", "c": "nested"}, "list": [{"x": "first"}, {"x": "second"}]}
    assert look_up(data, key) == value
