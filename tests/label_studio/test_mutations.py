"""An odd task affects no other task: task, labelling config and annotation are mutated together."""

import copy
import json
import math
import os
import re
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from huggingface_ner.label_studio.fetching import UrlFetcher
from huggingface_ner.label_studio.gold import read_gold
from huggingface_ner.label_studio.interactive import SeenRegions, answer_drawn_region
from huggingface_ner.label_studio.labeling_config import LabelingConfig, LabelingConfigError, parse_labeling_config
from huggingface_ner.label_studio.predictions import predict_tasks
from huggingface_ner.label_studio.tasks import TaskReader
from huggingface_ner.learning.spool import Spool
from huggingface_ner.left_out import LeftOut
from huggingface_ner.spans import AnnotatedText, Span, TaggedText

EXAMPLES = int(os.environ.get("MUTATED_EXAMPLES", "300"))

DIALOGUE = [{"text": "Anna is in Lyon", "start": 1, "end": 2}, {"text": "😀 Anna", "start": 0.5, "duration": "3"}]
DATA = {
    "text": "Anna 😀 is in Lyon",
    "html": "<p>Anna <b>is</b> in&nbsp;Lyon<br>ok</p>",
    "talk": DIALOGUE,
    "packed": "QW5uYSBpcyBpbiBMeW9u",
    "url": "http://127.0.0.1:1/text.txt",
    "turns": [{"text": "Anna"}, {"text": "Lyon"}],
    "number": 20240101,
}
REGIONS = [
    {
        "id": "a",
        "from_name": "l",
        "to_name": "t",
        "type": "labels",
        "origin": "manual",
        "value": {"start": 0, "end": 4, "text": "Anna", "labels": ["PER"]},
    },
    {
        "id": "b",
        "from_name": "l",
        "to_name": "t",
        "type": "hypertextlabels",
        "origin": "manual",
        "value": {
            "start": "/p[1]/text()[1]",
            "end": "/p[1]/text()[1]",
            "startOffset": 0,
            "endOffset": 4,
            "globalOffsets": {"start": 0, "end": 4},
            "hypertextlabels": ["PER", "LOC"],
            "labels": ["LOC"],
        },
    },
    {
        "id": "c",
        "from_name": "l",
        "to_name": "t",
        "type": "paragraphlabels",
        "origin": "manual",
        "value": {"start": "0", "end": "1", "startOffset": 0, "endOffset": 4, "paragraphlabels": ["PER"]},
    },
]
ANNOTATION = {
    "id": 7,
    "updated_at": "2026-01-01T10:00:00Z",
    "created_at": "2026-01-01T09:00:00+02:00",
    "was_cancelled": False,
    "ground_truth": False,
    "result": REGIONS,
}
TASK = {
    "id": 5,
    "data": DATA,
    "annotations": [ANNOTATION, {**ANNOTATION, "id": 8}],
    "predictions": [{"id": 1, "result": REGIONS[:1], "score": 0.5}],
    "drafts": [{"id": 2, "result": REGIONS[1:]}],
}
GOOD = [{**copy.deepcopy(TASK), "id": number} for number in (1, 2)]
CONTEXT = {"result": REGIONS}

TEXTS = st.one_of(
    st.sampled_from(
        [
            *("", " ", "\ud83d", "\udc00a", "\0", "a\0b", "\ufeff", "null", "NaN", "-1", "1e400", "9" * 5000),
            *("[" * 5000, "{" * 200, "<p" * 300, "<table><tr>" * 50, "&#xD800;", "Anna" * 400, "é" * 50),
            *("/p[1]", "/p[" + "9" * 5000 + "]", "//*", "/p[1]/text()[1]", "/p[1]/b[1]/text()[1]", "/"),
            *("http://[", "http://\u2100/", "//[", "s3://\ud83d", "file:///etc/passwd", "data:text/plain,Anna"),
            *("http://x:0/", "http://x:99999/", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "10:00"),
            *("PER", "LOC", "l", "t", "labels", "manual", "prediction"),
        ]
    ),
    st.text(max_size=4),
)
NUMBERS = st.one_of(
    st.sampled_from([0, -1, 1, 2, 4, 10**9, 2**53, 2**63, -(2**63), 10**400, -(10**400), 0.5, -0.0, 1e308]),
    st.sampled_from([math.nan, math.inf, -math.inf]),
    st.integers(-3, 20),
)


