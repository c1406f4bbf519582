"""Trains several networks of the same shapes on the same batches: as an array on a GPU, one after another on a CPU.

On a GPU, starting kernels takes most of the time. So an array (`array.py`) computes each layer of all members by the
same kernels. On a CPU each member computes its products separately, because some libraries round a product of many
matrices differently from each product alone. Members share only work that involves no weight.
"""

import copy
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.training.architectures._base import Bag, Dropout, draw, means
from pipeline.training.array import Array

ARRAYS_ON = ("cuda",)
"""Types of devices on which several networks train as an array."""


def fuse(networks: Sequence[nn.Module], *, as_array: bool) -> nn.Module:
    """A module that computes all networks at once: `loss(tokens, dense, targets)` gives `[K]` and `[K, B, T]`.

    Without `as_array`, a single network is returned unchanged, because its own layers are the fastest.
    """
    if as_array:
        return Array(networks)
    return networks[0] if len(networks) == 1 else SideBySide(networks)


class SideBySide(nn.Module):
    """K networks on a CPU. Each is computed by the same calls as alone, so that it rounds alike.

    They share the sorting of tokens, and the random numbers of dropout, which are the same because they have one seed.
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self._shared: list[_Shared] = []
        # The copies have other layers, but the weights of the members.
        twins = [copy.deepcopy(member, {id(weight): weight for weight in member.parameters()}) for member in members]
        self._share(members, twins)
        self.twins = nn.ModuleList(twins)

    def _share(self, members: Sequence[nn.Module], twins: Sequence[nn.Module]) -> None:
        """Replaces the twins' layers that can share work: bags of words and dropout."""
        for name, child in list(twins[0].named_children()):
            layers = [getattr(member, name) for member in members]
            if isinstance(child, Bag):
                shared = _Shared(partial(_means_of, layers))
                replaced: list[nn.Module] = [_Means(shared, at) for at in range(len(layers))]
            elif isinstance(child, Dropout):
                shared = _Shared(draw)
                replaced = [Dropout(layer.share, shared, alike=layer.alike) for layer in layers]
            else:
                self._share(layers, [getattr(twin, name) for twin in twins])
                continue
            self._shared.append(shared)
            for twin, layer in zip(twins, replaced, strict=True):
                setattr(twin, name, layer)

    def loss(self, tokens: Tensor, dense: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Losses `[K]` and predictions `[K, B, T]` of the members."""
        for shared in self._shared:
            shared.forget()
        losses, predictions = zip(*(twin.loss(tokens, dense, targets) for twin in self.twins), strict=True)  # type: ignore[operator]
        return torch.stack(losses), torch.stack(predictions)


class _Shared:
    """A value that the first member computes in each batch, and that the others reuse."""

    def __init__(self, make: Callable[..., Any]) -> None:
        self._make, self._value = make, None

    def __call__(self, *inputs: Any) -> Any:
        if self._value is None:
            self._value = self._make(*inputs)
        return self._value

    def forget(self) -> None:
        self._value = None


def _means_of(bags: Sequence[Bag], tokens: Tensor) -> tuple[Tensor, ...]:
    return means(tokens, *(bag.embedding.weight for bag in bags))


class _Means(nn.Module):
    """A member's bag of words, looked up together with the bags of the other members."""

    def __init__(self, shared: _Shared, at: int) -> None:
        super().__init__()
        self._shared, self._at = shared, at

    def forward(self, tokens: Tensor) -> Tensor:
        mean: Tensor = self._shared(tokens)[self._at]
        return mean
