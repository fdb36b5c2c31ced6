"""How well an engine's spans agree with float32's, and whether that is enough to use it."""

from collections.abc import Sequence
from dataclasses import dataclass

from huggingface_ner.engine_kinds import EngineKind
from huggingface_ner.scores import evaluate
from huggingface_ner.spans import Span

# With gold spans, an engine may lose at most this much of float32's F1.
MAX_F1_LOST = 0.005

Spans = Sequence[Sequence[Span]]


@dataclass(frozen=True, slots=True)
class Trial:
    """An engine tried on sample texts.

    agreement: F1 of its spans against float32's, within [0, 1]; 1.0 if neither finds any.
    f1, fp32_f1: against the gold spans, the engine's and float32's; None without gold spans.
    error: why it could not be run at all.
    """

    kind: EngineKind
    agreement: float = 0.0
    f1: float | None = None
    fp32_f1: float | None = None
    error: str | None = None

    def passes(self, min_agreement: float) -> bool:
        """Whether it may be used."""
        if self.error is not None or self.agreement < min_agreement:
            return False
        return self.f1 is None or self.fp32_f1 is None or self.fp32_f1 - self.f1 <= MAX_F1_LOST

    def as_dict(self) -> dict[str, object]:
        """Return what was found, for metrics.json."""
        found = {"agreement": self.agreement, "f1": self.f1, "fp32_f1": self.fp32_f1, "error": self.error}
        return {"engine": str(self.kind), **{name: value for name, value in found.items() if value is not None}}

    def __str__(self) -> str:
        if self.error is not None:
            return f"{self.kind} cannot run the model: {self.error}"
        f1 = "" if self.f1 is None else f", F1 {self.f1:.4f} against {self.fp32_f1:.4f}"
        return f"{self.kind} agrees with float32 to {self.agreement:.3f}{f1}"


def compare(kind: EngineKind, spans: Spans, fp32_spans: Spans, gold: Spans) -> Trial:
    """Compare an engine's spans with float32's, and both with the gold spans of the first texts, if any."""
    found = evaluate(fp32_spans, spans).overall
    agreement = found.f1 if found.predicted or found.gold else 1.0  # both find nothing, so they agree
    if not any(gold):
        return Trial(kind, agreement)
    f1, fp32_f1 = (evaluate(gold, each[: len(gold)]).overall.f1 for each in (spans, fp32_spans))
    return Trial(kind, agreement, f1, fp32_f1)
