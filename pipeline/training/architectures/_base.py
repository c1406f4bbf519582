"""Building blocks of the architectures: layers that ignore padding, and the regressor that most of them derive from.

Padding (id 0) may stand anywhere in a row and never changes a result; a row may be all padding. The file's name begins
with an underscore because this is no architecture.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.data.inputs import PADDING, UNKNOWN, Inputs


def mlp(inputs: int, hidden: int, layers: int, outputs: int, dropout: float) -> nn.Sequential:
    """`layers` hidden layers of `hidden` units, then a linear layer: `[B, inputs]` to `[B, outputs]`."""
    modules: list[nn.Module] = []
    for _ in range(layers):
        modules += [nn.Linear(inputs, hidden), nn.ReLU(), Dropout(dropout)]
        inputs = hidden
    return nn.Sequential(*modules, nn.Linear(inputs, outputs))


def draw(inputs: Tensor, alike: int | None = None) -> Tensor:
    """Uniform random numbers in [0, 1) in the inputs' shape; the axis `alike`, if given, has length 1."""
    shape = list(inputs.shape)
    if alike is not None:
        shape[alike] = 1
    return torch.rand(shape, device=inputs.device)


class Dropout(nn.Module):
    """Dropout whose draws do not depend on the share, so that networks side by side can use the same draws.

    If `alike` is given, all places along this axis lose the same units.
    """

    def __init__(self, share: float, draw: Callable[..., Tensor] = draw, *, alike: int | None = None) -> None:
        super().__init__()
        self.share, self.alike, self._draw = share, alike, draw

    def forward(self, inputs: Tensor) -> Tensor:
        if not self.training or not self.share:
            return inputs
        return inputs * ((self._draw(inputs, self.alike) >= self.share) / (1 - self.share)).to(inputs.dtype)


def compact(tokens: Tensor) -> Tensor:
    """Moves the tokens of each row `[B, L]` to its front, in their order, and the padding behind them."""
    order = (tokens == PADDING).to(torch.uint8).argsort(dim=1, stable=True)
    return tokens.gather(1, order)


def embedding_table(vocabulary: int, width: int, deviation: float = 1.0) -> nn.Embedding:
    """An embedding table `[vocabulary, width]`, drawn from a normal distribution with this standard deviation.

    Padding and the unknown token have zeros. Zero is the mean of all embeddings, so that a token that was not among the
    training data does not move a prediction.
    """
    table = nn.Embedding(vocabulary, width, padding_idx=PADDING)
    _initialize(table, deviation)
    return table


def _initialize(table: nn.Embedding | nn.EmbeddingBag, deviation: float) -> None:
    with torch.no_grad():
        table.weight.mul_(deviation)
        table.weight[UNKNOWN] = 0.0


def lengths(tokens: Tensor) -> Tensor:
    """Number of tokens of each row, without padding, `[B]`."""
    return (tokens != PADDING).sum(1)


class Reader(nn.Module):
    """A module that turns each row of tokens into a vector: `[B, L]` to `[B, width]`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width


class Bag(Reader):
    """Reads a row as the mean of its tokens' embeddings. Their order does not matter."""

    def __init__(self, vocabulary: int, width: int, deviation: float = 1.0) -> None:
        super().__init__(width)
        self.embedding = nn.EmbeddingBag(vocabulary, width, mode="mean", padding_idx=PADDING)
        _initialize(self.embedding, deviation)

    def forward(self, tokens: Tensor) -> Tensor:
        if self.training and not tokens.is_cuda:
            return means(tokens, self.embedding.weight)[0]
        mean: Tensor = self.embedding(tokens)
        return mean


def means(tokens: Tensor, *tables: Tensor) -> tuple[Tensor, ...]:
    """Mean embeddings of the tokens `[B, L]` of each row, `[B, E]` for each table `[V, E]`. Fast on a CPU."""
    tensors: tuple[Tensor, ...] = _Means.apply(tokens, *tables)
    return tensors


def means_at_once(tokens: Tensor, tables: Tensor) -> Tensor:
    """Mean embeddings of the tokens `[B, L]` in tables `[K, V, E]`: `[K, B, E]`, by a single lookup.

    Needs few kernels, which is fast on a GPU.
    """
    places = places_at_once(tokens, tables).flatten(0, 1)
    mean = functional.embedding_bag(places, tables.flatten(0, 1), mode="mean", padding_idx=PADDING)
    return mean.view(len(tables), len(tokens), -1)


