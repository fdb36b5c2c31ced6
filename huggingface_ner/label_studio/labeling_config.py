"""Labelling config XML to the controls that label text."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from huggingface_ner.errors import HuggingFaceNERError

MAX_CHARACTERS = 1_000_000
# Control tag -> its regions' type, which is also where their labels are.
REGION_TYPES = {"Labels": "labels", "HyperTextLabels": "hypertextlabels", "ParagraphLabels": "paragraphlabels"}
OBJECT_TAGS = ("Text", "HyperText", "Paragraphs")
# Names that models and people give to the same thing, in lower case.
_SYNONYMS = (
    {"per", "person", "people"},
    {"org", "organization", "organisation"},
    {"loc", "location", "gpe", "place"},
    {"misc", "miscellaneous"},
)


class LabelingConfigError(HuggingFaceNERError):
    """A labelling config that cannot be used; the message says what is wrong with it and what is needed."""


@dataclass(frozen=True, slots=True)
class Label:
    """A ``<Label>``: what the annotator sees, what is saved instead if anything, and the model's names for it."""

    value: str
    alias: str | None = None
    predicted_values: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What regions hold: Label Studio saves the alias where there is one."""
        return self.alias or self.value


@dataclass(frozen=True, slots=True)
class TextObject:
    """An object tag whose text can be labelled.

    data_key: where in a task's data its value is; dots lead into nested objects.
    is_url: whether the value is the address of the text and not the text.
    text_key: Paragraphs only: where in a paragraph its text is.
    """

    name: str
    tag: str
    data_key: str
    is_url: bool = False
    text_key: str = "text"


@dataclass(frozen=True, slots=True)
class SpanControl:
    """A control tag that labels stretches of an object's text."""

    name: str
    tag: str
    labels: tuple[Label, ...]
    object: TextObject

    @property
    def region_type(self) -> str:
        """The type of its regions, and the key of their labels."""
        return REGION_TYPES[self.tag]

    @property
    def label_names(self) -> tuple[str, ...]:
        """What its regions can hold."""
        return tuple(label.name for label in self.labels)

    def read_label(self, saved: str) -> str | None:
        """Return the name of the label that a region holds: by name, or by value from before it had an alias."""
        by_value = {label.value: label.name for label in self.labels}
        return saved if saved in self.label_names else by_value.get(saved)


@dataclass(frozen=True, slots=True)
class LabelingConfig:
    """The controls of a project that label text, in the order of the config; at least one."""

    controls: tuple[SpanControl, ...]

    @property
    def objects(self) -> tuple[TextObject, ...]:
        """The objects that the controls label, each once."""
        return tuple(dict.fromkeys(control.object for control in self.controls))

    @property
    def label_names(self) -> tuple[str, ...]:
        """All labels, each once: what a model for this config learns."""
        return tuple(dict.fromkeys(name for control in self.controls for name in control.label_names))

    def controls_for(self, text_object: TextObject) -> tuple[SpanControl, ...]:
        """Return the controls over an object."""
        return tuple(control for control in self.controls if control.object == text_object)

    def control_for(self, text_object: TextObject, label_name: str) -> SpanControl | None:
        """Return the first control over an object that has a label; None where none has."""
        return next((c for c in self.controls_for(text_object) if label_name in c.label_names), None)

    def match_labels(self, model_labels: Sequence[str]) -> Mapping[str, str]:
        """Return, for the labels of a model that have a counterpart here, that label's name.

        By ``predicted_values``, by the same name, by the same name in another case, by a usual synonym; the
        surest rule that finds one wins, and within a rule the order of the config.
        """
        labels = [label for control in self.controls for label in control.labels]
        matched: dict[str, str] = {}
        for model_label in model_labels:
            lowered = model_label.casefold()
            synonyms: set[str] = next((group for group in _SYNONYMS if lowered in group), set())
            rules = (
                lambda label, wanted=model_label: wanted in label.predicted_values,
                lambda label, wanted=model_label: wanted in (label.name, label.value),
                lambda label, wanted=lowered: wanted in (label.name.casefold(), label.value.casefold()),
                lambda label, wanted=synonyms: {label.name.casefold(), label.value.casefold()} & wanted,
            )
            found = next((label.name for rule in rules for label in labels if rule(label)), None)
            if found is not None:
                matched[model_label] = found
        return matched


