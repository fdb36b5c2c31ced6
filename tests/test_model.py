"""``HuggingFaceNER.predict`` suggests spans depending on MIN_SCORE and on the meaning of the scores."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from huggingface_ner.model import HuggingFaceNER
from huggingface_ner.settings import Settings
from huggingface_ner.spans import Span, TaggedText

CONFIG = (
    '<View><Labels name="label" toName="text"><Label value="PER"/></Labels>'
    '<Text name="text" value="$text"/></View>'
)
SCORES = (0.0, 0.2, 0.49, 0.5, 0.9, 1.0)


@dataclass(frozen=True)
class _Model:
    """Finds spans in every text, one with each of some scores."""

    is_calibrated: bool
    version: str = "v1"
    labels: tuple[str, ...] = ("PER",)

    def model_for(self, project_id: int | None) -> "_Model":
        return self

    def model_version(self, project_id: int | None, timeout: float) -> str:
        return self.version

    def tag(self, texts: list[str], is_connected: Callable[[], bool] = lambda: True) -> list[TaggedText]:
        spans = [Span(2 * number, 2 * number + 1, "PER", score) for number, score in enumerate(SCORES)]
        return [TaggedText(spans, 0.3) for _ in texts]


def _suggested(model: _Model, settings: Settings) -> tuple[list[float], float]:
    ner = HuggingFaceNER(project_id="5.1", label_config=CONFIG, settings=settings, models=model)
    (prediction,) = ner.predict([{"id": 1, "data": {"text": "a b c d e f"}}])
    return [region["score"] for region in prediction["result"]], prediction["score"]


@pytest.mark.parametrize(
    ("calibrated", "min_score", "shown"),
    [
        (True, None, SCORES[3:]),
        (True, "auto", SCORES[3:]),
        (False, "auto", SCORES),
        (True, "0", SCORES),
        (False, "0.49", SCORES[2:]),
        (True, "0.49", SCORES[2:]),
        (True, "1", SCORES[5:]),
    ],
)
def test_a_suggestion_has_to_pay(
    calibrated: bool, min_score: str | None, shown: tuple[float, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    if min_score is not None:
        monkeypatch.setenv("MIN_SCORE", min_score)
    scores, of_task = _suggested(_Model(calibrated), Settings())
    assert scores == [*shown]
    assert of_task == 0.3, "the task's score does not depend on the spans that are shown"
