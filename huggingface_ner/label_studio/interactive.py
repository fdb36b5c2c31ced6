"""Interactive annotating: a person labels one mention, and its other occurrences get the same label.

With Auto-Annotation on, Label Studio's page requests a prediction for each region that a person draws or relabels.
``context["result"]`` holds the page's regions with the same label, control and object; the drawn one is the last.
The page adds every region of the answer to the annotation at once, without asking. So the answer must not contain
anything that the page already has: neither the model's predictions nor an id that was used before.
"""

import logging
import secrets
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from huggingface_ner.label_studio.documents import Document
from huggingface_ner.label_studio.labeling_config import LabelingConfig, SpanControl
from huggingface_ner.label_studio.occurrences import MAX_MENTION_CHARACTERS, find_occurrences
from huggingface_ner.label_studio.tasks import TaskReader

# More would make the page slow: when a task is opened again, the page sends a request for each region.
MAX_REGIONS = 500
MAX_SEEN_REGIONS = 10_000

logger = logging.getLogger(__name__)


class SeenRegions:
    """Records the regions of the most recent contexts, to recognise a region that was sent before.

    It is thread-safe and bounded in memory. The page sends a region again if it is relabelled within seconds of
    being drawn. With several server processes this record is only a hint, because the second request may reach a
    process that has not seen the first. The new label may then be put on strings that have the old one already,
    but no label is put on a string twice.
    """

    def __init__(self, capacity: int = MAX_SEEN_REGIONS) -> None:
        self._capacity = capacity
        self._lock = threading.Lock()
        # hashes, because ids come from outside and may be of any length; the most recent is last
        self._hashes: dict[int, None] = {}

    def add(self, task_id: object, region_ids: Iterable[str]) -> set[str]:
        """Remember the ids of a task's regions, and return the ids that were known before."""
        task = task_id if isinstance(task_id, int | str) else None
        hashes = {region_id: hash((task, region_id)) for region_id in region_ids}
        with self._lock:
            known = {region_id for region_id, hashed in hashes.items() if hashed in self._hashes}
            for hashed in hashes.values():
                self._hashes.pop(hashed, None)
                self._hashes[hashed] = None
            for oldest in list(islice(self._hashes, max(len(self._hashes) - self._capacity, 0))):
                del self._hashes[oldest]
        return known


_seen_regions = SeenRegions()


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A region that a person has just drawn: its control, and its labels as the page saves them."""

    region: Mapping[str, Any]
    control: SpanControl
    labels: list[str]


def answer_drawn_region(
    tasks: Sequence[object],
    context: object,
    config: LabelingConfig,
    reader: TaskReader,
    seen: SeenRegions = _seen_regions,
) -> list[list[dict[str, Any]]]:
    """Return for each task the regions that label all other occurrences of the drawn region's string.

    tasks: the first is the one that is open in the page; the others get no regions.
    context: as the page sends it. If something is wrong with it or with the task, the answer has no regions.
    seen: remembers the regions of earlier contexts; by default, the record that this process shares.
    """
    answers: list[list[dict[str, Any]]] = [[] for _ in tasks]
    if tasks:
        try:
            answers[0] = _same_strings(tasks[0], context, config, reader, seen)
        except Exception:
            logger.exception("interactive annotating: a drawn region could not be answered")
    return answers


def _same_strings(
    task: object, context: object, config: LabelingConfig, reader: TaskReader, seen: SeenRegions
) -> list[dict[str, Any]]:
    shown = _items(context, "result")
    ids = [region["id"] for region in shown if isinstance(region, Mapping) and isinstance(region.get("id"), str)]
    if not shown or not isinstance(task, Mapping):
        return []
    known = seen.add(task.get("id"), ids)
    drawn = _drawn(shown[-1], config.for_task(task.get("data")))
    if drawn is None or drawn.region.get("id") in known:
        return []
    for _, document in reader.documents(task, LabelingConfig((drawn.control,))):
        place = next(_places([drawn.region], drawn.control, document), None)
        # the mouse often leaves blanks at the edges of a region
        mention = "" if place is None else document.text[slice(*place)].strip()
        if 0 < len(mention) <= MAX_MENTION_CHARACTERS:
            taken = _places([*shown, *_stored_regions(task)], drawn.control, document)
            return list(_copies(drawn, document, find_occurrences(document.text, mention, taken)))
    return []


def _drawn(region: object, config: LabelingConfig) -> _Drawn | None:
    """Return a region that a person drew with a control of the config; None for any other."""
    if not isinstance(region, Mapping) or region.get("origin") != "manual":
        return None
    for control in config.controls:
        if region.get("from_name") == control.name and region.get("to_name") == control.object.name:
            labels = _items(region.get("value"), control.region_type)
            is_labelled = bool(labels) and all(isinstance(label, str) for label in labels)
            is_whole = is_labelled and region.get("type") == control.region_type
            return _Drawn(region, control, labels) if is_whole and isinstance(region.get("id", ""), str) else None
    return None


def _stored_regions(task: Mapping[str, Any]) -> Iterator[object]:
    """Yield the regions that the page may show: those of all drafts and annotations, and of the newest prediction.

    The prediction's regions are included only if there is no draft: the page may then show them although no draft
    or annotation has them yet.
    """
    drafts, predictions = _items(task, "drafts"), _items(task, "predictions")
    newest = [] if drafts else [max(predictions, key=_number, default=None)]
    for one in [*drafts, *_items(task, "annotations"), *newest]:
        yield from _items(one, "result")


def _places(regions: Iterable[object], control: SpanControl, document: Document) -> Iterator[tuple[int, int]]:
    """Yield the stretches that regions of any kind and label select in the text of a control's object."""
    for region in regions:
        if isinstance(region, Mapping) and region.get("to_name") == control.object.name:
            value = region.get("value")
            place = document.offsets(value) if isinstance(value, Mapping) else None
            if place is not None:
                yield place


def _copies(drawn: _Drawn, document: Document, places: Iterable[tuple[int, int]]) -> Iterator[dict[str, Any]]:
    """Yield a copy of the drawn region for each place, up to MAX_REGIONS."""
    for count, (start, end) in enumerate(places):
        if count == MAX_REGIONS:
            logger.info("interactive annotating: only the first %d occurrences are labelled", MAX_REGIONS)
            return
        value = document.value(start, end)
        if value is not None:
            yield {
                # the page breaks if it has a region with this id already
                "id": secrets.token_urlsafe(8),
                "from_name": drawn.control.name,
                "to_name": drawn.control.object.name,
                "type": drawn.control.region_type,
                "origin": "prediction",
                "value": {**value, drawn.control.region_type: drawn.labels},
            }


def _items(container: object, key: str) -> list[Any]:
    value = container.get(key) if isinstance(container, Mapping) else None
    return value if isinstance(value, list) else []


def _number(item: object) -> float:
    number = item.get("id") if isinstance(item, Mapping) else None
    return number if isinstance(number, int | float) else -1
