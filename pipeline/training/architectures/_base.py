"""What architectures share: reading tokens without being moved by padding, and a small network on top.

No architecture of its own: a file that begins with an underscore is not one. Padding (id 0) may stand anywhere in a
row; it never changes a result, and a row of nothing but padding is a row like any other.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.data.inputs import PADDING, UNKNOWN, Inputs


def mlp(inputs: int, hidden: int, layers: int, outputs: int, dropout: float) -> nn.Sequential:
    """`layers` hidden layers of `hidden` units, then a linear one."""
    modules: list[nn.Module] = []
    for _ in range(layers):
        modules += [nn.Linear(inputs, hidden), nn.ReLU(), Dropout(dropout)]
        inputs = hidden
    return nn.Sequential(*modules, nn.Linear(inputs, outputs))


def draw(inputs: Tensor, alike: int | None = None) -> Tensor:
    """Random numbers between 0 and 1 in the inputs' shape, but for one along the axis `alike`."""
    shape = list(inputs.shape)
    if alike is not None:
        shape[alike] = 1
    return torch.rand(shape, device=inputs.device)


class Dropout(nn.Module):
    """Like torch's, but what is drawn does not depend on the share: networks side by side need one draw for all.

    Along the axis `alike` the same units are switched off.
    """

    def __init__(self, share: float, draw: Callable[..., Tensor] = draw, *, alike: int | None = None) -> None:
        super().__init__()
        self.share, self.alike, self._draw = share, alike, draw

    def forward(self, inputs: Tensor) -> Tensor:
        if not self.training or not self.share:
            return inputs
        return inputs * ((self._draw(inputs, self.alike) >= self.share) / (1 - self.share)).to(inputs.dtype)


def compact(tokens: Tensor) -> Tensor:
    """The tokens of each row moved to its front, in their order, and the padding behind them."""
    order = (tokens == PADDING).to(torch.uint8).argsort(dim=1, stable=True)
    return tokens.gather(1, order)


def embedding_table(vocabulary: int, width: int, deviation: float = 1.0) -> nn.Embedding:
    """A table `[vocabulary, width]` of normal numbers, zero for padding and for unknown.

    Zero is the mean of all tokens: what training never showed then moves a prediction nowhere.
    """
    table = nn.Embedding(vocabulary, width, padding_idx=PADDING)
    _begin(table, deviation)
    return table


def _begin(table: nn.Embedding | nn.EmbeddingBag, deviation: float) -> None:
    with torch.no_grad():
        table.weight.mul_(deviation)
        table.weight[UNKNOWN] = 0.0


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

    def __init__(self, vocabulary: int, width: int, deviation: float = 1.0) -> None:
        super().__init__(width)
        self.embedding = nn.EmbeddingBag(vocabulary, width, mode="mean", padding_idx=PADDING)
        _begin(self.embedding, deviation)

    def forward(self, tokens: Tensor) -> Tensor:
        faster = self.training and not tokens.is_cuda
        mean: Tensor = means(tokens, self.embedding.weight)[0] if faster else self.embedding(tokens)
        return mean


def means(tokens: Tensor, *tables: Tensor) -> tuple[Tensor, ...]:
    """For each of K tables `[V, E]` the mean of the embeddings of a row's tokens `[B, L]`: `[B, E]`; on a CPU."""
    tensors: tuple[Tensor, ...] = _Means.apply(tokens, *tables)
    return tensors


def means_at_once(tokens: Tensor, tables: Tensor) -> Tensor:
    """The same of tables `[K, V, E]`: `[K, B, E]`, by one lookup in one table, in which each has its own rows.

    Few kernels, for a GPU.
    """
    places = places_at_once(tokens, tables).flatten(0, 1)
    mean = functional.embedding_bag(places, tables.flatten(0, 1), mode="mean", padding_idx=PADDING)
    return mean.view(len(tables), len(tokens), -1)


def places_at_once(tokens: Tensor, tables: Tensor) -> Tensor:
    """Where the tokens `[B, L]` stand in tables `[K, V, E]` that are one table: `[K, B, L]`. Padding stays 0."""
    places = tokens + tables.shape[1] * torch.arange(len(tables), device=tokens.device)[:, None, None]
    return places.where(tokens != PADDING, PADDING)


class _Means(torch.autograd.Function):
    """What `embedding_bag` has for means and padding is many times slower on a CPU than its weighted sum.

    So is its way back. That, too, is a weighted sum: for each token, of the gradients of the rows that it stands in.
    """

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, *tables: Tensor) -> tuple[Tensor, ...]:
        shares = (tokens != PADDING).to(tables[0].dtype)
        shares /= shares.sum(1, keepdim=True).clamp(min=1)
        ctx.save_for_backward(tokens, shares)
        ctx.vocabulary = len(tables[0])
        # Each table by itself, so that its sums are rounded alike however many there are.
        return tuple(_sums(tokens, table, None, shares) for table in tables)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        tokens, shares = ctx.saved_tensors
        # By numpy, which sorts numbers of 16 bits ten times as fast as torch.
        ids = tokens.flatten().numpy()
        order = np.argsort(ids.astype(np.uint16 if ctx.vocabulary <= 2**16 else np.uint32), kind="stable")
        ends = np.cumsum(np.bincount(ids, minlength=ctx.vocabulary))
        starts = torch.from_numpy(np.concatenate([[0], ends[:-1]]))
        rows, values = torch.from_numpy(order // tokens.shape[1]), shares.flatten()[torch.from_numpy(order)]
        return None, *(_sums(rows, gradient.contiguous(), starts, values) for gradient in gradients)


def _sums(places: Tensor, table: Tensor, starts: Tensor | None, shares: Tensor) -> Tensor:
    sums: Tensor = functional.embedding_bag(places, table, starts, mode="sum", per_sample_weights=shares)
    return sums


class Regressor(nn.Module):
    """A reader of the tokens, and a head on what it read beside the dense features.

    Most architectures are only another reader. Without tokens there is no reader, so that no weight lies idle.
    """

    fuses_on: ClassVar[tuple[str, ...]] = ()
    """Types of devices on which several can train side by side (`fused.py`).

    All that is computed must allow for an axis in front.
    """
    numbers: ClassVar[tuple[str, ...]] = ()
    """Attributes that may differ in networks of the same shapes; of several they are a tensor `[K]`."""

    def __init__(self, inputs: Inputs, reader: Reader | None) -> None:
        super().__init__()
        self.reader = reader if inputs.length else None
        self.width = (self.reader.width if self.reader else 0) + inputs.dense
        self.head: nn.Module = nn.Identity()

    def features(self, tokens: Tensor, dense: Tensor) -> Tensor:
        """`[B, self.width]`: all that the head is given."""
        if not self.reader:
            return dense
        read = self.reader(tokens)
        return torch.cat([read, dense.expand(*read.shape[:-1], -1)], dim=-1)

    def forward(self, tokens: Tensor, dense: Tensor) -> Tensor:
        """The prediction in standardised units, `[B, T]`."""
        prediction: Tensor = self.head(self.features(tokens, dense))
        return prediction.float()

    def loss(self, tokens: Tensor, dense: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """What training minimises, and the prediction."""
        prediction = self(tokens, dense)
        return (prediction - targets).square().mean(dim=(-2, -1)), prediction
