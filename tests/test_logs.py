"""Log lines keep their format, whatever is logged."""

import json
import logging
import re
import subprocess
import sys
from contextvars import copy_context
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huggingface_ner.logs import MAX_MESSAGE, MAX_TRACEBACK, JsonFormatter, TextFormatter, working_on

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
    event = json.loads(JsonFormatter().format(record("train-7-3: lost the lease to another worker")))
    assert (event["project"], event["run"]) == (7, "train-7-3")


def test_a_line_names_what_its_thread_works_on_once() -> None:
    with working_on(request="ab12"), working_on(project=7, run=None):
        line = TextFormatter().format(record("too long"))
        assert line.endswith(" ERROR huggingface_ner.x [request ab12, project 7]: too long")
        line = TextFormatter().format(record("project 7: too long"))
        assert line.endswith(" ERROR huggingface_ner.x [request ab12]: project 7: too long")
        event = json.loads(JsonFormatter().format(record("too long")))
        assert (event["request"], event["project"], "run" in event) == ("ab12", 7, False)
        assert "ab12" in copy_context().run(TextFormatter().format, record("in another thread"))
    assert TextFormatter().format(record("too long")).endswith(" huggingface_ner.x: too long")


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_credentials_of_addresses_are_not_logged(formatter: logging.Formatter) -> None:
    address = "https://user:p4ss@hub.example/model"
    line = formatter.format(record("%s does not answer", address, error=OSError(f"no route to {address}")))
    assert "p4ss" not in line
    assert line.count("https://***@hub.example/model") == 2


NOISE = """
import logging, sys, threading, warnings
import transformers.utils.logging, datasets.utils.logging, huggingface_hub.utils.logging
{early}
from huggingface_ner.logs import configure_logging
from huggingface_ner.settings import Settings
configure_logging(Settings(log_format="json"))
transformers.utils.logging.get_logger("transformers.x").warning("1")
datasets.utils.logging.get_logger("datasets.x").warning("2")
huggingface_hub.utils.logging.get_logger("huggingface_hub.x").warning("3")
library = logging.getLogger("library")
library.addHandler(logging.StreamHandler())
library.propagate = False
library.warning("4")
warnings.warn("5")
def crash(): raise RuntimeError("6\\n{{}}")
thread = threading.Thread(target=crash)
thread.start()
thread.join()
class Unraisable:
    def __del__(self): raise RuntimeError("7")
Unraisable()
raise RuntimeError("8\\n{{}}")
"""


@pytest.mark.parametrize("early", ["", "transformers.utils.logging.get_logger('transformers.x')"])
def test_libraries_warnings_and_crashes_are_logged_once_and_in_the_same_format(early: str) -> None:
    script = NOISE.format(early=early)
    ran = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert ran.returncode == 1
    events = [json.loads(line) for line in ran.stderr.splitlines()]
    assert all(event["time"] and event["level"] for event in events)
    shown = [event["message"] + event.get("traceback", "") for event in events]
    assert len(shown) == 8, ran.stderr
    for number, line in enumerate(shown, 1):
        assert str(number) in line
