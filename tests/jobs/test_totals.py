from pathlib import Path

from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.jobs.redis_connection import connect
from huggingface_ner.jobs.totals import read_totals
from huggingface_ner.learning.progress import Outcome
from huggingface_ner.settings import Settings


def test_trainings_are_counted_by_outcome_and_phase(redis_url: str, tmp_path: Path) -> None:
    queue = TrainingQueue(connect(redis_url), Settings(model_dir=tmp_path))
    for status, phases in (("published", {"training": 2.5}), ("published", {"training": 1.0}), ("skipped", None)):
        queue.request_training(7)
        assert queue.status(7)["waiting_since"] > 0
        run = queue.begin(7)
        assert run is not None
        outcome = Outcome.model_validate({"status": status, "reason": "", "phases": phases})
        assert queue.end(run, outcome)
        assert not queue.end(run, outcome), "the run is counted once"
    queue.notes.count_pushed(7, 3)
    expected = {"trainings": {"published": 2, "skipped": 1}, "seconds": {"training": 3.5}, "pushed": 3}
    assert queue.status(7)["totals"] == expected


def test_a_project_without_trainings_has_no_totals() -> None:
    assert read_totals({"updates": "5"}) == {"trainings": {}, "seconds": {}, "pushed": 0}
