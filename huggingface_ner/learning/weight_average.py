"""The mean of the weights of a model that is trained several times from the same first weights.

If the trainings differ only in the order of the texts and in dropout, their weights are close enough to be
averaged, and the mean is more accurate than each of them ("model soups", Wortsman et al., 2022).
"""

from collections.abc import Iterator

import torch
from torch import nn
from transformers import PreTrainedModel

Weights = dict[str, torch.Tensor]


class WeightAverage:
    """Gives a model its first weights before each training, and the mean of the trained weights in the end.

    trainings: how many trainings there will be; for a single one, no weights are copied.
    Weights that are not trained do not change. The copies are in main memory.
    """

    def __init__(self, model: PreTrainedModel, trainings: int) -> None:
        self._model = model
        self._trainings = trainings
        self._first: Weights = {}
        if trainings > 1:
            self._first = {name: weights.detach().to("cpu", copy=True) for name, weights in self._trained()}
        self._mean: Weights = {name: torch.zeros_like(weights) for name, weights in self._first.items()}

    def restore_first(self) -> None:
        """Give the model its first weights again."""
        self._apply(self._first)

    def add(self) -> None:
        """Add the model's weights after a training to the mean."""
        if self._trainings > 1:
            for name, weights in self._trained():
                self._mean[name] += weights.detach().to("cpu") / self._trainings

    def apply(self) -> None:
        """Give the model the mean of all added weights."""
        self._apply(self._mean)

    def _trained(self) -> Iterator[tuple[str, nn.Parameter]]:
        return ((name, weights) for name, weights in self._model.named_parameters() if weights.requires_grad)

    @torch.no_grad()
    def _apply(self, some: Weights) -> None:
        for name, weights in some.items():
            self._model.get_parameter(name).copy_(weights)
