"""A network for several targets: a shared body, and a separate head for each target. One target works, too.

Caruana 1997, "Multitask Learning"; the weighting by uncertainty is Kendall, Gal, Cipolla 2018, "Multi-Task Learning
Using Uncertainty to Weigh Losses for Scene Geometry and Semantics". The body is bag-of-words.
"""

import torch
from torch import Tensor, nn

from pipeline.data.inputs import Inputs
from pipeline.training.architectures._base import Bag, Dropout, Regressor, mlp

# Fields that an entry omits are inherited from `hyperparameters.py`.
HYPERPARAMETERS = {
    "weighting": {
        "default": "uniform",
        "domain": ["uniform", "uncertainty"],
        "help": "weights of the targets' errors: equal, or learned",
    },
    "embedding_size": {},
    "shared_size": {
        "default": 64,
        "domain": {"low": 16, "high": 512, "log": True},
        "limits": {"low": 1, "high": 16384},
        "help": "units of the hidden layer that all targets share",
    },
    "head_size": {
        "default": 64,
        "domain": {"low": 8, "high": 256, "log": True},
        "limits": {"low": 1, "high": 16384},
        "help": "units of the hidden layer that each target has to itself",
    },
    "dropout": {},
}


class Network(Regressor):
    fuses_on = ("cpu", "cuda")

    def __init__(
        self,
        inputs: Inputs,
        *,
        weighting: str,
        embedding_size: int,
        shared_size: int,
        head_size: int,
        dropout: float,
    ) -> None:
        super().__init__(inputs, Bag(inputs.vocabulary, embedding_size))
        self.head = nn.Sequential(nn.Linear(self.width, shared_size), nn.ReLU(), Dropout(dropout))
        self.tasks = nn.ModuleList(mlp(shared_size, head_size, 1, 1, dropout) for _ in range(inputs.targets))
        self.log_variances = nn.Parameter(torch.zeros(inputs.targets)) if weighting == "uncertainty" else None

    def forward(self, tokens: Tensor, dense: Tensor) -> Tensor:
        shared = self.head(self.features(tokens, dense))
        return torch.cat([task(shared) for task in self.tasks], dim=-1).float()

    def loss(self, tokens: Tensor, dense: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        if self.log_variances is None:
            return super().loss(tokens, dense, targets)
        prediction = self(tokens, dense)
        errors = (prediction - targets).square().mean(dim=-2)
        # Equation 7 of Kendall et al. for regression. `log_variances` are log sigma^2, as they advise for stability.
        weighted = 0.5 * ((-self.log_variances).exp() * errors + self.log_variances)
        return weighted.mean(dim=-1), prediction
