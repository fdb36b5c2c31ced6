"""Layers: which controls a model learns separately, and under which names it learns their labels.

Controls over one text are independent in Label Studio: their regions may overlap, and several controls may have
labels of the same name. So each of them is in a separate layer. Controls over different texts share layers.
"""

from collections.abc import Sequence
from dataclasses import replace

from huggingface_ner.label_studio.controls import SpanControl

# Further controls over one text share the last layer.
MAX_LAYERS = 32


def with_layers(controls: Sequence[SpanControl]) -> tuple[SpanControl, ...]:
    """Return the controls of a labelling config with their layers and the learned names of their labels.

    A model learns a label under its name, unless labels of several layers have this name. Then it learns each of
    them as "control/label".
    """
    numbers = _numbers(controls)
    found: dict[str, dict[int, SpanControl]] = {}
    for control in controls:
        for name in control.label_names:
            found.setdefault(name, {}).setdefault(numbers[control.name], control)
    taken = set(found)
    learned: dict[int, dict[str, str]] = {}
    for name, by_layer in found.items():
        for number, control in by_layer.items() if len(by_layer) > 1 else ():
            separator = "/"
            while (own := f"{control.name}{separator}{name}") in taken:
                separator += "/"
            taken.add(own)
            learned.setdefault(number, {})[name] = own
    return tuple(
        replace(control, layer=numbers[control.name], learned=learned.get(numbers[control.name], {}))
        for control in controls
    )


def _numbers(controls: Sequence[SpanControl]) -> dict[str, int]:
    """Map each control's name to its layer; a control has the same layer over all of its objects."""
    objects: dict[str, dict[str, None]] = {}
    for control in controls:
        objects.setdefault(control.name, {})[control.object.name] = None
    used: dict[str, set[int]] = {}
    numbers: dict[str, int] = {}
    for name, own in objects.items():
        taken = {number for each in own for number in used.get(each, ())}
        numbers[name] = next((number for number in range(MAX_LAYERS) if number not in taken), MAX_LAYERS - 1)
        for each in own:
            used.setdefault(each, set()).add(numbers[name])
    return numbers
