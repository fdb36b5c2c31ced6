import base64
import logging
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from huggingface_ner.errors import ClientGoneError
from huggingface_ner.label_studio.fetching import FetchError, UrlFetcher
from huggingface_ner.label_studio.labeling_config import LabelingConfig, parse_labeling_config
from huggingface_ner.label_studio.tasks import TaskReader, task_reader
from huggingface_ner.settings import Settings


def _config(attributes: str) -> LabelingConfig:
    return parse_labeling_config(
        f'<View><Labels name="l" toName="t"><Label value="PER"/></Labels><Text name="t" {attributes}/></View>'
    )


def _never(url: str) -> str:
    raise AssertionError(f"nothing may be fetched: {url}")


@pytest.mark.parametrize(
    "text", ["http://127.0.0.1:1/x", "/etc/passwd", "file:///etc/passwd", "", "a\ud83d", "s3://b/k"]
)
def test_text_is_text(text: str) -> None:
    ((_, document),) = TaskReader(_never, "http://ls").documents({"data": {"t": text}}, _config('value="$t"'))
    assert document.text == text


@pytest.mark.parametrize("task", [{}, {"data": {}}, {"data": None}, None, "x", 7, {"id": "\ud83d"}])
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


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abt01"), inner, max_size=3),
    max_leaves=8,
)
VALUES = st.sampled_from(["$t", "$t.a", "$t[0].b", "$a: $b", f"$t[{'9' * 5000}]"])
TAGS = st.sampled_from(
    [
        "<Text {}/>",
        '<Text {} encoding="base64"/>',
        '<Text {} valueType="url"/>',
        "<HyperText {}/>",
        '<Paragraphs {} contextScroll="true"/>',
    ]
)


@settings(deadline=None)
@given(data=JSON | st.dictionaries(st.sampled_from("abt"), JSON), value=VALUES, tag=TAGS, task_id=JSON)
def test_an_odd_task_costs_itself_alone(data: object, value: str, tag: str, task_id: object) -> None:
    config = parse_labeling_config(
        '<View><Labels name="l" toName="t"><Label value="PER"/></Labels>'
        + tag.format(f'name="t" value="{value}"')
        + "</View>"
    )
    paragraphs = [{"text": "Anna", "start": 1}]
    good = {"id": 1, "data": {"t": paragraphs if "Paragraphs" in tag else "QW5uYQ==", "a": "x", "b": "y"}}
    reader = TaskReader(lambda url: url, "http://ls")
    alone = [document.text for _, document in reader.documents(good, config)]
    together = reader.documents_many([{"id": task_id, "data": data}, good, data], config)
    assert [document.text for _, document in together[1]] == alone


@pytest.mark.parametrize("url", ["http://[", "http://a\u2100b/", "http://x:99999999999/", "//["])
def test_an_odd_address_costs_its_task_alone(url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    reader = TaskReader(UrlFetcher("http://ls"), "http://ls")
    assert reader.documents({"id": 1, "data": {"t": url}}, _config('value="$t" valueType="url"')) == []
    assert "task 1: not labelled" in caplog.text


class Silent:
    """A host that does not answer until the end of the test, except for one address with the text "Anna"."""

    def __init__(self) -> None:
        self.end = threading.Event()
        self.asked = 0

    def __call__(self, url: str) -> str:
        self.asked += 1
        if url.endswith("/Anna"):
            return "Anna"
        self.end.wait(60)
        raise FetchError("example.org: it does not answer")


@pytest.fixture
def silent() -> Iterator[Silent]:
    host = Silent()
    yield host
    host.end.set()


def test_the_time_limit_is_for_all_texts_of_a_request(silent: Silent, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    tasks = [{"id": n, "data": {"t": f"http://example.org/{'Anna' if n == 0 else n}"}} for n in range(24)]
    reader = TaskReader(silent, "http://ls", timeout=0.3)
    documents = reader.documents_many(tasks, _config('value="$t" valueType="url"'))
    assert [len(found) for found in documents] == [1] + [0] * 23
    assert silent.asked <= 9, "after the time limit, no more texts are requested"
    assert caplog.messages == [
        "23 of 24 tasks: not labelled: their texts were not fetched within URL_TIMEOUT=0.3 s"
    ]


def test_a_client_that_has_gone_ends_it(silent: Silent) -> None:
    reader = TaskReader(silent, "http://ls", is_connected=lambda: silent.asked == 0)
    tasks = [{"data": {"t": "http://example.org/1"}}] * 24
    with pytest.raises(ClientGoneError):
        reader.documents_many(tasks, _config('value="$t" valueType="url"'))
    assert silent.asked <= 9


def test_nested_json_costs_its_task_alone() -> None:
    config = parse_labeling_config(
        '<View><Labels name="l" toName="t"><Label value="PER"/></Labels><Paragraphs name="t" value="$t"/></View>'
    )
    assert TaskReader(_never, "http://ls").documents({"data": {"t": "[" * 100_000}}, config) == []


def test_the_access_token_outlives_a_request() -> None:
    fetchers = [task_reader(Settings())._fetch for _ in range(2)]  # noqa: SLF001 - nothing public shows it
    assert fetchers[0] is fetchers[1]