def _nested(depth: int) -> list[Any]:
    inner: list[Any] = []
    for _ in range(depth):
        inner = [inner]
    return inner


DEEP = _nested(500)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    NUMBERS,
    TEXTS,
    st.sampled_from([[], {}, [[]], [None], [{}], {"": None}, DEEP, {"a": DEEP}, [1, "a"]]),
    st.sampled_from([REGIONS, ANNOTATION, DIALOGUE, REGIONS[0]["value"], REGIONS[1]["value"]]),
    st.lists(TEXTS, max_size=2),
    st.dictionaries(TEXTS, NUMBERS | TEXTS, max_size=2),
)
# For each change: the number of the changed node (modulo the number of nodes), the kind of change, the new value.
MUTATIONS = st.lists(
    st.tuples(st.integers(0, 199), st.sampled_from(["replace", "replace", "remove", "repeat", "key"]), VALUES),
    max_size=4,
)

# Texts without the characters that XML does not allow; a config with such characters is refused as a whole.
XML_TEXTS = TEXTS.map(lambda text: re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", text))


def _mostly(usual: list[str]) -> st.SearchStrategy[str]:
    return st.integers(0, 9).flatmap(lambda number: st.sampled_from(usual) if number else XML_TEXTS)


NAMES = _mostly(["t", "t", "t", "t", "t,t", " t ,u"])
LABELS = st.lists(
    _mostly(["PER", "PER", "LOC", "per", "O", "B-PER", "I-", "a,b", "…", "__proto__"]), min_size=1, max_size=3
)
TEMPLATES = {
    "Text": [
        "$text",
        "$packed",
        "$url",
        "$number",
        "$turns[0].text",
        "$text, $html.",
        "$none",
        "",
        "$text[0]",
        "$.",
    ],
    "HyperText": ["$html", "$html", "$text", "<b>$text</b>", "$packed", "$turns[" + "9" * 5000 + "].text"],
    "Paragraphs": ["$talk", "$talk", "$turns", "$text", "$talk[0]", "$talk $turns"],
}
ATTRIBUTES = st.dictionaries(
    st.sampled_from(
        [
            *("encoding", "valueType", "inline", "contextScroll", "nameKey", "textKey", "granularity", "resolver"),
            *("savetextresult", "alias", "predicted_values", "indexFlag", "choice", "maxUsages", "hotkey"),
        ]
    ),
    st.one_of(
        st.sampled_from(["base64", "base64unicode", "none", "url", "text", "true", "false", "word", "{{idx}}"]),
        XML_TEXTS,
    ),
    max_size=1,
)
LISTS = st.sampled_from(["$turns", "$text", "$none", "$talk"])
CONTROLS = {"Text": "Labels", "HyperText": "HyperTextLabels", "Paragraphs": "ParagraphLabels"}


def _attributes(attributes: dict[str, str]) -> str:
    return "".join(f" {name}={quoteattr(value)}" for name, value in attributes.items())


@st.composite
def configs(draw: st.DrawFn) -> str:
    """Draw a labelling config; some of them cannot be used."""
    parts = []
    for control_name in draw(st.sampled_from(["l", "l", "lm"])):
        tag, name = draw(st.sampled_from(list(CONTROLS))), draw(NAMES)
        control = draw(st.sampled_from([CONTROLS[tag], CONTROLS[tag], CONTROLS[tag].lower(), "Labels"]))
        template = draw(_mostly(TEMPLATES[tag]))
        labels = "".join(f"<Label{_attributes({'value': label, **draw(ATTRIBUTES)})}/>" for label in draw(LABELS))
        parts += [
            f"<{control}{_attributes({'name': control_name, 'toName': name})}>{labels}</{control}>",
            f"<{tag}{_attributes({'name': name, 'value': template, **draw(ATTRIBUTES)})}/>",
        ]
    inside = "".join(parts)
    if draw(st.integers(0, 5)) == 0:
        inside = f"<Repeater{_attributes({'on': draw(LISTS)})}>{inside}</Repeater>"
    return f"<View>{inside}</View>"


def _copied(node: Any) -> Any:
    """Return a copy of a JSON structure, so that changes do not affect the original."""
    if isinstance(node, list) and node is not DEEP:
        return [_copied(item) for item in node]
    return {key: _copied(item) for key, item in node.items()} if isinstance(node, dict) else node


def _slots(node: Any) -> list[tuple[Any, Any]]:
    """Return each place of a value in a JSON structure: its container and its key."""
    found: list[tuple[Any, Any]] = []
    pending = [node]
    while pending:
        container = pending.pop()
        pairs = container.items() if isinstance(container, dict) else enumerate(container)
        for key, value in list(pairs):
            found.append((container, key))
            if isinstance(value, dict | list) and value is not DEEP:
                pending.append(value)
    return found


def mutated(structure: object, mutations: list[tuple[int, str, Any]]) -> Any:
    """Return a copy of a JSON structure with these changes."""
    whole = [_copied(structure)]
    for where, how, value in mutations:
        slots = _slots(whole)
        container, key = slots[where % len(slots)] if slots else (whole, 0)
        if how == "remove" and container is not whole:
            del container[key]
        elif how == "repeat" and isinstance(container, list) and container is not whole:
            container.append(_copied(container[key]))
        elif how == "key" and isinstance(container, dict):
            container[value if isinstance(value, str) else str(value)[:50]] = container.pop(key)
        elif slots:
            container[key] = _copied(value)
    return whole[0] if whole else None


def _tag(texts: list[str]) -> list[TaggedText]:
    """Return, for each text, spans that depend only on this text."""
    labels = ("PER", "LOC", "per", "X")
    return [
        TaggedText(
            [Span(at, min(at + 5, len(text)), labels[at % 4], 0.5) for at in range(0, min(len(text), 30), 5)], 0.5
        )
        for text in texts
    ]


def _predicted(tasks: list[Any], config: LabelingConfig, reader: TaskReader) -> list[Any]:
    names = config.match_labels(["PER", "LOC", "per", "X"])
    predictions = predict_tasks(tasks, config, names, reader, _tag)
    json.dumps(predictions, allow_nan=False)
    for prediction in predictions:
        for region in prediction["result"]:
            assert region.pop("id")
    return predictions


def _learned(tasks: list[Any], config: LabelingConfig, reader: TaskReader, folder: Path) -> list[AnnotatedText]:
    left_out = LeftOut()
    with Spool(folder / "texts.jsonl") as spool:
        texts = list(read_gold(tasks, config, reader, left_out))
        for text in texts:
            spool.add(text)
    json.dumps(left_out.as_dict(), allow_nan=False, ensure_ascii=False).encode()
    used = sum(len(text.spans) for text in texts)
    assert left_out.regions_seen == used + left_out.regions_left_out
    return texts


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("spools")


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(xml=configs(), mutations=MUTATIONS, odd=st.one_of(st.none(), VALUES), context=MUTATIONS)
def test_an_odd_task_costs_itself_alone(
    folder: Path, xml: str, mutations: list[tuple[int, str, Any]], odd: object, context: list[tuple[int, str, Any]]
) -> None:
    try:
        config = parse_labeling_config(xml)
    except LabelingConfigError:
        return
    reader = TaskReader(UrlFetcher("http://127.0.0.1:1", timeout=0.01), "http://127.0.0.1:1")
    task = mutated(TASK, mutations) if mutations else odd
    first, last = GOOD
    alone = _predicted([first], config, reader) + _predicted([last], config, reader)
    predictions = _predicted([first, task, last], config, reader)
    assert [predictions[0], predictions[2]] == alone

    good = _learned([first], config, reader, folder) + _learned([last], config, reader, folder)
    texts = _learned([first, task, last], config, reader, folder)
    # a task whose two annotations differ comes last, because all tasks decide which annotation is followed
    for text in good:
        assert texts.count(text) >= good.count(text)

    drawn = mutated(CONTEXT, context)
    assert len(answer_drawn_region([task, first], drawn, config, reader, SeenRegions())) == 2
