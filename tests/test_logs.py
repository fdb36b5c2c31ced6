"""Log lines keep their format, whatever is logged."""

import json
import logging
import re
import sys
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huggingface_ner.logs import MAX_MESSAGE, MAX_TRACEBACK, JsonFormatter, TextFormatter

LINE = re.compile(r"(\S+) (ERROR) (huggingface_ner\.x): (.*)")
TEXTS = st.text(st.characters(), max_size=50)


def record(message: str, *values: object, error: Exception | None = None) -> logging.LogRecord:
    info = None
    if error is not None:
        try:
            raise error
        except Exception:
            info = sys.exc_info()
    return logging.LogRecord("huggingface_ner.x", logging.ERROR, __file__, 1, message, values, info)


@given(TEXTS)
def test_an_event_is_one_line(text: str) -> None:
    line = TextFormatter().format(record("path %s", text))
    assert len(line.splitlines()) == 1
    line.encode()
    found = LINE.fullmatch(line)
    assert found is not None
    assert datetime.fromisoformat(found[1]).utcoffset() is not None
    event = json.loads(JsonFormatter().format(record("path %s", text)))
    assert event["message"] == found[4]


def test_ordinary_text_is_kept() -> None:
    message = "project 7: Zürich, 東京, \U0001f600 is loaded"
    assert TextFormatter().format(record(message)).endswith(f": {message}")


@given(TEXTS)
def test_a_traceback_forges_no_line(text: str) -> None:
    first, *more = TextFormatter().format(record("failed", error=ValueError(text))).splitlines()
    assert LINE.fullmatch(first)
    assert more
    assert all(line.startswith("  ") for line in more)
    event = json.loads(JsonFormatter().format(record("failed", error=ValueError(text))))
    assert "ValueError" in event["traceback"]


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_nothing_floods_the_log(formatter: logging.Formatter) -> None:
    line = formatter.format(record("%s", "x" * 10_000_000, error=ValueError("y" * 10_000_000)))
    assert len(line) < MAX_MESSAGE + MAX_TRACEBACK + 1_000
    assert "characters left out" in line


def test_json_names_project_and_run() -> None:
    event = json.loads(JsonFormatter().format(record("project 7: the worker of run train-7-3 was killed")))
    assert (event["project"], event["run"], event["level"]) == (7, "train-7-3", "ERROR")
    assert "project" not in json.loads(JsonFormatter().format(record("started")))
