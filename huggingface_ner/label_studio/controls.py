"""The contents of a labelling config: the controls that label text, their labels and their objects."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from huggingface_ner.errors import HuggingFaceNERError

# Control tag -> the type of its regions. The type is also the key of the labels in a region.
REGION_TYPES = {"Labels": "labels", "HyperTextLabels": "hypertextlabels", "ParagraphLabels": "paragraphlabels"}
OBJECT_TAGS = ("Text", "HyperText", "Paragraphs")
MAX_SHOWN = 100
# Names of labels that mean the same, in lower case.
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
    """A ``<Label>`` of a control.

    value: the name that annotators see. alias: the name that is saved instead, if there is one.
    predicted_values: the names that a model may use for this label.
    """

    value: str
    alias: str | None = None
    predicted_values: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name that Label Studio saves in regions: the alias if there is one, and the value if not."""
        return self.alias or self.value


@dataclass(frozen=True, slots=True)
class TextObject:
    """An object tag whose text can be labelled.

    template: the ``value`` attribute: "$key", or a text with several such variables; see page_values.fill_in.
    is_url: whether the task has the URL of the text instead of the text.
    encoding: the encoding of the text, one of page_values.ENCODINGS.
    inline (HyperText only): whether the page shows it without a frame.
    text_key (Paragraphs only): the key under which an utterance has its text.
    is_sorted (Paragraphs only): whether the page sorts the utterances by time (``contextScroll``).
    task_config: the config that this object is from, if a ``<Repeater>`` made that config for one task.
    """

    name: str
    tag: str
    template: str
    is_url: bool = False
    encoding: str = "none"
    inline: bool = False
    text_key: str = "text"
    is_sorted: bool = False
    task_config: "LabelingConfig | None" = field(default=None, compare=False, repr=False)

    @property
    def data_key(self) -> str:
        """The name of the object in messages: its key in a task's data, cut to MAX_SHOWN characters."""
        return self.template.removeprefix("$")[:MAX_SHOWN]


@dataclass(frozen=True)
class SpanControl:
    """A control tag that labels stretches of an object's text.

    number_in_config: its number in the config; the copies that a ``<Repeater>`` makes of a control have the same
        number.
    layer: the number of its layer, see layers.py. learned: label name -> the name under which a model learns it. A
    label that is missing there is learned under its own name.
    """

    name: str
    tag: str
    labels: tuple[Label, ...]
    object: TextObject
    number_in_config: str = field(default="", compare=False, repr=False)
    layer: int = 0
    learned: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    @property
    def region_type(self) -> str:
        """The type of the control's regions, and the key of their labels."""
        return REGION_TYPES[self.tag]

    @cached_property
    def label_names(self) -> tuple[str, ...]:
        """The labels that the control's regions can have."""
        return tuple(label.name for label in self.labels)

    @cached_property
    def learned_names(self) -> tuple[str, ...]:
        """The names under which a model learns the labels of ``label_names``, in the same order."""
        return tuple(map(self.learned_name, self.label_names))

    def learned_name(self, name: str) -> str:
        """Return the name under which a model learns a label."""
        return self.learned.get(name, name)

    def read_label(self, saved: str) -> str | None:
        """Return the name of a region's label; None if this control has no such label.

        The label is looked up by name first, then by value, in case it was saved before the label had an alias.
        Finally it is looked up in ``predicted_values``, which can contain the old name of a renamed label.
        """
        return self._names.get(saved)

    @cached_property
    def _names(self) -> Mapping[str, str]:
        # Later entries override earlier ones. So the surest rule comes last, and predicted_values are read from
        # the last label to the first.
        names = {past: label.name for label in reversed(self.labels) for past in label.predicted_values}
        names.update((label.value, label.name) for label in self.labels)
        names.update((label.name, label.name) for label in self.labels)
        return names


class LabelNames:
    """The names of some controls' labels, to find a model's labels among them; see LabelingConfig.match_labels."""

    def __init__(self, controls: Sequence[SpanControl]) -> None:
        self._predicted: dict[str, str] = {}
        self._named: dict[str, str] = {}
        self._folded: dict[str, str] = {}
        self._learned: dict[str, str] = {}
        labels = {
            (control.learned_name(label.name), label): control for control in controls for label in control.labels
        }
        for (learned, label), control in labels.items():
            self._learned.setdefault(learned, learned)
            self._learned.setdefault(f"{control.name}/{label.name}", learned)
            for wanted in label.predicted_values:
                self._predicted.setdefault(wanted, learned)
            for wanted in (label.name, label.value):
                self._named.setdefault(wanted, learned)
                self._folded.setdefault(wanted.casefold(), learned)
        self._synonymous = [
            next((name for key, name in self._folded.items() if key in group), None) for group in _SYNONYMS
        ]

    def find(self, model_label: str) -> str | None:
        """Return the learned name of the label that a model's label matches; None if it matches none."""
        lowered = model_label.casefold()
        found = self._predicted.get(model_label) or self._named.get(model_label) or self._learned.get(model_label)
        found = found or self._folded.get(lowered)
        if found is None:
            groups = zip(_SYNONYMS, self._synonymous, strict=True)
            found = next((name for group, name in groups if lowered in group), None)
        return found


