"""A Transformer's encoder reads a row's tokens and one learned summary token, whose last state is the row's vector.

Vaswani, Shazeer, Parmar, Uszkoreit, Jones, Gomez, Kaiser, Polosukhin 2017, "Attention Is All You Need". The layers
normalise first, which trains without a warm-up of the learning rate (Xiong et al. 2020).
"""

import torch
from torch import Tensor, nn

from pipeline.data.inputs import PADDING, Inputs
from pipeline.training.architectures._base import Reader, Regressor, compact, embedding_table, mlp

# Fields that an entry omits are inherited from `hyperparameters.py`.
HYPERPARAMETERS = {
    "heads": {
        "default": 4,
        "domain": [1, 2, 4, 8],
        "limits": {"low": 1, "high": 64},
        "help": "attention heads of a layer",
    },
    "head_size": {
        "default": 16,
        "domain": [8, 16, 32],
        "limits": {"low": 2, "high": 1024, "step": 2},
        "help": "numbers per head; an embedding has heads x head_size",
    },
    "layers": {
        "default": 1,
        "domain": [1, 2, 3],
        "limits": {"low": 1, "high": 48},
        "help": "layers of the encoder",
    },
    "hidden_size": {
        "default": 64,
        "domain": {"low": 32, "high": 512, "log": True},
        "limits": {"low": 1, "high": 16384},
        "help": "units of the feed-forward layer in each encoder layer, and of the hidden layer after the encoder",
    },
    "dropout": {"help": "share of units switched off while training"},
    "gradient_clip": {"default": 1.0},
}


def _positions(length: int, width: int, device: torch.device) -> Tensor:
    """Sines and cosines that encode the places, `[length, width]`."""
    places = torch.arange(length, device=device, dtype=torch.float32)[:, None]
    angles = places * 10000.0 ** (-torch.arange(0, width, 2, device=device) / width)
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)


class _Encoder(Reader):
    def __init__(self, vocabulary: int, heads: int, head_size: int, layers: int, hidden: int, dropout: float) -> None:
        super().__init__(heads * head_size)
        self.embedding = embedding_table(vocabulary, self.width)
        # The summary is never padding, so that the attention of a row without tokens has something to attend to.
        self.summary = nn.Parameter(torch.randn(self.width))
        layer = nn.TransformerEncoderLayer(self.width, heads, hidden, dropout, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, nn.LayerNorm(self.width), enable_nested_tensor=False)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = compact(tokens)
        embedded = self.embedding(tokens) + _positions(tokens.shape[1], self.width, tokens.device)
        # The sizes come from `embedded.shape`, not from len(), which would make torch.export fix the number of rows.
        summary = self.summary[..., None, None, :].expand(*embedded.shape[:-2], 1, self.width)
        places = torch.cat([summary, embedded], dim=-2)
        padding = nn.functional.pad(tokens == PADDING, (1, 0), value=False)
        encoded: Tensor = self.encoder(places, src_key_padding_mask=padding)
        return encoded[..., 0, :]


class Network(Regressor):
    fuses_on = ("cuda",)

    def __init__(
        self, inputs: Inputs, *, heads: int, head_size: int, layers: int, hidden_size: int, dropout: float
    ) -> None:
        super().__init__(inputs, _Encoder(inputs.vocabulary, heads, head_size, layers, hidden_size, dropout))
        self.head = mlp(self.width, hidden_size, 1, inputs.targets, dropout)
