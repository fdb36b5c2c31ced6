"""Helpers of the pages' tests: they make up projects with versions, mistakes and trainings."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.serving import make_server

from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.label_studio.contacts import Contact
from huggingface_ner.learning.dubious import Suspect
from huggingface_ner.learning.dynamics import Dynamics
from huggingface_ner.learning.mistakes import Mistakes
from huggingface_ner.learning.progress import Outcome
from huggingface_ner.learning.review import find_review
from huggingface_ner.learning.unknown_tokens import UnknownTokens
from huggingface_ner.settings import Settings
from huggingface_ner.spans import AnnotatedText, Span, Vote
from huggingface_ner.store import versions
from huggingface_ner.store.mistakes_file import write_mistakes
from huggingface_ner.store.review_file import write_review
from huggingface_ner.store.versions import ModelStore, project_store

# for each version: the number of annotated tasks, and the share of the spans that the version finds
CURVE = ((12, 0.3), (20, 0.42), (30, 0.5), (40, 0.58), (55, 0.63), (70, 0.68), (90, 0.71), (120, 0.76))
FIRST = datetime(2026, 11, 20, 9, 12, tzinfo=UTC)
LABELS = ("Person", "Organisation", "Ort")
TEXT = "Frau Kovács fährt mit der Stadtverwaltung von Potsdam nach Kiel, und zwar am Montag."
PLACES = ((5, 11), (26, 42), (58, 62))
# markup, a template, quotes, a long word, a character that reverses the writing direction, lone surrogate, NUL
HOSTILE = (
    "<img src=x onerror=\"document.title='owned'\">",
    "</script><script>document.title='owned'</script>",
    "{{ 7 * 7 }}{% raw %}' onmouseover='document.title=1' \"",
    "javascript:document.title='owned'",
    "W" * 150,
    "\u202e<b>turned",
    "--> ]]> &lt;b&gt; \ud83d\x00",
)


def publish(
    store: ModelStore,
    number: int,
    tasks: int,
    share: float,
    labels: Sequence[str] = LABELS,
    *,
    text: str = TEXT,
    **more: Any,
) -> str:
    """Publish a version as the ``number``-th of its project, with scores and mistakes; returns its name."""
    mistakes = Mistakes()
    scores: dict[str, dict[str, int]] = {}
    for place, label in enumerate(labels):
        gold = max(tasks // (place + 2), 2)
        correct = min(max(int(gold * share), 1), gold)
        start, end = PLACES[place % len(PLACES)]
        span = Span(start, end, label)
        for _ in range(correct):
            mistakes.add(AnnotatedText("1", text, (span,)), [span])
        for task in range(gold - correct):
            guesses: tuple[list[Span], ...] = (
                [],
                [Span(start, end, labels[place - 1])],
                [Span(start + 1, end, label)],
            )
            mistakes.add(AnnotatedText(f"{100 + task}", text, (span,)), guesses[task % 3])
        mistakes.add(AnnotatedText("200", text, ()), [span])
        scores[label] = {"correct": correct, "predicted": gold, "gold": gold}
    totals = {name: sum(one[name] for one in scores.values()) for name in ("correct", "predicted", "gold")}
    metrics = {
        **totals,
        "f1": 2 * totals["correct"] / (totals["predicted"] + totals["gold"]),
        "labels": scores,
        "label_names": list(labels),
        "label_spans": {
            label: 5 * one["gold"] if place else 3 for place, (label, one) in enumerate(scores.items())
        },
        "tasks": tasks,
        "trained": tasks - tasks // 5,
        "held_out": tasks // 5,
        "spans": 5 * totals["gold"],
        "baseline": "dslim/bert-base-NER",
        "engine": {"engine": "onnx-int8"},
        **more,
    }

    class Then(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "Then":
            return cls.fromtimestamp((FIRST + timedelta(hours=7 * number)).timestamp(), tz)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(versions, "datetime", Then)
        patch.setattr(versions, "ACTIVATION_DELAY", 0.0)

        def write(folder: Path) -> None:
            write_mistakes(folder, mistakes.as_dict())
            write_review(folder, make_review(labels, text))

        return store.publish(write, metrics).name


def make_review(labels: Sequence[str] = LABELS, text: str = TEXT) -> dict[str, Any]:
    """Return the review of texts that two people have annotated in different ways."""
    first, second = (Span(*place, label) for place, label in zip(PLACES, (labels[0], labels[-1]), strict=False))
    other = Span(first.start, first.end, labels[-1])
    texts = [AnnotatedText(str(task), text, (first,)) for task in range(300, 306)]
    texts.append(AnnotatedText("306", text, (second,)))
    votes = (Vote(1, (first,)), Vote(2, (other, second)), Vote(None, ()))
    texts.append(AnnotatedText("307", f"{text} {text}", (), votes=votes))
    dynamics = Dynamics(texts)
    review = find_review(texts, [[*labels]], dynamics, {1: text, 2: "Bob <bob@example.org>"})
    suspects = [
        Suspect(one, first, 0.03, 0.1, Span(first.start, first.end, label, 0.8), ())
        for one, label in zip(texts, [*labels, *labels, *labels], strict=False)
    ]
    suspects.append(Suspect(texts[0], Span(*PLACES[-1], ""), 0.2, 0.5, Span(*PLACES[-1], labels[-1], 0.9), ()))
    return {**review, "dubious": [one.as_dict() for one in suspects] * 2, "more": 4}


def publish_curve(settings: Settings, project: int = 7) -> list[str]:
    """Publish a project's versions from 12 to 120 tasks; returns their names."""
    store = project_store(settings.models_folder, project, settings.keep_versions)
    return [publish(store, number, *place) for number, place in enumerate(CURVE)]


def end_training(queue: TrainingQueue, project: int = 7, **outcome: Any) -> None:
    """Begin and end a training of a project."""
    queue.request_training(project)
    run = queue.begin(project)
    assert run is not None
    assert queue.end(
        run, Outcome.model_validate({"status": "published", "reason": "trained on 96 tasks", **outcome})
    )


def make_hostile(settings: Settings, queue: TrainingQueue, project: int = 8) -> None:
    """Put hostile texts wherever a page shows a text."""
    bad = " ".join(HOSTILE)
    store = project_store(settings.models_folder, project)
    # labelling configs and file names cannot contain lone surrogates; texts and titles can
    writable = [text.encode("utf-8", "replace").decode() for text in HOSTILE]
    for number, tasks in enumerate((60, 80, 100, 120)):
        name = publish(store, number, tasks, 0.3 + tasks / 300, writable, text=bad, baseline=writable[0])
    queue.notes.note_setup(project, "javascript:document.title='owned'")
    queue.notes.note_event(project, bad)
    queue.notes.note_contact(Contact(project, trouble=bad))
    queue.notes.note_webhook(project, writable[0])
    queue.notes.note_labels(project, writable[1])
    queue.notes.note_review(project, bad)
    regions = {"inside": dict.fromkeys(writable, 3)}
    end_training(
        queue,
        project,
        reason=writable[0],
        version=name,
        left_out={"regions_seen": 99, "regions": regions},
        unknown_tokens=UnknownTokens(bad, 100, 31).as_dict(),
    )


@contextmanager
def served(app: Flask) -> Iterator[str]:
    """Serve an app in a thread; yields its address."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
