"""Reads the controls that label text from the XML of a labelling config."""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from xml.etree.ElementTree import Element, ParseError, tostring
from xml.sax.saxutils import escape

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from huggingface_ner.label_studio.controls import (
    OBJECT_TAGS,
    REGION_TYPES,
    Label,
    LabelingConfig,
    LabelingConfigError,
    SpanControl,
    TextObject,
)
from huggingface_ner.label_studio.layers import with_layers
from huggingface_ner.label_studio.page_values import ENCODINGS, has_variable
from huggingface_ner.label_studio.repeater import expand_repeaters, has_repeater

__all__ = [
    "Label",
    "LabelingConfig",
    "LabelingConfigError",
    "SpanControl",
    "TextObject",
    "parse_labeling_config",
]

MAX_CHARACTERS = 1_000_000
MAX_CACHED_CHARACTERS = 2_000_000
# Each pair of a control and one of its objects counts: toName may name several objects.
MAX_CONTROLS = 100_000
VALUE_TYPES = ("", "text", "json", "url")
# The case of tag names is ignored, as in the page.
_CONTROL_TAGS = {tag.lower(): tag for tag in REGION_TYPES}
# This attribute numbers the controls of a config. Copies that a <Repeater> makes of a control have its number.
_WRITTEN_AS = "number in the config"
_OBJECT_TAGS = {tag.lower(): tag for tag in OBJECT_TAGS}

_cache: "OrderedDict[str, LabelingConfig]" = OrderedDict()
_cache_lock = threading.Lock()


def parse_labeling_config(xml: str) -> LabelingConfig:
    """Read a labelling config; controls that label no text are ignored.

    The most recently used configs are cached, up to MAX_CACHED_CHARACTERS of XML.
    Raises LabelingConfigError if the config is not XML, declares entities, is longer than MAX_CHARACTERS, has no
    control with labels over a Text, HyperText or Paragraphs object, or uses an unsupported option of these.
    """
    with _cache_lock:
        config = _cache.get(xml)
        if config is not None:
            _cache.move_to_end(xml)
            return config
    config = _read(xml)
    with _cache_lock:
        _cache[xml] = config
        while sum(map(len, _cache)) > MAX_CACHED_CHARACTERS and len(_cache) > 1:
            _cache.popitem(last=False)
    return config


def _read(xml: str) -> LabelingConfig:
    root = _parse(xml)
    for number, element in enumerate(root.iter()):
        if isinstance(element.tag, str) and element.tag.lower() in _CONTROL_TAGS:
            element.set(_WRITTEN_AS, str(number))
    config = _config(root)
    if not has_repeater(root):
        return config
    written = {control.number_in_config: control for control in config.controls}

    def expand(data: object) -> LabelingConfig:
        repeated = [
            # a model learns what the copies of a control have in common
            replace(control, layer=original.layer, learned=original.learned)
            for control in _controls(expand_repeaters(root, data))
            for original in [written.get(control.number_in_config, control)]
        ]
        expanded = LabelingConfig(tuple(repeated))
        controls = tuple(
            replace(control, object=replace(control.object, task_config=expanded)) for control in expanded.controls
        )
        return LabelingConfig(controls)

    return replace(config, expand=expand)


def _config(root: Element) -> LabelingConfig:
    controls = _controls(root)
    if any(control.labels for control in controls):
        return LabelingConfig(with_layers([control for control in controls if control.labels]))
    raise LabelingConfigError(
        "no control labels text: the config needs a <Labels>, <HyperTextLabels> or <ParagraphLabels> with a "
        '<Label>; its toName must be the name of a <Text>, <HyperText> or <Paragraphs> with a value like "$text"'
    )


def _controls(root: Element) -> tuple[SpanControl, ...]:
    objects: dict[str, Element] = {}
    controls: list[tuple[Element, list[Element]]] = []
    for element, control_labels in _with_labels(root):
        if element.tag.lower() in _OBJECT_TAGS and (name := element.get("name")):
            objects.setdefault(name, element)
        elif element.tag.lower() in _CONTROL_TAGS and element.get("name"):
            controls.append((element, control_labels))
    text_objects: dict[str, TextObject] = {}
    found = []
    for element, control_labels in controls:
        attributes = _attributes(element)
        names = dict.fromkeys(name.strip() for name in attributes.get("toname", "").split(","))
        targets = [name for name in names if name in objects]
        if not targets:
            continue
        name, labels = attributes["name"], _listed_labels(attributes, control_labels)
        for target in targets:
            if target not in text_objects:
                text_objects[target] = _text_object(target, objects[target])
            tag, number_in_config = _CONTROL_TAGS[element.tag.lower()], element.get(_WRITTEN_AS, "")
            found.append(SpanControl(name, tag, labels, text_objects[target], number_in_config))
            if len(found) > MAX_CONTROLS:
                raise LabelingConfigError(f"toName: the controls label more than {MAX_CONTROLS} objects together")
    return tuple(found)


