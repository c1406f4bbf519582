"""What architectures share: reading tokens without being moved by padding, and a small network on top.

No architecture of its own: a file that begins with an underscore is not one. Padding (id 0) may stand anywhere in a
row; it never changes a result, and a row of nothing but padding is a row like any other.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.training.dataset import PADDING, Inputs


def mlp(inputs: int, hidden: int, layers: int, outputs: int, dropout: float) -> nn.Sequential:
    """`layers` hidden layers of `hidden` units, then a linear one."""
    modules: list[nn.Module] = []
    for _ in range(layers):
        modules += [nn.Linear(inputs, hidden), nn.ReLU(), nn.Dropout(dropout)]
        inputs = hidden
    return nn.Sequential(*modules, nn.Linear(inputs, outputs))


def compact(tokens: Tensor) -> Tensor:
    """The tokens of each row moved to its front, in their order, and the padding behind them."""
    order = (tokens == PADDING).to(torch.uint8).argsort(dim=1, stable=True)
    return tokens.gather(1, order)


def lengths(tokens: Tensor) -> Tensor:
    """`[B]`, the number of tokens of each row that are not padding."""
    return (tokens != PADDING).sum(1)


class Reader(nn.Module):
    """Makes one vector of `width` numbers of a row of tokens: `[B, L]` to `[B, width]`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width


class Bag(Reader):
    """The mean of the tokens' embeddings: their order does not matter."""

    def __init__(self, vocabulary: int, width: int) -> None:
        super().__init__(width)
        self.embedding = nn.EmbeddingBag(vocabulary, width, mode="mean", padding_idx=PADDING)

    def forward(self, tokens: Tensor) -> Tensor:
        mean: Tensor = self.embedding(tokens)
        return mean


class Regressor(nn.Module):
    """A reader of the tokens, and a head on what it read beside the dense features.

    Most architectures are only another reader. Without tokens there is no reader, so that no weight lies idle.
    """

    def __init__(self, inputs: Inputs, reader: Reader) -> None:
        super().__init__()
        self.reader = reader if inputs.length else None
        self.width = (reader.width if inputs.length else 0) + inputs.dense
        self.head: nn.Module = nn.Identity()

    def features(self, tokens: Tensor, dense: Tensor) -> Tensor:
        """`[B, self.width]`: all that the head is given."""
        return torch.cat([self.reader(tokens), dense], dim=1) if self.reader else dense

    def forward(self, tokens: Tensor, dense: Tensor) -> Tensor:
        """The prediction in standardised units, `[B, T]`."""
        prediction: Tensor = self.head(self.features(tokens, dense))
        return prediction.float()

    def loss(self, tokens: Tensor, dense: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """What training minimises, and the prediction."""
        prediction = self(tokens, dense)
        return functional.mse_loss(prediction, targets), prediction
