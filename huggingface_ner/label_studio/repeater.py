"""``<Repeater>``: tags that the page repeats for each item of a list in the task's data."""

from copy import copy
from xml.etree.ElementTree import Element

from huggingface_ner.label_studio.page_values import MISSING, UnreadableTextError, fill_in

# Maximum number of elements that the Repeaters of a config may make for one task.
MAX_ELEMENTS = 100_000
DEFAULT_FLAG = "{{idx}}"


def has_repeater(root: Element) -> bool:
    """Return whether a config has a ``<Repeater>``."""
    return any(_is_repeater(element) for element in root.iter())


def expand_repeaters(root: Element, data: object) -> Element:
    """Return a config as the page makes it for a task with this data; the root is not changed.

    In each copy, the first index flag of each attribute is replaced by the item's number. Raises
    UnreadableTextError if the result would have more than MAX_ELEMENTS.
    """
    return _Expansion(data).expand(root, {})


def _is_repeater(element: Element) -> bool:
    return isinstance(element.tag, str) and element.tag.lower() == "repeater"


class _Expansion:
    """One expansion of a config; counts the elements that it makes."""

    def __init__(self, data: object) -> None:
        self._data = data
        self._made = 0

    def expand(self, element: Element, flags: dict[str, str]) -> Element:
        """Return an expanded copy of an element and its children.

        flags: the number for each index flag of the Repeaters directly around it.
        """
        self._count()
        attributes = {key: _replaced(value, flags) for key, value in element.attrib.items()}
        if not _is_repeater(element):
            made = Element(element.tag, attributes)
            made.text = element.text
            made.extend([self.expand(child, {}) for child in element])
            return made
        by_name = {key.lower(): value for key, value in attributes.items()}
        flag = by_name.get("indexflag", DEFAULT_FLAG)
        view = Element("View")
        for index in range(self._length(by_name.get("on", ""))):
            for child in element:
                repeated = self._numbered(child, flag, str(index))
                view.append(self.expand(repeated, {**flags, flag: str(index)}))
        return view

    def _numbered(self, element: Element, flag: str, index: str) -> Element:
        self._count()
        numbered = copy(element)
        numbered.attrib = {key: value.replace(flag, index, 1) for key, value in element.attrib.items()}
        numbered[:] = [self._numbered(child, flag, index) for child in element]
        return numbered

    def _length(self, template: str) -> int:
        items = fill_in(template, self._data) if template else MISSING
        if isinstance(items, str):
            return len(items.encode("utf-16-le", "surrogatepass")) // 2
        return len(items) if isinstance(items, list) else 0

    def _count(self) -> None:
        self._made += 1
        if self._made > MAX_ELEMENTS:
            raise UnreadableTextError(f"Repeater: its list is too long: it would make over {MAX_ELEMENTS} tags")


def _replaced(value: str, flags: dict[str, str]) -> str:
    for flag, index in flags.items():
        value = value.replace(flag, index, 1)
    return value