@lru_cache(maxsize=256)
def parse_labeling_config(xml: str) -> LabelingConfig:
    """Read a labelling config; controls that label no text are passed over.

    Raises LabelingConfigError for what is no XML, declares entities, is longer than MAX_CHARACTERS, or has no
    control with labels over a Text, HyperText or Paragraphs object.
    """
    root = _parse(xml)
    objects = {
        text_object.name: text_object
        for element in root.iter()
        if element.tag in OBJECT_TAGS and (text_object := _text_object(element)) is not None
    }
    elements = [element for element in root.iter() if element.tag in REGION_TYPES]
    controls = tuple(control for element in elements for control in _controls(element, objects))
    if any(control.labels for control in controls):
        return LabelingConfig(tuple(control for control in controls if control.labels))
    dynamic = [control.name for control in controls]
    if dynamic:
        raise LabelingConfigError(
            f"{', '.join(dynamic)}: this control has no <Label> of its own; labels that come with each task "
            '(value="$...") cannot be learned, so list them in the config'
        )
    raise LabelingConfigError(
        "no control labels text: a <Labels>, <HyperTextLabels> or <ParagraphLabels> is needed whose toName is the "
        'name of a <Text>, <HyperText> or <Paragraphs> with a value like "$text"'
    )


def _parse(xml: str) -> Element:
    if not xml.strip():
        raise LabelingConfigError("it is empty")
    if len(xml) > MAX_CHARACTERS:
        raise LabelingConfigError(f"it is longer than {MAX_CHARACTERS} characters")
    try:
        # as bytes, in the encoding that a declaration is made to name: the text itself is Unicode already
        root: Element = fromstring(_without_declaration(xml).encode(), forbid_dtd=True)
    except DefusedXmlException:
        raise LabelingConfigError("it declares a document type or entities, which is not allowed") from None
    except (ParseError, UnicodeEncodeError) as error:
        raise LabelingConfigError(f"it is no well-formed XML: {error}") from None
    return root


def _without_declaration(xml: str) -> str:
    stripped = xml.lstrip("\ufeff \t\r\n")
    if stripped.startswith("<?xml") and "?>" in stripped:
        return stripped.partition("?>")[2]
    return stripped


def _text_object(element: Element) -> TextObject | None:
    name, value = element.get("name"), element.get("value", "")
    if not name or not value.startswith("$"):
        return None
    return TextObject(
        name=name,
        tag=element.tag,
        data_key=value[1:],
        is_url=element.get("valueType", element.get("valuetype", "")).lower() == "url",
        text_key=element.get("textKey", element.get("textkey", "")) or "text",
    )


def _controls(element: Element, objects: Mapping[str, TextObject]) -> Iterator[SpanControl]:
    name = element.get("name")
    labels = tuple(_labels(element))
    for to_name in (element.get("toName") or element.get("toname") or "").split(","):
        if name and to_name.strip() in objects:
            yield SpanControl(name, element.tag, labels, objects[to_name.strip()])


def _labels(control: Element) -> Iterator[Label]:
    seen = set()
    for element in control.iter("Label"):
        value = element.get("value")
        if not value or value.startswith("$"):
            continue
        predicted = element.get("predicted_values", "")
        label = Label(
            value=value,
            alias=element.get("alias") or None,
            predicted_values=tuple(part.strip() for part in predicted.split(",") if part.strip()),
        )
        if label.name not in seen:
            seen.add(label.name)
            yield label