@dataclass(frozen=True)
class LabelingConfig:
    """The controls of a project that label text, in the order of the config; at least one.

    expand: a function that makes the config for a task from the task's data; None if there is no ``<Repeater>``.
    If there is one, ``controls`` has each repeated tag once, with its name as written.
    """

    controls: tuple[SpanControl, ...]
    expand: "Callable[[object], LabelingConfig] | None" = field(default=None, compare=False, repr=False)

    def for_task(self, data: object) -> "LabelingConfig":
        """Return the config as the page makes it for a task's data: this one, if it has no ``<Repeater>``."""
        return self if self.expand is None else self.expand(data)

    @cached_property
    def objects(self) -> tuple[TextObject, ...]:
        """The objects that the controls label, each once."""
        return tuple(dict.fromkeys(control.object for control in self.controls))

    @cached_property
    def label_names(self) -> tuple[str, ...]:
        """The labels that a model for this config learns, each once, under their learned names."""
        return tuple(dict.fromkeys(name for control in self.controls for name in control.learned_names))

    @cached_property
    def layers(self) -> tuple[tuple[str, ...], ...]:
        """The labels of each layer, under their learned names; see layers.py."""
        layers: dict[int, dict[str, None]] = {}
        for control in self.controls:
            layers.setdefault(control.layer, {}).update(dict.fromkeys(control.learned_names))
        return tuple(tuple(layers[number]) for number in sorted(layers))

    def controls_for(self, text_object: TextObject) -> tuple[SpanControl, ...]:
        """Return the controls over an object."""
        config = text_object.task_config or self
        return config._by_object.get(text_object, ())  # noqa: SLF001 - another object of this class

    def control_for(self, text_object: TextObject, learned_name: str) -> tuple[SpanControl, str] | None:
        """Return the first control over an object that has a label, and the label's name in this control.

        learned_name: the name under which a model learns the label. None if no control over the object has it.
        """
        config = text_object.task_config or self
        return config._by_label.get((text_object, learned_name))  # noqa: SLF001 - another object of this class

    def match_labels(
        self, model_labels: Sequence[str], text_object: TextObject | None = None
    ) -> Mapping[str, str]:
        """Map each label of a model to the learned name of the config's label that it matches, if there is one.

        The rules are, in order: ``predicted_values``, the same name, the same learned name, the same name in
        another case, a common synonym. The first rule that finds a label wins; if it finds several, the first of
        them in the config wins. "control/label" counts as a learned name too, because a model may have learned the
        label under it when the config was different.
        text_object: if given, only the labels of the controls over this object count.
        """
        config = self if text_object is None else text_object.task_config or self
        names = config._label_names.get(text_object)  # noqa: SLF001 - another object of this class
        if names is None:
            controls = config.controls if text_object is None else config.controls_for(text_object)
            names = config._label_names.setdefault(text_object, LabelNames(controls))  # noqa: SLF001
        found = {label: names.find(label) for label in model_labels}
        return {label: learned for label, learned in found.items() if learned is not None}

    def suggesting_control(
        self, model_label: str, names: Mapping[str, str], text_object: TextObject
    ) -> tuple[SpanControl, str] | None:
        """Return the control that suggests a model's label over an object, and the label's name in this control.

        names: the return value of ``match_labels``. Returns None if no control over the object has the label.
        """
        learned = names.get(model_label)
        found = None if learned is None else self.control_for(text_object, learned)
        if found is None:
            # the label's first counterpart may belong to another object
            learned = self.match_labels([model_label], text_object).get(model_label)
            found = None if learned is None else self.control_for(text_object, learned)
        return found

    def match_labels_over(self, model_labels: Sequence[str], part: str) -> Mapping[str, str]:
        """Map each label of a model to the learned name under which it is suggested in one text.

        part: the name of the text's object, see AnnotatedText. Objects that a ``<Repeater>`` makes are not
        distinguished: for them, this returns the same as ``match_labels``.
        """
        names = self.match_labels(model_labels)
        text_object = next((each for each in self.objects if each.name == part), None)
        if text_object is None:
            return names
        found = {label: self.suggesting_control(label, names, text_object) for label in model_labels}
        return {label: each[0].learned_name(each[1]) for label, each in found.items() if each is not None}

    @cached_property
    def _label_names(self) -> "dict[TextObject | None, LabelNames]":
        return {}  # filled by match_labels: for an object, and for all objects

    @cached_property
    def _by_object(self) -> Mapping[TextObject, tuple[SpanControl, ...]]:
        controls: dict[TextObject, list[SpanControl]] = {}
        for control in self.controls:
            controls.setdefault(control.object, []).append(control)
        return {text_object: tuple(found) for text_object, found in controls.items()}

    @cached_property
    def _by_label(self) -> Mapping[tuple[TextObject, str], tuple[SpanControl, str]]:
        found: dict[tuple[TextObject, str], tuple[SpanControl, str]] = {}
        for control in self.controls:
            for name in control.label_names:
                found.setdefault((control.object, control.learned_name(name)), (control, name))
        return found