def _listed_labels(control: Mapping[str, str], elements: list[Element]) -> tuple[Label, ...]:
    """Return a control's labels; raises LabelingConfigError if each task brings its own labels."""
    name = control["name"]
    if control.get("value", "").startswith("$"):
        raise LabelingConfigError(
            f"{name}: this control has no <Label> in it; labels that come with each task "
            '(value="$...") cannot be learned, so list them in the config'
        )
    return tuple(_labels(name, elements))


def _with_labels(root: Element) -> Iterator[tuple[Element, list[Element]]]:
    """Yield all elements in order, each control with its <Label>s, without the <Label>s of controls inside it."""
    elements: list[tuple[Element, list[Element]]] = []
    waiting: list[tuple[Element, list[Element]]] = [(root, [])]
    while waiting:
        element, labels = waiting.pop()
        tag = element.tag.lower() if isinstance(element.tag, str) else ""
        if tag == "label":
            labels.append(element)
        elif tag in _CONTROL_TAGS:
            labels = []
        elements.append((element, labels))
        waiting += [(child, labels) for child in reversed(element)]
    yield from elements


def _parse(xml: str) -> Element:
    if not xml.strip():
        raise LabelingConfigError("it is empty")
    if len(xml) > MAX_CHARACTERS:
        raise LabelingConfigError(f"it is longer than {MAX_CHARACTERS} characters")
    try:
        # encoded as UTF-8, and without the XML declaration, which could name another encoding
        root: Element = fromstring(_without_declaration(xml).encode(), forbid_dtd=True)
    except DefusedXmlException:
        raise LabelingConfigError("it declares a document type or entities, which is not allowed") from None
    except (ParseError, UnicodeEncodeError) as error:
        raise LabelingConfigError(f"it is not well-formed XML: {error}") from None
    return root


def _without_declaration(xml: str) -> str:
    stripped = xml.lstrip("\ufeff \t\r\n")
    if stripped.startswith("<?xml") and "?>" in stripped:
        return stripped.partition("?>")[2]
    return stripped


def _attributes(element: Element) -> Mapping[str, str]:
    """Return an element's attributes, names in lower case; the page ignores the case of the names."""
    return {key.lower(): value for key, value in element.attrib.items()}


def _text_object(name: str, element: Element) -> TextObject:
    """Return an object that a control labels; raises LabelingConfigError if it cannot be read as the page does."""
    attributes = _attributes(element)
    tag = _OBJECT_TAGS[element.tag.lower()]
    template = (_inner(element) if tag == "HyperText" or len(element) == 0 else "") or attributes.get("value", "")
    if not has_variable(template):
        raise LabelingConfigError(
            f'{name}: its value "{template[:40]}" is the same for every task, so it cannot be labelled; '
            'give it a value like "$text", or remove the controls over it'
        )
    value_type, encoding = attributes.get("valuetype", ""), attributes.get("encoding", "") or "none"
    if value_type.lower() not in VALUE_TYPES:
        raise LabelingConfigError(f'{name}: valueType="{value_type}" is not supported; use "text" or "url"')
    if encoding not in ENCODINGS or (tag == "Paragraphs" and encoding != "none"):
        raise LabelingConfigError(
            f'{name}: encoding="{encoding}" is not supported; <Text> and <HyperText> have {", ".join(ENCODINGS)}'
        )
    if attributes.get("resolver"):
        raise LabelingConfigError(
            f'{name}: resolver="{attributes["resolver"]}" is not supported; put the text itself into the task'
        )
    return TextObject(
        name=name,
        tag=tag,
        template=template,
        is_url=value_type.lower() == "url",
        encoding=encoding,
        inline=attributes.get("inline") == "true",
        text_key=attributes.get("textkey") or "text",
        is_sorted=attributes.get("contextscroll") == "true",
    )


def _inner(element: Element) -> str:
    """Return the content of an element, as XML; the page uses it as the value if it is not blank."""
    try:
        children = [tostring(child, encoding="unicode") for child in element]
    except RecursionError:
        raise LabelingConfigError(f"{element.get('name')}: the HTML inside it is nested too deeply") from None
    return f"{escape(element.text or '')}{''.join(children)}".strip()


def _labels(control: str, elements: list[Element]) -> Iterator[Label]:
    seen = set()
    for element in elements:
        attributes = _attributes(element)
        value = attributes.get("value")
        if not value:
            continue
        if value.startswith("$"):
            raise LabelingConfigError(
                f'{control}: <Label value="{value}"> comes with each task and cannot be learned; name the label'
            )
        predicted = attributes.get("predicted_values", "").split(",")
        label = Label(
            value=value,
            alias=attributes.get("alias") or None,
            predicted_values=tuple(dict.fromkeys(part.strip() for part in predicted if part.strip())),
        )
        if label.name not in seen:
            seen.add(label.name)
            yield label
