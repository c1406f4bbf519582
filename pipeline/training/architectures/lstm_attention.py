"""A bidirectional LSTM whose states are weighted by several attentions, kept apart by a penalty.

Lin, Feng, Nogueira dos Santos, Yu, Xiang, Zhou, Bengio 2017, "A Structured Self-attentive Sentence Embedding". In its
words `num_of_attentions` is r, `attention_hidden_layer_size` is d_a, and `attention_regularization` weighs P.
"""

import torch
from torch import Tensor, nn

from pipeline.data.inputs import Inputs
from pipeline.training.architectures._base import Reader, Regressor, compact, embedding_table, lengths, mlp

# Fields that an entry omits are inherited from `hyperparameters.py`.
HYPERPARAMETERS = {
    "num_of_attentions": {
        "default": 1,
        "domain": [1, 2, 3],
        "limits": {"low": 1, "high": 64},
        "help": "number of attentions, each a weighted mean of the states (r)",
    },
    "attention_hidden_layer_size": {
        "default": 64,
        "domain": {"low": 32, "high": 256, "log": True},
        "limits": {"low": 1, "high": 8192},
        "help": "units of the layer that scores a state (d_a)",
    },
    "attention_regularization": {
        "default": 0.01,
        "domain": {"low": 0.001, "high": 0.1, "log": True},
        "limits": {"low": 0.0, "high": 1000.0},
        "help": "weight of the penalty on attentions that look at the same tokens",
        "shapes": False,
    },
    "embedding_size": {"domain": {"low": 16, "high": 256, "log": True}},
    "hidden_size": {
        "default": 64,
        "domain": {"low": 16, "high": 256, "log": True},
        "limits": {"low": 1, "high": 8192},
        "help": "units of the LSTM in each direction, and of the hidden layer after the attentions",
    },
    "dropout": {},
    "gradient_clip": {"default": 1.0},
}


class _Attentions(Reader):
    def __init__(self, vocabulary: int, embedding: int, hidden: int, attentions: int, attention_hidden: int) -> None:
        super().__init__(attentions * 2 * hidden)
        self.embedding = embedding_table(vocabulary, embedding)
        # Two LSTMs, because the backward pass of a bidirectional one would begin in the padding.
        self.forth = nn.LSTM(embedding, hidden, batch_first=True)
        self.back = nn.LSTM(embedding, hidden, batch_first=True)
        self.score = nn.Sequential(
            nn.Linear(2 * hidden, attention_hidden, bias=False),
            nn.Tanh(),
            nn.Linear(attention_hidden, attentions, bias=False),
        )

    def attend(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """The weighted means `[B, r, 2u]` and the weights A `[B, r, L]`."""
        tokens = compact(tokens)
        length = lengths(tokens)[:, None]
        places = torch.arange(tokens.shape[1], device=tokens.device)
        # Places that reverse each row's tokens and leave the padding at its end. Applied twice, they restore the row.
        mirror = ((length - 1 - places) % tokens.shape[1])[:, :, None]
        embedded = self.embedding(tokens)
        forth, _ = self.forth(embedded)
        back, _ = self.back(embedded.gather(-2, mirror.expand_as(embedded)))
        states = torch.cat([forth, back.gather(-2, mirror.expand_as(back))], dim=-1)

        padding = (places >= length)[:, :, None]
        scores = self.score(states).float().masked_fill(padding, -1e9)
        # The second mask is for rows without tokens: the softmax of their scores gives all weight to padding.
        weights = scores.softmax(dim=-2).masked_fill(padding, 0.0).transpose(-2, -1)
        return weights @ states.float(), weights

    def forward(self, tokens: Tensor) -> Tensor:
        return self.attend(tokens)[0].flatten(-2)


class Network(Regressor):
    fuses_on = ("cuda",)
    numbers = ("regularization",)

    def __init__(
        self,
        inputs: Inputs,
        *,
        num_of_attentions: int,
        attention_hidden_layer_size: int,
        attention_regularization: float,
        embedding_size: int,
        hidden_size: int,
        dropout: float,
    ) -> None:
        attentions = _Attentions(
            inputs.vocabulary, embedding_size, hidden_size, num_of_attentions, attention_hidden_layer_size
        )
        super().__init__(inputs, attentions)
        self.regularization = attention_regularization
        self.head = mlp(self.width, hidden_size, 1, inputs.targets, dropout)

    def loss(self, tokens: Tensor, dense: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        if not isinstance(self.reader, _Attentions):
            return super().loss(tokens, dense, targets)
        means, weights = self.reader.attend(tokens)
        features = torch.cat([means.flatten(-2), dense.expand(*means.shape[:-2], -1)], dim=-1)
        prediction = self.head(features).float()
        overlap = weights @ weights.transpose(-2, -1) - torch.eye(weights.shape[-2], device=weights.device)
        penalty = overlap.square().sum(dim=(-2, -1)).mean(dim=-1)
        return (prediction - targets).square().mean(dim=(-2, -1)) + self.regularization * penalty, prediction
