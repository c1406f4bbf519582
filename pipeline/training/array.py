"""An array: K networks of the same shapes, computed together on a GPU. Every tensor has one more axis, in front.

Horizontally fused training (Wang, Yang, Yang, Lin, Chen, Xu, Tian, Liu, Zhang, Zheng 2021, "Horizontally Fused Training
Array: An Effective Hardware Utilization Squeezer for Training Novel Deep Learning Models", MLSys). The array holds all
weights, a row for each network. The networks become views of their rows, and can still be evaluated and saved. Updating
the weights is the work of `optimizer.py`.
"""

import copy
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from pipeline.training.architectures._base import Regressor
from pipeline.training.array_layers import layer_of, stacked


class Array(nn.Module):
    """Networks that train with the same seed. Each is trained as it would be alone, except for rounding.

    Dropout inside torch's own layers draws other numbers, too (`array_layers.py`).
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.rows = torch.stack([_row_of(member) for member in members])
        """All weights, `[K, P]`."""
        for member, row in zip(members, self.rows, strict=True):
            use_weights(row, member)
        self._joint = _join(members)
        for weight, part, shape in _parts(self, axes=1):
            weight.data = self.rows[:, part].unflatten(1, shape)
        self.to(self.rows.device)
        self._padding = self.rows.new_zeros(len(members), _ALIGNMENT)

    def forward(self, tokens: Tensor, dense: Tensor) -> Tensor:
        """Predictions of the members, `[K, B, T]`."""
        predictions: Tensor = self._joint(tokens, dense)
        return predictions

    def loss(self, tokens: Tensor, dense: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Losses `[K]` and predictions `[K, B, T]` of the members."""
        losses_and_predictions: tuple[Tensor, Tensor] = self._joint.loss(tokens, dense, targets)  # type: ignore[operator]
        return losses_and_predictions

    def gradients(self, losses: Tensor) -> Tensor:
        """Gradients of the losses `[K]`, each with respect to its member's weights: `[K, P]`."""
        # Each loss depends on one member's weights alone, so that the gradient of the sum holds each member's gradient.
        # One kernel joins the pieces; adding them up in place, as `backward` does, takes a kernel for each tensor.
        pieces: list[Tensor] = []
        for gradient in torch.autograd.grad(losses.sum(), list(self.parameters())):
            pieces += [gradient.flatten(1), self._padding[:, : -gradient[0].numel() % _ALIGNMENT]]
        return torch.cat(pieces, dim=1)


def use_weights(row: Tensor, network: nn.Module) -> None:
    """Makes the network's weights views of the numbers `[P]`."""
    for weight, part, shape in _parts(network):
        weight.data = row[part].view(shape)


def state_dict_of(row: Tensor, network: nn.Module) -> dict[str, Tensor]:
    """The numbers `[P]` as the network's `state_dict`."""
    names = [name for name, _ in network.named_parameters()]
    return {name: row[part].view(shape) for name, (_, part, shape) in zip(names, _parts(network), strict=True)}


_ALIGNMENT = 8
"""In a row, each tensor begins at a multiple of this number: products of unaligned tensors are slower."""


def _parts(module: nn.Module, axes: int = 0) -> Iterator[tuple[nn.Parameter, slice, torch.Size]]:
    """Each weight of a module, its slice of a row, and its shape without the first `axes` axes."""
    start = 0
    for weight in module.parameters():
        shape = weight.shape[axes:]
        yield weight, slice(start, start + shape.numel()), shape
        start += -(-shape.numel() // _ALIGNMENT) * _ALIGNMENT


def _row_of(network: nn.Module) -> Tensor:
    """All weights of a network, `[P]`, with zeros between tensors for the alignment."""
    pieces: list[Tensor] = []
    for weight in network.parameters():
        pieces += [weight.detach().flatten(), weight.new_zeros(-weight.numel() % _ALIGNMENT)]
    return torch.cat(pieces)


def _join(members: Sequence[nn.Module]) -> nn.Module:
    """One module that computes all members. Its weights stand in the same order as in a member."""
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