def places_at_once(tokens: Tensor, tables: Tensor) -> Tensor:
    """Row numbers `[K, B, L]` of the tokens `[B, L]` in tables `[K, V, E]` that are joined to one of `[K V, E]`.

    Token 5 in table 2 is row 2 V + 5. Padding stays 0, because a lookup can leave out only one row.
    """
    places = tokens + tables.shape[1] * torch.arange(len(tables), device=tokens.device)[:, None, None]
    return places.where(tokens != PADDING, PADDING)


class _Means(torch.autograd.Function):
    """Computes means as weighted sums: on a CPU, `embedding_bag` is many times slower with `mode="mean"` and padding.

    The gradient of a token's embedding is a weighted sum, too: of the gradients of the rows that contain the token.
    """

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, *tables: Tensor) -> tuple[Tensor, ...]:
        shares = (tokens != PADDING).to(tables[0].dtype)
        shares /= shares.sum(1, keepdim=True).clamp(min=1)
        ctx.save_for_backward(tokens, shares)
        ctx.vocabulary = len(tables[0])
        # One call per table, so that the number of tables does not change how a sum is rounded.
        return tuple(_sums(tokens, table, None, shares) for table in tables)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        tokens, shares = ctx.saved_tensors
        # numpy sorts numbers of 16 bits ten times as fast as torch.
        ids = tokens.flatten().numpy()
        order = np.argsort(ids.astype(np.uint16 if ctx.vocabulary <= 2**16 else np.uint32), kind="stable")
        ends = np.cumsum(np.bincount(ids, minlength=ctx.vocabulary))
        starts = torch.from_numpy(np.concatenate([[0], ends[:-1]]))
        rows, values = torch.from_numpy(order // tokens.shape[1]), shares.flatten()[torch.from_numpy(order)]
        return None, *(_sums(rows, gradient.contiguous(), starts, values) for gradient in gradients)


def _sums(places: Tensor, table: Tensor, starts: Tensor | None, shares: Tensor) -> Tensor:
    """For each group of row numbers, the sum of these rows of the table, each times its share.

    Groups are the rows of `places`, or parts of a flat `places` that begin at `starts`.
    """
    sums: Tensor = functional.embedding_bag(places, table, starts, mode="sum", per_sample_weights=shares)
    return sums


class Regressor(nn.Module):
    """A network of two parts: a reader of the tokens, and a head on the reader's vector and the dense features.

    Most architectures differ in the reader alone. Data without tokens get no reader, so that every weight is used.
    """

    fuses_on: ClassVar[tuple[str, ...]] = ()
    """Types of devices on which several networks can train side by side (`fused.py`), such as `("cpu", "cuda")`.

    With "cuda", every computation must work with one more axis in front, that of the networks.
    """
    numbers: ClassVar[tuple[str, ...]] = ()
    """Names of numeric attributes that may differ between networks of the same shapes: `("regularization",)`.

    In an array of K networks each of them is a tensor `[K]`.
    """

    def __init__(self, inputs: Inputs, reader: Reader | None) -> None:
        super().__init__()
        self.reader = reader if inputs.length else None
        self.width = (self.reader.width if self.reader else 0) + inputs.dense
        self.head: nn.Module = nn.Identity()

    def features(self, tokens: Tensor, dense: Tensor) -> Tensor:
        """Input of the head, `[B, self.width]`."""
        if not self.reader:
            return dense
        vectors = self.reader(tokens)
        return torch.cat([vectors, dense.expand(*vectors.shape[:-1], -1)], dim=-1)

    def forward(self, tokens: Tensor, dense: Tensor) -> Tensor:
        """The prediction in standardised units, `[B, T]`."""
        prediction: Tensor = self.head(self.features(tokens, dense))
        return prediction.float()

    def loss(self, tokens: Tensor, dense: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The loss that training minimises, and the prediction `[B, T]`."""
        prediction = self(tokens, dense)
        return (prediction - targets).square().mean(dim=(-2, -1)), prediction
