"""Each process has the known mentions of a project; they come from a real Redis."""

from pathlib import Path

import pytest
from redis import Redis, RedisError

from huggingface_ner.jobs import known_mentions
from huggingface_ner.jobs.known_mentions import KnownMentions
from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.jobs.redis_connection import connect
from huggingface_ner.label_studio.annotation_entries import AnnotationEntry, EntryText, Mention
from huggingface_ner.label_studio.annotation_events import AnnotationChanges
from huggingface_ner.mentions.gazetteer import GazetteerError
from huggingface_ner.settings import Settings


def queue(redis_url: str, **settings: object) -> TrainingQueue:
    return TrainingQueue(connect(redis_url, timeout=5), Settings.model_validate(settings))


def entry(number: int, string: str = "Ada") -> AnnotationEntry:
    text = EntryText(string, ("l",), (Mention(0, len(string), "l", "PER"),))
    return AnnotationEntry(number, number, 1, texts=(text,))


def found(known: KnownMentions, project: int | None, text: str) -> list[str]:
    return [text[one.start : one.end] for one in known.in_project(project).find(text)]


def test_two_processes_know_the_same_at_once(redis_url: str) -> None:
    one, other = queue(redis_url).mentions, queue(redis_url).mentions
    assert found(other, 7, "Ada") == []
    one.note(7, AnnotationChanges(put=(entry(1), entry(2, "Bob"))))
    assert found(other, 7, "Ada, Bob") == found(one, 7, "Ada, Bob") == ["Ada", "Bob"]
    assert found(other, 8, "Ada") == [], "each project has its own mentions"
    other.note(7, AnnotationChanges(removed=(1,)))
    assert found(one, 7, "Ada, Bob") == ["Bob"]
    other.note(7, AnnotationChanges(removed_tasks=(2,)))
    assert found(one, 7, "Ada, Bob") == []
    one.note(7, AnnotationChanges(put=(entry(3),)))
    one.note(7, AnnotationChanges(is_project_deleted=True))
    assert found(other, 7, "Ada") == []


def test_the_last_known_mentions_are_used_if_redis_does_not_answer(redis_url: str, redis_down: str) -> None:
    known = queue(redis_url).mentions
    known.note(7, AnnotationChanges(put=(entry(1),)))
    assert found(known, 7, "Ada") == ["Ada"]
    known.store = queue(redis_down).mentions.store
    assert found(known, 7, "Ada") == ["Ada"]
    with pytest.raises(RedisError):
        known.note(7, AnnotationChanges(put=(entry(2),)))


@pytest.fixture
def redis_down() -> str:
    return "redis://127.0.0.1:1/0"


def test_a_gazetteer_is_known_in_all_projects(redis_url: str, tmp_path: Path) -> None:
    path = tmp_path / "names.tsv"
    path.write_text("Ada\tPER\nBob\tPER\n")
    known = queue(redis_url, gazetteer=path).mentions
    for mentions in (known, KnownMentions(None, None, path)):
        (one,) = mentions.in_project(7).find("Ada")
        assert (one.start, one.end, one.listed) == (0, 3, ("PER",))
        assert found(mentions, None, "Ada, Bob") == ["Ada", "Bob"]
    known.note(7, AnnotationChanges(put=(entry(1),)))
    (one,) = known.in_project(7).find("Ada")
    assert (one.listed, one.tallies["l"].marked) == (("PER",), 1)
    with pytest.raises(GazetteerError):
        KnownMentions(None, None, tmp_path / "no").in_project(7)


def test_it_can_be_switched_off(redis_url: str) -> None:
    off = queue(redis_url, known_mentions=False)
    off.mentions.note(7, AnnotationChanges(put=(entry(1),), is_complete=False))
    assert found(off.mentions, 7, "Ada") == []
    assert list(connect(redis_url).scan_iter("*mentions*")) == []
    assert off.fills.due() == []
    assert "known_mentions" not in off.status(7)
    queue(redis_url).mentions.note(7, AnnotationChanges(put=(entry(1),)))
    assert found(off.mentions, 7, "Ada") == []


def test_a_project_that_was_never_filled_is_requested_once(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_ner.jobs.requested_jobs.DELAY", 0.0)
    filled = queue(redis_url)
    assert filled.mentions.store is not None
    filled.mentions.in_project(7)
    assert filled.fills.due() == [7]
    filled.fills.done(7)
    filled.mentions.in_project(7)
    assert filled.fills.due() == [], "this process requests it again only after an hour"
    filled.mentions.store.end_fill(7, 0, set())
    queue(redis_url).mentions.in_project(7)
    assert filled.fills.due() == [], "the project is filled, although it has no mentions"
    filled.mentions.note(7, AnnotationChanges(is_complete=False))
    assert filled.fills.due() == [7], "an import requests a fill"


def test_the_least_recently_used_projects_are_evicted(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    known = queue(redis_url).mentions
    for project in range(1, 6):
        known.note(project, AnnotationChanges(put=(entry(project),)))
    monkeypatch.setattr(known_mentions, "MAX_SIZE", 7)
    for project in (1, 2, 1, 3, 4, 1):
        assert found(known, project, "Ada") == ["Ada"]
    assert list(known._projects) == [4, 1]
    monkeypatch.setattr(known_mentions, "MAX_PROJECTS", 1)
    assert found(known, 5, "Ada") == ["Ada"]
    assert list(known._projects) == [5]


def test_a_used_project_does_not_expire(redis_url: str) -> None:
    redis: Redis = connect(redis_url)
    used = queue(redis_url)
    used.mentions.note(7, AnnotationChanges(put=(entry(1),)))
    (state,) = redis.scan_iter("*mentions:7:state")
    redis.expire(state, 100)
    assert found(used.mentions, 7, "Ada") == ["Ada"]
    ttl = redis.ttl(state)
    assert isinstance(ttl, int)
    assert ttl > 1_000
