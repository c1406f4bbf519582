"""A network for tables: the mean of a few members that share most of their weights, plus a linear model.

Every column keeps its place in the input. The members form an ensemble that costs little more than one network:
Gorishniy, Kotelnikov, Babenko 2025, "TabM: Advancing Tabular Deep Learning with Parameter-Efficient Ensembling". They
share the matrix of a layer, and each scales the layer's inputs and outputs (Wen, Tran, Ba 2020, "BatchEnsemble"). The
linear model of all inputs (Cheng et al. 2016, "Wide & Deep Learning for Recommender Systems") learns best from few rows
and from words.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from pipeline.data.inputs import Inputs
from pipeline.training.architectures._base import Bag, Dropout, Regressor, embedding_table, lengths

# Fields that an entry omits are inherited from `hyperparameters.py`.
HYPERPARAMETERS = {
    "ensemble_size": {
        "default": 4,
        "domain": [4],
        "limits": {"low": 1, "high": 256},
        "help": "networks whose predictions are averaged; they share the matrices of their hidden layers",
    },
    "embedding_size": {
        "default": 8,
        "domain": {"low": 4, "high": 32, "log": True},
        "limits": {"low": 1, "high": 1024},
        "help": "numbers per value of a categorical column; a word has four times as many",
    },
    "hidden_size": {"domain": {"low": 32, "high": 96, "log": True}},
    "hidden_layers": {"default": 3, "domain": [2, 3]},
    "dropout": {"default": 0.1, "domain": {"low": 0.0, "high": 0.3}},
    # Narrower than the loop's domains: in `benchmarks.strangers` nothing outside was better, and much was slow.
    "learning_rate": {"default": 0.004, "domain": {"low": 0.001, "high": 0.02, "log": True}},
    "batch_size": {"default": 128, "domain": [64, 128, 256]},
}

NUMBERS_PER_WORD = 4
"""Width of a word's embedding, in multiples of `embedding_size`: all words share one bag, each column has its own."""
WORD_DEVIATION = 0.1
"""Standard deviation of untrained embeddings of words. It is small, so that a rare word moves a prediction little."""


class _Shared(nn.Module):
    """A linear layer whose K members share the matrix: `[B, K, I]` to `[B, K, O]`."""

    def __init__(self, members: int, inputs: int, outputs: int, *, first: bool) -> None:
        super().__init__()
        self.matrix = nn.Linear(inputs, outputs, bias=False)
        # Untrained members differ only by the signs of their inputs, in the first layer. Random signs in every layer
        # would make training slower.
        signs = torch.randint(0, 2, (members, inputs)).float() * 2 - 1
        self.before = nn.Parameter(signs if first and members > 1 else torch.ones(members, inputs))
        self.after = nn.Parameter(torch.ones(members, outputs))
        self.bias = nn.Parameter(_uniform(members, outputs, fan_in=inputs))

    def forward(self, inputs: Tensor) -> Tensor:
        # The members' axis is counted from the last, because an array of networks has one more axis, in front.
        before, after, bias = (weight.unsqueeze(-3) for weight in (self.before, self.after, self.bias))
        return torch.addcmul(bias, self.matrix(inputs * before), after)


class _Apart(nn.Module):
    """A linear layer with a separate matrix for each of K members: `[B, K, I]` to `[B, K, O]`."""

    def __init__(self, members: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.matrices = nn.Parameter(_uniform(members, inputs, outputs, fan_in=inputs))
        self.bias = nn.Parameter(torch.zeros(members, outputs))

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.einsum("...bki,...kio->...bko", inputs, self.matrices) + self.bias.unsqueeze(-3)


def _uniform(*shape: int, fan_in: int) -> Tensor:
    bound = 1 / math.sqrt(max(1, fan_in))
    return torch.empty(shape).uniform_(-bound, bound)


class Network(Regressor):
    fuses_on = ("cuda",)

    def __init__(
        self,
        inputs: Inputs,
        *,
        ensemble_size: int,
        embedding_size: int,
        hidden_size: int,
        hidden_layers: int,
        dropout: float,
    ) -> None:
        super().__init__(inputs, reader=None)
        self.targets, self.columns = inputs.targets, inputs.categorical
        word_size = NUMBERS_PER_WORD * embedding_size
        vocabulary, targets = inputs.vocabulary, inputs.targets
        # The linear model. The first numbers of an embedding are its weights, one for each target.
        self.values: nn.Embedding | None = None
        if inputs.categorical:
            self.values = embedding_table(vocabulary, targets + embedding_size, 1 / math.sqrt(embedding_size))
        self.words = Bag(vocabulary, targets + word_size, WORD_DEVIATION) if inputs.words else None
        self.linear = nn.Linear(inputs.dense, targets, bias=False) if inputs.dense else None
        with torch.no_grad():
            for weights in self._linear_weights(targets):
                weights.zero_()

        # The ensemble.
        width = inputs.categorical * embedding_size + (word_size if self.words else 0) + inputs.dense
        layers: list[nn.Module] = []
        for at in range(hidden_layers):
            # All members lose the same units: the draws take a quarter of the time.
            alike = Dropout(dropout, alike=-2)
            layers += [_Shared(ensemble_size, width, hidden_size, first=at == 0), nn.ReLU(), alike]
            width = hidden_size
        self.hidden = nn.Sequential(*layers)
        self.last = _Apart(ensemble_size, width, targets)
        self.ensemble_size = ensemble_size

    def _linear_weights(self, targets: int) -> Iterator[Tensor]:
        if self.linear is not None:
            yield self.linear.weight
        if self.values is not None:
            yield self.values.weight[:, :targets]
        if self.words is not None:
            yield self.words.embedding.weight[:, :targets]

    def members(self, tokens: Tensor, dense: Tensor) -> Tensor:
        """The prediction of each member in standardised units, `[B, K, T]`."""
        linear: list[Tensor] = []
        features: list[Tensor] = []
        if self.linear is not None:
            linear.append(self.linear(dense))
        if self.values is not None:
            weights, embedded = self.values(tokens[:, : self.columns]).tensor_split([self.targets], dim=-1)
            linear.append(weights.sum(-2))
            features.append(embedded.flatten(-2))
        if self.words is not None:
            words = tokens[:, self.columns :]
            # The mean of the words times the root of their number is about as long for ten words as for five.
            sums = self.words(words) * lengths(words)[:, None].sqrt()
            weights, embedded = sums.tensor_split([self.targets], dim=-1)
            linear.append(weights)
            features.append(embedded)
        features.insert(0, dense.expand(*features[0].shape[:-1], -1) if features else dense)
        # Every member gets the same features.
        inputs = torch.cat(features, dim=-1).unsqueeze(-2)
        inputs = inputs.expand(*inputs.shape[:-2], self.ensemble_size, -1)
        members: Tensor = self.last(self.hidden(inputs)) + torch.stack(linear).sum(0).unsqueeze(-2)
        return members.float()

    def forward(self, tokens: Tensor, dense: Tensor) -> Tensor:
        return self.members(tokens, dense).mean(dim=-2)

    def loss(self, tokens: Tensor, dense: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        # The mean of the members' errors, not the error of their mean: every member should learn to predict by itself.
        members = self.members(tokens, dense)
        return (members - targets[:, None]).square().mean(dim=(-3, -2, -1)), members.mean(dim=-2)
