"""Counts the tokens of annotated texts that an encoder does not know, and warns if there are too many of them."""

from dataclasses import dataclass
from typing import Any, Self

from huggingface_ner.json_values import mapping, whole_number_or_zero
from huggingface_ner.tagging.windows import TokenizedText

# A training warns if the share of unknown tokens is higher. Chosen by measuring; see bench/README.md.
MAX_UNKNOWN_SHARE = 0.1
# Encoders for about a hundred languages, on the Hub; README.md compares them.
MULTILINGUAL_ENCODERS = ("FacebookAI/xlm-roberta-base", "distilbert/distilbert-base-multilingual-cased")


@dataclass
class UnknownTokens:
    """The number of tokens, and how many of them are unknown to the encoder; see TokenizedText.unknown.

    encoder: the name of the baseline.
    """

    encoder: str
    tokens: int = 0
    unknown: int = 0

    def __post_init__(self) -> None:
        # the name of a folder may contain lone surrogates, which cannot be written as UTF-8
        self.encoder = self.encoder.encode("utf-8", "replace").decode()

    def add(self, text: TokenizedText) -> None:
        """Count the tokens of a text."""
        self.tokens += len(text.token_ids)
        self.unknown += text.unknown

    def merge(self, other: Self) -> None:
        """Add the counts of another object to this one."""
        self.tokens += other.tokens
        self.unknown += other.unknown

    @property
    def share(self) -> float:
        """The share of the tokens that are unknown, within [0, 1]; 0 if there are no tokens."""
        return self.unknown / self.tokens if self.tokens else 0.0

    def warning(self) -> str:
        """Return a sentence for people, without a full stop; "" if the encoder knows enough tokens."""
        if self.share <= MAX_UNKNOWN_SHARE:
            return ""
        others = " or ".join(name for name in MULTILINGUAL_ENCODERS if name != self.encoder)
        return (
            f"{100 * self.share:.0f} % of the tokens in the annotated texts are unknown to the baseline "
            f"{self.encoder}, so the model cannot tell these words apart; set BASELINE_MODEL_NAME to a model for "
            f"the language of the texts, or to a multilingual one, such as {others}"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the counts and the warning, for ``unknown_tokens`` in metrics.json and GET /training."""
        return {
            "tokens": self.tokens,
            "unknown": self.unknown,
            "share": round(self.share, 4),
            "encoder": self.encoder,
            "warning": self.warning(),
        }

    @classmethod
    def from_dict(cls, saved: object) -> Self:
        """Read counts that ``as_dict`` returned; invalid values count as 0, because the file may be damaged."""
        values = mapping(saved)
        encoder, tokens = values.get("encoder"), max(whole_number_or_zero(values.get("tokens")), 0)
        name = encoder if isinstance(encoder, str) else "of the last training"
        return cls(name, tokens, min(max(whole_number_or_zero(values.get("unknown")), 0), tokens))
