"""K networks of the same shapes, computed together on a GPU: every tensor has one axis more, in front.

Horizontally fused training (Wang, Yang, Yang, Lin, Chen, Xu, Tian, Liu, Zhang, Zheng 2021, "Horizontally Fused Training
Array: An Effective Hardware Utilization Squeezer for Training Novel Deep Learning Models", MLSys). The array has the
weights, a row of numbers for each network; the networks themselves become views of their rows, and can be evaluated
and saved as ever. What becomes of the weights is decided in `optimizer.py`.
"""

import copy
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from pipeline.training.architectures._base import Regressor
from pipeline.training.array_layers import layer_of, stacked


class Array(nn.Module):
    """Networks whose training has the same seed. A member comes out as it would alone, but for rounding."""

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.rows = torch.stack([_row_of(member) for member in members])
        """All weights, `[K, P]`."""
        for member, row in zip(members, self.rows, strict=True):
            live_in(row, member)
        self._joint = _join(members)
        for weight, part, shape in _parts(self, axes=1):
            weight.data = self.rows[:, part].unflatten(1, shape)
        self.to(self.rows.device)
        self._padding = self.rows.new_zeros(len(members), _ALIGNMENT)

    def forward(self, tokens: Tensor, dense: Tensor) -> Tensor:
        """The predictions of the members, `[K, B, T]`."""
        predictions: Tensor = self._joint(tokens, dense)
        return predictions

    def loss(self, tokens: Tensor, dense: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The losses, `[K]`, and the predictions, `[K, B, T]`."""
        losses_and_predictions: tuple[Tensor, Tensor] = self._joint.loss(tokens, dense, targets)  # type: ignore[operator]
        return losses_and_predictions

    def gradients(self, losses: Tensor) -> Tensor:
        """Of each member's loss, `[K]`, by its own weights: `[K, P]`."""
        # Each loss depends on one member's weights alone, so that the gradient of the sum is each member's own.
        # Joined by one kernel. Added up in place, as `backward` does, they would take one for each tensor.
        pieces: list[Tensor] = []
        for gradient in torch.autograd.grad(losses.sum(), list(self.parameters())):
            pieces += [gradient.flatten(1), self._padding[:, : -gradient[0].numel() % _ALIGNMENT]]
        return torch.cat(pieces, dim=1)


def live_in(row: Tensor, network: nn.Module) -> None:
    """Makes the network's weights views of these numbers, `[P]`."""
    for weight, part, shape in _parts(network):
        weight.data = row[part].view(shape)


def by_name(row: Tensor, network: nn.Module) -> dict[str, Tensor]:
    """The numbers `[P]` as the network's `state_dict`."""
    names = [name for name, _ in network.named_parameters()]
    return {name: row[part].view(shape) for name, (_, part, shape) in zip(names, _parts(network), strict=True)}


_ALIGNMENT = 8
"""Each tensor begins at a multiple of so many numbers: products are slower where one begins anywhere."""


def _parts(module: nn.Module, axes: int = 0) -> Iterator[tuple[nn.Parameter, slice, torch.Size]]:
    """Each weight, its place in a row and its shape there; the first `axes` of its own shape are passed over."""
    start = 0
    for weight in module.parameters():
        shape = weight.shape[axes:]
        yield weight, slice(start, start + shape.numel()), shape
        start += -(-shape.numel() // _ALIGNMENT) * _ALIGNMENT


def _row_of(network: nn.Module) -> Tensor:
    pieces: list[Tensor] = []
    for weight in network.parameters():
        pieces += [weight.detach().flatten(), weight.new_zeros(-weight.numel() % _ALIGNMENT)]
    return torch.cat(pieces)


def _join(members: Sequence[nn.Module]) -> nn.Module:
    """One module in place of the members' at the same place; its weights have the members' order."""
    first = members[0]
    if layer := layer_of(members):
        return layer
    joint = copy.deepcopy(first, {id(weight): weight for weight in first.parameters()})
    for name, _ in first.named_parameters(recurse=False):
        setattr(joint, name, stacked(members, name))
    for name in first.numbers if isinstance(first, Regressor) else ():
        delattr(joint, name)
        joint.register_buffer(name, torch.tensor([getattr(member, name) for member in members]))
    for name, _ in first.named_children():
        setattr(joint, name, _join([getattr(member, name) for member in members]))
    return joint
