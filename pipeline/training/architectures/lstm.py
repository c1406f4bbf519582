"""A recurrent network over the tokens; its state after the last token goes into a small network.

Hochreiter and Schmidhuber 1997, "Long Short-Term Memory", as torch.nn.LSTM computes it (with forget gates).
"""

import torch
from torch import Tensor, nn

from pipeline.data.inputs import Inputs
from pipeline.training.architectures._base import Reader, Regressor, compact, embedding_table, lengths, mlp

# Fields that an entry omits are inherited from `hyperparameters.py`.
HYPERPARAMETERS = {
    "embedding_size": {"domain": {"low": 16, "high": 256, "log": True}},
    "hidden_size": {
        "default": 64,
        "domain": {"low": 16, "high": 256, "log": True},
        "limits": {"low": 1, "high": 8192},
        "help": "units of the LSTM, and of the hidden layer after it",
    },
    "layers": {
        "default": 1,
        "domain": [1, 2],
        "limits": {"low": 1, "high": 8},
        "help": "stacked LSTM layers",
    },
    "dropout": {"help": "share of units switched off while training, between LSTM layers and in the hidden layer"},
    "gradient_clip": {"default": 1.0},
}


class _LastState(Reader):
    """Reads a row as the state of an LSTM after the row's last token."""

    def __init__(self, vocabulary: int, embedding: int, width: int, layers: int, dropout: float) -> None:
        super().__init__(width)
        self.embedding = embedding_table(vocabulary, embedding)
        # This dropout works only between layers; torch warns if there is a dropout but only one layer.
        self.lstm = nn.LSTM(embedding, width, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = compact(tokens)
        states, _ = self.lstm(self.embedding(tokens))
        length = lengths(tokens)[:, None]
        # The state after the last token, not after the padding; zeros for a row without tokens.
        last = (length - 1).clamp(min=0)[:, :, None].expand(*states.shape[:-2], 1, self.width)
        return torch.where(length > 0, states.gather(-2, last).squeeze(-2), 0.0)


class Network(Regressor):
    fuses_on = ("cuda",)

    def __init__(self, inputs: Inputs, *, embedding_size: int, hidden_size: int, layers: int, dropout: float) -> None:
        super().__init__(inputs, _LastState(inputs.vocabulary, embedding_size, hidden_size, layers, dropout))
        self.head = mlp(self.width, hidden_size, 1, inputs.targets, dropout)
