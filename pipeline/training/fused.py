"""Several networks of the same shape that learn from the same batches: an array on a GPU, side by side on a CPU.

A GPU waits for its next kernel, so that an array (`array.py`) shares the arithmetic. A product of many matrices may be
rounded otherwise than each product alone: some processors' libraries do so, for some shapes. On a CPU each member
therefore makes its own products, and only what no weight enters is shared.
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
"""Types of devices on which several networks are an array."""


def fuse(networks: Sequence[nn.Module], *, as_array: bool) -> nn.Module:
    """A module that computes all networks at once: `loss(tokens, dense, targets)` gives `[K]` and `[K, B, T]`.

    A single network that is no array stays what it is: its layers are the fastest there are for one.
    """
    if as_array:
        return Array(networks)
    return networks[0] if len(networks) == 1 else SideBySide(networks)


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
                replaced = [Dropout(layer.share, shared, alike=layer.alike) for layer in layers]
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
    """A member's bag of words, looked up together with those of the others."""

    def __init__(self, shared: _Shared, at: int) -> None:
        super().__init__()
        self._shared, self._at = shared, at

    def forward(self, tokens: Tensor) -> Tensor:
        mean: Tensor = self._shared(tokens)[self._at]
        return mean
