"""With the real Label Studio, the suggestions that annotators accept are counted for each version."""

from typing import Any

import pytest
import requests

from tests.e2e.conftest import EACH_N_UPDATES, TOKEN, Serve
from tests.e2e.steps import LESSON, LESSON_LEARNED, config, only_prediction, published, region, teach
from tests.e2e.studio import Studio
from tests.server.service import wait

pytestmark = pytest.mark.e2e


def test_what_annotators_do_with_suggestions_is_counted_for_their_version(studio: Studio, serve: Serve) -> None:
    with serve(LABEL_STUDIO_API_KEY=TOKEN, KNOWN_MENTIONS="false") as url:
        wait(f"{url}/ready")
        project = studio.project("accepted", config("PER", "LOC"))
        before = project.connect(url)["model_version"]
        teach(project, EACH_N_UPDATES)
        first = published(url, project, before)
        assert first["accepted"] is None, "no version had suggested anything"

        texts = [LESSON.format(number) for number in range(100, 100 + EACH_N_UPDATES)]
        for place, (task_id, text) in enumerate(
            zip(project.add(*({"text": text} for text in texts)), texts, strict=True)
        ):
            shown = only_prediction(project.open(task_id))
            assert shown["model_version"] == first["version"]
            assert len(shown["result"]) == len(LESSON_LEARNED)
            saved: list[Any] = shown["result"]
            if place == 0:  # one suggestion is deleted, one is changed, and one is added
                saved = [region(text, "Hopper", "PER"), region(text, "Acme", "LOC")]
            # the page also saves the id of the suggestion that an annotation started from; other programs do not
            more = {"parent_prediction": shown["id"]} if place % 2 else {}
            project.submit(task_id, saved, **more)
        second = published(url, project, first["version"])
        suggested = 2 * EACH_N_UPDATES
        assert second["accepted"] == {
            "version": first["version"],
            "tasks": EACH_N_UPDATES,
            "suggested": suggested,
            "accepted": suggested - 2,
            "changed": 1,
            "deleted": 1,
            "missing": 1,
            "share": (suggested - 2) / suggested,
            "interval": second["accepted"]["interval"],
        }
        low, high = second["accepted"]["interval"]
        assert 0.8 < low < second["accepted"]["share"] < high < 1.0
        facts = requests.get(f"{url}/projects/{project.id}", timeout=10).json()
        (shown,) = facts["suggestions"]
        assert shown == second["accepted"]
        name = f"version {first['version'].partition('-')[0]} of"
        assert f"Of {suggested} suggestions of {name}" in facts["accepted"]
