"""Several networks of the same shape that learn from the same batches: an array on a GPU, side by side on a CPU.

The members stay ordinary networks with weights of their own. A GPU waits for its next kernel, so an array shares the
arithmetic: horizontally fused training (Wang, Yang, Yang, Lin, Chen, Xu, Tian, Liu, Zhang, Zheng 2021, "Horizontally
Fused Training Array: An Effective Hardware Utilization Squeezer for Training Novel Deep Learning Models", MLSys).
A product of many matrices may be rounded otherwise than each product alone: some processors' libraries do so, for some
shapes. On a CPU each member therefore makes its own products, and only what no weight enters is shared.
"""

import copy
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.training.architectures._base import Bag, Dropout, draw, means, means_at_once


def fuse(networks: Sequence[nn.Module], device: torch.device) -> nn.Module:
    """A module that computes all networks at once: `loss(tokens, dense, targets)` gives `[K]` and `[K, B, T]`.

    A single network stays what it is: its layers are the fastest there are for one.
    """
    if not networks:
        return nn.Identity()
    if len(networks) == 1:
        return networks[0]
    return Array(networks) if device.type == "cuda" else SideBySide(networks)


class SideBySide(nn.Module):
    """K networks on a CPU, one after another, by the same calls on the same shapes as each alone: rounded alike.

    They share the sorting of the tokens and the random numbers of dropout, since the training has one seed.
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self._shared: list[_Shared] = []
        # Copies of the modules, with the members' own weights.
        twins = [copy.deepcopy(member, {id(weight): weight for weight in member.parameters()}) for member in members]
        self._share(members, twins)
        self.twins = nn.ModuleList(twins)

    def _share(self, members: Sequence[nn.Module], twins: Sequence[nn.Module]) -> None:
        """Replaces the layers of the twins that have something to share: bags of words and dropout."""
        for name, child in list(twins[0].named_children()):
            layers = [getattr(member, name) for member in members]
            if isinstance(child, Bag):
                shared = _Shared(partial(_means_of, layers))
                replaced: list[nn.Module] = [_Means(shared, at) for at in range(len(layers))]
            elif isinstance(child, Dropout):
                shared = _Shared(draw)
                replaced = [Dropout(layer.share, shared) for layer in layers]
            else:
                self._share(layers, [getattr(twin, name) for twin in twins])
                continue
            self._shared.append(shared)
            for twin, layer in zip(twins, replaced, strict=True):
                setattr(twin, name, layer)

    def loss(self, tokens: Tensor, dense: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The losses, `[K]`, and the predictions, `[K, B, T]`."""
        for shared in self._shared:
            shared.forget()
        losses, predictions = zip(*(twin.loss(tokens, dense, targets) for twin in self.twins), strict=True)  # type: ignore[operator]
        return torch.stack(losses), torch.stack(predictions)


class _Shared:
    """A value that is computed once a batch, for the first member that needs it, and reused by the others."""

    def __init__(self, make: Callable[[Tensor], Any]) -> None:
        self._make, self._value = make, None

    def __call__(self, inputs: Tensor) -> Any:
        if self._value is None:
            self._value = self._make(inputs)
        return self._value

    def forget(self) -> None:
        self._value = None


def _means_of(bags: Sequence[Bag], tokens: Tensor) -> tuple[Tensor, ...]:
    return means(tokens, *(bag.embedding.weight for bag in bags))


class _Means(nn.Module):
    """A member's bag of words, looked up together with those of the others."""

    def __init__(self, shared: _Shared, at: int) -> None:
        super().__init__()
        self._shared, self._at = shared, at

    def forward(self, tokens: Tensor) -> Tensor:
        mean: Tensor = self._shared(tokens)[self._at]
        return mean


class Array(nn.Module):
    """K networks on a GPU, computed together; their weights have the same shapes and their training the same seed.

    Every tensor has one axis more, in front: `[K, B, ...]` where a network alone has `[B, ...]`. A member comes out as
    it would alone, but for rounding.
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self._stacked: list[tuple[nn.Module, str, list[Tensor]]] = []
        """Module, name and members' weights of each parameter that no layer of `_LAYERS` has."""
        self._joint = self._join(members)

    def _join(self, members: Sequence[nn.Module]) -> nn.Module:
        """One module in place of the members' at the same place."""
        first = members[0]
        if layer := _LAYERS.get(type(first)):
            return layer(members)
        joint = copy.deepcopy(first, {id(weight): weight for weight in first.parameters()})
        for name, _ in first.named_children():
            setattr(joint, name, self._join([getattr(member, name) for member in members]))
        for name, _ in first.named_parameters(recurse=False):
            delattr(joint, name)
            self._stacked.append((joint, name, [getattr(member, name) for member in members]))
        return joint

    def _gather(self) -> nn.Module:
        """The joint module with the members' weights of now."""
        for module, name, weights in self._stacked:
            setattr(module, name, torch.stack(weights))
        return self._joint

    def forward(self, tokens: Tensor, dense: Tensor) -> Tensor:
        """The predictions of the members, `[K, B, T]`."""
        predictions: Tensor = self._gather()(tokens, dense)
        return predictions

    def loss(self, tokens: Tensor, dense: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The losses, `[K]`, and the predictions, `[K, B, T]`."""
        losses_and_predictions: tuple[Tensor, Tensor] = self._gather().loss(tokens, dense, targets)  # type: ignore[operator]
        return losses_and_predictions


class _Linear(nn.Module):
    def __init__(self, layers: Sequence[nn.Linear]) -> None:
        super().__init__()
        self.layers = list(layers)  # a list is no child: the weights are the members'

    def forward(self, inputs: Tensor) -> Tensor:
        """`[K, B, in]`, or `[B, in]` for all, to `[K, B, out]`."""
        each = inputs if inputs.dim() == 3 else inputs.expand(len(self.layers), -1, -1)
        weights = torch.stack([layer.weight for layer in self.layers]).transpose(1, 2)
        if self.layers[0].bias is None:
            return each @ weights
        return torch.baddbmm(torch.stack([layer.bias for layer in self.layers])[:, None], each, weights)


class _Dropout(nn.Module):
    def __init__(self, layers: Sequence[Dropout]) -> None:
        super().__init__()
        self.is_used = any(layer.share for layer in layers)
        self.shares, self.kept = (
            torch.tensor(values)[:, None, None]
            for values in ([layer.share for layer in layers], [1 - layer.share for layer in layers])
        )

    def forward(self, inputs: Tensor) -> Tensor:
        if not self.training or not self.is_used:
            return inputs
        if self.shares.device != inputs.device:  # once: each copy would be a wait
            self.shares, self.kept = self.shares.to(inputs.device), self.kept.to(inputs.device)
        # One draw for all: each member loses what it would lose alone, having the same seed.
        drawn = torch.rand(inputs.shape[1:], device=inputs.device)
        return inputs * ((drawn >= self.shares) / self.kept).to(inputs.dtype)


class _Bag(nn.Module):
    def __init__(self, layers: Sequence[Bag]) -> None:
        super().__init__()
        self.layers = list(layers)

    def forward(self, tokens: Tensor) -> Tensor:
        if self.training:
            return means_at_once(tokens, *(layer.embedding.weight for layer in self.layers))
        return torch.stack([layer.embedding(tokens) for layer in self.layers])


_LAYERS = {nn.Linear: _Linear, Dropout: _Dropout, Bag: _Bag}
