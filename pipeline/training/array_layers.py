"""The layers of an array (`array.py`): each computes a layer of all members at once, `[K, ...]` to `[K, ...]`.

Their parameters are the members', stacked, and have the order that they have in a member.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.data.inputs import PADDING
from pipeline.training.architectures._base import Bag, Dropout, draw, means_at_once, places_at_once


def stacked(modules: Sequence[nn.Module], name: str) -> nn.Parameter:
    """The parameter of this name of all modules, `[K, ...]`."""
    return nn.Parameter(torch.stack([getattr(module, name).detach() for module in modules]))


def layer_of(members: Sequence[nn.Module]) -> nn.Module | None:
    """The layer that computes these; None if what they are made of is all there is to join."""
    layer = _LAYERS.get(type(members[0]))
    return layer(members) if layer else None


class _Linear(nn.Module):
    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.weight = stacked(layers, "weight")
        self.bias = None if layers[0].bias is None else stacked(layers, "bias")

    def forward(self, inputs: Tensor) -> Tensor:
        """`[K, ..., in]`, or `[B, in]` for all, to `[K, ..., out]`."""
        rows = inputs.expand(len(self.weight), -1, -1) if inputs.dim() == 2 else inputs.flatten(1, -2)
        # In this order the gradient of the weights comes as they lie, and need not be copied.
        outputs = product(self.weight, rows.transpose(1, 2), self.bias).transpose(1, 2)
        return outputs if inputs.dim() == 2 else outputs.unflatten(1, inputs.shape[1:-1])


def product(weights: Tensor, columns: Tensor, bias: Tensor | None) -> Tensor:
    """`[K, out, in]` times `[K, in, N]`, plus `[K, out]`."""
    return weights @ columns if bias is None else torch.baddbmm(bias[:, :, None], weights, columns)


class _Dropout(nn.Module):
    shares: Tensor
    kept: Tensor

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        shares: list[float] = [layer.share for layer in layers]  # type: ignore[misc]
        self.alike: int | None = layers[0].alike  # type: ignore[assignment]
        self.is_used = any(shares)
        self.register_buffer("shares", torch.tensor(shares))
        self.register_buffer("kept", torch.tensor([1 - share for share in shares]))

    def forward(self, inputs: Tensor) -> Tensor:
        if not self.training or not self.is_used:
            return inputs
        # One draw for all: each member loses what it would lose alone, having the same seed.
        shares, kept = (each.view(-1, *[1] * (inputs.dim() - 1)) for each in (self.shares, self.kept))
        drawn = draw(inputs[0], self.alike)
        return inputs * ((drawn >= shares) / kept).to(inputs.dtype)


class _Bag(nn.Module):
    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.weight = stacked([layer.embedding for layer in layers], "weight")  # type: ignore[misc]

    def forward(self, tokens: Tensor) -> Tensor:
        return means_at_once(tokens, self.weight)


class _Embedding(nn.Module):
    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.weight = stacked(layers, "weight")

    def forward(self, tokens: Tensor) -> Tensor:
        """`[B, L]` to `[K, B, L, E]`."""
        places = places_at_once(tokens, self.weight)
        return functional.embedding(places, self.weight.flatten(0, 1), padding_idx=PADDING)


class _Conv1d(nn.Module):
    """By a product, with the windows laid out: libraries are slow where each group has channels of its own."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.weight, self.bias = stacked(layers, "weight"), stacked(layers, "bias")
        self.kernel_size = layers[0].kernel_size

    def forward(self, inputs: Tensor) -> Tensor:
        """`[K, B, in, L]` to `[K, B, out, L']`."""
        windows = inputs.unfold(3, self.weight.shape[3], 1).permute(0, 2, 4, 1, 3)
        outputs = product(self.weight.flatten(2), windows.flatten(3, 4).flatten(1, 2), self.bias)
        return outputs.unflatten(2, windows.shape[3:]).transpose(1, 2)


_LAYERS: dict[type[nn.Module], type[nn.Module]] = {
    nn.Linear: _Linear,
    nn.Embedding: _Embedding,
    nn.Conv1d: _Conv1d,
    Dropout: _Dropout,
    Bag: _Bag,
}
"""In place of layers of these types; all others compute with one axis more in front as they do without."""
