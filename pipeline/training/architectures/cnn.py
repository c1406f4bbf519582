"""Convolutions of several widths over the tokens, the maximum of each over time, then a small network.

Kim 2014, "Convolutional Neural Networks for Sentence Classification".
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.data.inputs import Inputs
from pipeline.training.architectures._base import Reader, Regressor, compact, embedding_table, lengths, mlp

# A field that is left out here has its value from `training/hyperparameters.py`.
HYPERPARAMETERS = {
    "embedding_size": {"domain": {"low": 16, "high": 256, "log": True}},
    "filters": {
        "default": 64,
        "domain": {"low": 16, "high": 256, "log": True},
        "limits": {"low": 1, "high": 4096},
        "help": "filters per width of window",
    },
    "smallest_window": {
        "default": 3,
        "domain": [1, 2, 3],
        "limits": {"low": 1, "high": 64},
        "help": "width of the narrowest window, in tokens",
    },
    "windows": {
        "default": 3,
        "domain": [1, 2, 3],
        "limits": {"low": 1, "high": 16},
        "help": "number of widths, each a token wider than the one before",
    },
    "hidden_size": {"help": "units of the hidden layer after the maximum"},
    "dropout": {},
}


class _Convolutions(Reader):
    def __init__(self, vocabulary: int, embedding: int, filters: int, widths: range) -> None:
        super().__init__(filters * len(widths))
        self.embedding = embedding_table(vocabulary, embedding)
        self.convolutions = nn.ModuleList(nn.Conv1d(embedding, filters, width) for width in widths)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = compact(tokens)
        embedded = self.embedding(tokens).transpose(-2, -1)
        maxima = [self._maximum(convolution, embedded, lengths(tokens)) for convolution in self.convolutions]
        return torch.cat(maxima, dim=-1)

    @staticmethod
    def _maximum(convolution: nn.Module, embedded: Tensor, length: Tensor) -> Tensor:
        (width,) = convolution.kernel_size  # type: ignore[misc]
        # Zeros behind the row, so that even a row shorter than the window has a place for it.
        features = functional.relu(convolution(functional.pad(embedded, (0, width - 1))))
        # A window counts if it lies wholly in the row; the first one always counts.
        places = torch.arange(features.shape[-1], device=features.device)
        valid = places < (length - width + 1).clamp(min=1)[:, None]
        # The rectifier leaves nothing below zero, so that a zero never wins the maximum.
        return features.masked_fill(~valid[:, None, :], 0.0).amax(dim=-1)


class Network(Regressor):
    fuses_on = ("cuda",)

    def __init__(
        self,
        inputs: Inputs,
        *,
        embedding_size: int,
        filters: int,
        smallest_window: int,
        windows: int,
        hidden_size: int,
        dropout: float,
    ) -> None:
        widths = range(smallest_window, smallest_window + windows)
        super().__init__(inputs, _Convolutions(inputs.vocabulary, embedding_size, filters, widths))
        self.head = mlp(self.width, hidden_size, 1, inputs.targets, dropout)
