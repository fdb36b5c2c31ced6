"""How likely a tag is after another one, counted in annotations.

An encoder tags each word separately, and a few texts are not enough for it to learn where long entities end. But
they are enough to count how long entities are and how often one follows another. So when a sequence of tags is
chosen, each transition adds WEIGHT x (log p(next tag | tag before) - log p(next tag)), which is 0 if the tag
before says nothing about the next one. The labels are pooled, because a few texts have too few entities of each
label. WEIGHT is below one, because the encoder sees the neighbouring words too.
"""

import itertools
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

# The prefixes of tags, in the order of the rows and columns of Weights.
PREFIXES = "OBI"
# What the transition from one prefix to the next adds to a sequence's log-probability: [before][next].
Weights = tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]

# Chosen by measuring: see bench/README.md.
WEIGHT = 0.5
# Added to each count, so that a transition that was never seen is unlikely, not impossible.
SMOOTHING = 0.1


def count_weights(sequences: Iterable[Sequence[str]]) -> Weights:
    """Return the weights of the transitions in annotated texts.

    sequences: for each text, the prefix of each word's tag, in order.
    """
    counts = np.full((len(PREFIXES), len(PREFIXES)), SMOOTHING)
    for sequence in sequences:
        for before, following in itertools.pairwise(sequence):
            counts[PREFIXES.index(before), PREFIXES.index(following)] += 1
    given_before = counts / counts.sum(axis=1, keepdims=True)
    overall = counts.sum(axis=0) / counts.sum()
    # rounded as in the model's config, so that the trained model decodes as the saved one does
    rows = [(o, b, i) for o, b, i in (WEIGHT * np.log(given_before / overall)).round(4).tolist()]
    return rows[0], rows[1], rows[2]


def spread(weights: Weights, prefixes: Sequence[str]) -> npt.NDArray[np.float64]:
    """Return the weights for the tags that have these prefixes: [tag, next tag]."""
    rows = [PREFIXES.index(prefix) for prefix in prefixes]
    return np.array(weights)[np.ix_(rows, rows)]
