"""Measures how well an engine's spans agree with those of float32, and whether the engine may be used."""

from collections.abc import Sequence
from dataclasses import dataclass

from huggingface_ner.engine_kinds import EngineKind
from huggingface_ner.scores import evaluate
from huggingface_ner.spans import Span

# If there are gold spans, an engine's F1 may be at most this much lower than the F1 of float32.
MAX_F1_LOST = 0.005

Spans = Sequence[Sequence[Span]]


@dataclass(frozen=True, slots=True)
class Trial:
    """The result of trying an engine on sample texts.

    agreement: F1 of the engine's spans against those of float32, within [0, 1]; 1.0 if neither finds any.
    f1, fp32_f1: F1 of the engine and of float32 against the gold spans; None if there are no gold spans.
    error: why the engine could not run the model; None if it could.
    """

    kind: EngineKind
    agreement: float = 0.0
    f1: float | None = None
    fp32_f1: float | None = None
    error: str | None = None

    def passes(self, min_agreement: float) -> bool:
        """Return whether the engine may be used."""
        if self.error is not None or self.agreement < min_agreement:
            return False
        return self.f1 is None or self.fp32_f1 is None or self.fp32_f1 - self.f1 <= MAX_F1_LOST

    def as_dict(self) -> dict[str, object]:
        """Return the trial's results in the form of metrics.json."""
        found = {"agreement": self.agreement, "f1": self.f1, "fp32_f1": self.fp32_f1, "error": self.error}
        return {"engine": str(self.kind), **{name: value for name, value in found.items() if value is not None}}

    def __str__(self) -> str:
        if self.error is not None:
            return f"{self.kind} cannot run the model: {self.error}"
        f1 = "" if self.f1 is None else f", F1 {self.f1:.4f} against {self.fp32_f1:.4f}"
        return f"{self.kind} agrees with float32 to {self.agreement:.3f}{f1}"


def compare(kind: EngineKind, spans: Spans, fp32_spans: Spans, gold: Spans) -> Trial:
    """Compare an engine's spans with those of float32, and both with the gold spans.

    gold: the gold spans of the first texts; empty if there are none.
    """
    found = evaluate(fp32_spans, spans).overall
    agreement = found.f1 if found.predicted or found.gold else 1.0  # both find nothing, so they agree
    if not any(gold):
        return Trial(kind, agreement)
    f1, fp32_f1 = (evaluate(gold, each[: len(gold)]).overall.f1 for each in (spans, fp32_spans))
    return Trial(kind, agreement, f1, fp32_f1)
