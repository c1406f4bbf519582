"""A mixture density network: predicts a mixture of Gaussians, and minimises the negative log-likelihood.

Bishop 1994, "Mixture Density Networks". The body is bag-of-words; the prediction is the mean of the mixture.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.data.inputs import Inputs
from pipeline.training.architectures._base import Bag, Regressor, mlp

# Fields that an entry omits are inherited from `hyperparameters.py`.
HYPERPARAMETERS = {
    "components": {
        "default": 3,
        "domain": [1, 2, 3, 5, 8],
        "limits": {"low": 1, "high": 256},
        "help": "Gaussians in the mixture",
    },
    "embedding_size": {},
    "hidden_size": {},
    "hidden_layers": {"help": "hidden layers before the mixture"},
    "dropout": {},
}

SMALLEST_DEVIATION = 0.01
"""Lower bound of a Gaussian's deviation, in standardised units.

Without it a Gaussian can shrink onto one row, and the likelihood grows without bound.
"""


class Network(Regressor):
    fuses_on = ("cpu", "cuda")

    def __init__(
        self,
        inputs: Inputs,
        *,
        components: int,
        embedding_size: int,
        hidden_size: int,
        hidden_layers: int,
        dropout: float,
    ) -> None:
        super().__init__(inputs, Bag(inputs.vocabulary, embedding_size))
        # Each component has one weight, and a mean and a deviation for each target.
        self.shape = (components, 1 + 2 * inputs.targets)
        self.head = mlp(self.width, hidden_size, hidden_layers, math.prod(self.shape), dropout)

    def mixture(self, tokens: Tensor, dense: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The logarithms of the weights `[B, K]`, the means and the standard deviations `[B, K, T]`."""
        raw = self.head(self.features(tokens, dense)).float().unflatten(-1, self.shape)
        means, spread = raw[..., 1:].chunk(2, dim=-1)
        return raw[..., 0].log_softmax(dim=-1), means, functional.softplus(spread) + SMALLEST_DEVIATION

    def forward(self, tokens: Tensor, dense: Tensor) -> Tensor:
        log_weights, means, _ = self.mixture(tokens, dense)
        return (log_weights.exp()[..., None] * means).sum(dim=-2)

    def loss(self, tokens: Tensor, dense: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        log_weights, means, deviations = self.mixture(tokens, dense)
        distances = (targets[:, None, :] - means) / deviations
        log_densities = -0.5 * distances.square() - deviations.log() - 0.5 * math.log(2 * math.pi)
        log_likelihood = torch.logsumexp(log_weights + log_densities.sum(dim=-1), dim=-1)
        return -log_likelihood.mean(dim=-1), (log_weights.exp()[..., None] * means).sum(dim=-2)
