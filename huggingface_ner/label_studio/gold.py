"""Reads texts with gold spans from annotated tasks, as Label Studio exports them."""

import pickle
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from tempfile import TemporaryFile
from typing import Any

from huggingface_ner.consensus import Agreement, Ballot, Decision, decide, is_contested
from huggingface_ner.label_studio.labeling_config import LabelingConfig
from huggingface_ner.label_studio.places import whole_number
from huggingface_ner.label_studio.regions import count_unread, read_spans
from huggingface_ner.label_studio.tasks import TaskDocuments, TaskReader
from huggingface_ner.left_out import LeftOut
from huggingface_ner.spans import AnnotatedText, Span, Vote

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# The index of a text among those of its task, and a span in it.
Mark = tuple[int, Span]


def read_gold(
    tasks: Iterable[object], config: LabelingConfig, reader: TaskReader, left_out: LeftOut | None = None
) -> Iterator[AnnotatedText]:
    """Yield the texts of annotated tasks, one for each object.

    Cancelled annotations are ignored. If several others are left, ``consensus`` decides which of their spans
    count. If it has to follow one of two annotations, the choice depends on all tasks. The texts of such tasks
    come last, and are stored on disk until then.
    left_out: counts all regions of the annotations that are used, and the regions and tasks that are left out.
    """
    left_out = LeftOut() if left_out is None else left_out
    agreement = Agreement()
    with TemporaryFile() as contested:
        waiting = 0
        for number, task in enumerate(tasks, start=1):
            found = _read_task(task, number, config, reader, left_out)
            if found is None:
                continue
            ballots = found.ballots()
            agreement.add(ballots)
            if is_contested(ballots):
                pickle.dump(found, contested)
                waiting += 1
            else:
                yield from found.gold(decide(ballots, {}), left_out)
        ranks = agreement.ranks()
        contested.seek(0)
        for _ in range(waiting):
            found = pickle.load(contested)  # noqa: S301 - a file without a name, written above
            yield from found.gold(decide(found.ballots(), ranks), left_out)


@dataclass(frozen=True, slots=True)
class _Reading:
    """An annotation.

    spans: its spans in each text of its task. left_out: its regions in each text that cannot be read.
    """

    annotator: int | None
    is_ground_truth: bool
    spans: tuple[tuple[Span, ...], ...]
    left_out: tuple[LeftOut, ...]

    def ballot(self) -> Ballot[Mark]:
        marks = frozenset((place, span) for place, spans in enumerate(self.spans) for span in spans)
        return Ballot(self.annotator, marks, self.is_ground_truth)


@dataclass(frozen=True, slots=True)
class _Task:
    """An annotated task. texts: its texts, without spans. readings: its usable annotations, the oldest first."""

    texts: tuple[AnnotatedText, ...]
    readings: tuple[_Reading, ...]

    def ballots(self) -> list[Ballot[Mark]]:
        return [reading.ballot() for reading in self.readings]

    def gold(self, decision: Decision[Mark], left_out: LeftOut) -> Iterator[AnnotatedText]:
        source = self.readings[decision.source]
        for of_text in source.left_out:
            left_out.merge(of_text)
        for _, span in decision.outvoted:
            left_out.add("outvoted", span.label)
        for place, text in enumerate(self.texts):
            spans = source.spans[place]
            votes: tuple[Vote, ...] = ()
            if len(self.readings) > 1:
                counting = {span for where, span in decision.marks if where == place}
                # a region that an annotation has twice is seen twice, whether or not others annotate the task
                own = [span for span in spans if span in counting]
                used = tuple(sorted([*own, *counting.difference(own)]))
                left_out.regions_seen += len(used) - len(spans)
                spans = used
                votes = tuple(Vote(one.annotator, one.spans[place], one.is_ground_truth) for one in self.readings)
            yield replace(text, spans=spans, left_out=source.left_out[place].regions_left_out, votes=votes)


def _read_task(
    task: object, number: int, config: LabelingConfig, reader: TaskReader, left_out: LeftOut
) -> _Task | None:
    """Read a task's texts and annotations; return None if it has no usable annotation.

    left_out: counts the task as skipped if all of its annotations are unusable.
    """
    annotations = usable_annotations(task)
    if not isinstance(task, Mapping) or not annotations:
        if isinstance(task, Mapping) and task.get("annotations"):
            left_out.tasks["skipped"] += 1
        return None
    documents = reader.documents(task, config, left_out)
    # with a <Repeater>, each task has its own config
    in_task = next((text_object.task_config for text_object, _ in documents), None) or config
    task_id = str(task.get("id", f"#{number}"))
    texts = [
        AnnotatedText(task_id, document.text, (), part=text_object.name, borders=document.borders)
        for text_object, document in documents
    ]
    readings = [_read_annotation(annotation, documents, config, in_task) for annotation in annotations]
    return _Task(tuple(texts), tuple(readings))


def _read_annotation(
    annotation: Mapping[str, Any], documents: TaskDocuments, config: LabelingConfig, in_task: LabelingConfig
) -> _Reading:
    results = annotation.get("result")
    left_out = [LeftOut() for _ in documents] or [LeftOut()]
    count_unread(results, in_task.controls, {text_object.name for text_object, _ in documents}, left_out[0])
    spans = [
        tuple(read_spans(results, config.controls_for(text_object), document, of_text))
        for (text_object, document), of_text in zip(documents, left_out, strict=False)
    ]
    return _Reading(annotator_id(annotation), bool(annotation.get("ground_truth")), tuple(spans), tuple(left_out))


def annotator_id(annotation: Mapping[str, Any]) -> int | None:
    """Return the id of the user who made an annotation; None if it is not known.

    Label Studio writes the id alone or, in some exports, the user.
    """
    user = annotation.get("completed_by")
    return whole_number(user.get("id") if isinstance(user, Mapping) else user)


def usable_annotations(task: object) -> list[Mapping[str, Any]]:
    """Return the annotations of a task that are not cancelled, the oldest first."""
    annotations = task.get("annotations") if isinstance(task, Mapping) else None
    usable = [
        annotation
        for annotation in (annotations if isinstance(annotations, list) else [])
        if isinstance(annotation, Mapping) and not annotation.get("was_cancelled")
    ]
    return sorted(
        usable,
        key=lambda annotation: (
            since_epoch(annotation.get("updated_at") or annotation.get("created_at")),
            annotation["id"] if isinstance(annotation.get("id"), int) else 0,
        ),
    )


def since_epoch(time: object) -> timedelta:
    """Return the time from 1970 to an ISO 8601 time, which is in UTC if it has no offset.

    Anything that is not such a time counts as older than all times.
    """
    try:
        parsed = datetime.fromisoformat(time) if isinstance(time, str) else None
    except ValueError:
        parsed = None
    if parsed is None:
        return timedelta.min
    # not converted to UTC, because a time near year 1 or 9999 has no counterpart there
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)) - _EPOCH
