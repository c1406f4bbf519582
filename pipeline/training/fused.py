"""Several networks of the same shape as one: an array, which computes for all of them what one would compute alone.

Horizontally fused training (Wang, Yang, Yang, Lin, Chen, Xu, Tian, Liu, Zhang, Zheng 2021, "Horizontally Fused
Training Array: An Effective Hardware Utilization Squeezer for Training Novel Deep Learning Models", MLSys). The members
stay ordinary networks with weights of their own; only the arithmetic is shared. They read the same rows, and everything
between has one axis more, in front: `[K, B, ...]` where a network alone has `[B, ...]`.
"""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pipeline.training.architectures._base import Bag, Dropout, means


class Array(nn.Module):
    """K networks of one architecture whose weights have the same shapes and whose training has the same seed."""

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self._own: list[tuple[nn.Module, str, list[Tensor]]] = []
        self._joint = self._join(members)

    def _join(self, members: Sequence[nn.Module]) -> nn.Module:
        first = members[0]
        if layer := _LAYERS.get(type(first)):
            return layer(members)
        joint = copy.deepcopy(first, {id(weight): weight for weight in first.parameters()})
        for name, _ in first.named_children():
            setattr(joint, name, self._join([getattr(member, name) for member in members]))
        for name, _ in first.named_parameters(recurse=False):
            delattr(joint, name)
            self._own.append((joint, name, [getattr(member, name) for member in members]))
        return joint

    def _gather(self) -> nn.Module:
        for module, name, weights in self._own:
            setattr(module, name, torch.stack(weights))
        return self._joint

    def forward(self, tokens: Tensor, dense: Tensor) -> Tensor:
        """The predictions of the members, `[K, B, T]`."""
        predictions: Tensor = self._gather()(tokens, dense)
        return predictions

    def loss(self, tokens: Tensor, dense: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """What training minimises, `[K]`, and the predictions, `[K, B, T]`."""
        found: tuple[Tensor, Tensor] = self._gather().loss(tokens, dense, targets)  # type: ignore[operator]
        return found


class _Linear(nn.Module):
    def __init__(self, layers: Sequence[nn.Linear]) -> None:
        super().__init__()
        self.layers = list(layers)  # a list is no child: the weights are the members'

    def forward(self, inputs: Tensor) -> Tensor:
        """`[K, B, in]`, or `[B, in]` for all, to `[K, B, out]`."""
        each = inputs if inputs.dim() == 3 else inputs.expand(len(self.layers), -1, -1)
        if self.layers[0].out_features == 1 and not inputs.is_cuda:
            # A matrix times a vector is rounded otherwise by the batched product than by a layer alone.
            return torch.stack([layer(one) for layer, one in zip(self.layers, each, strict=True)])
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
            return means(tokens, *(layer.embedding.weight for layer in self.layers))
        return torch.stack([layer.embedding(tokens) for layer in self.layers])


_LAYERS = {nn.Linear: _Linear, Dropout: _Dropout, Bag: _Bag}
