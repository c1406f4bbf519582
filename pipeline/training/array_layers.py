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


class _LSTM(nn.Module):
    """One recurrence for all members. Between several layers dropout draws other numbers than torch's does."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        first = layers[0]
        assert isinstance(first, nn.LSTM)
        assert (first.batch_first, first.bias, first.bidirectional, first.proj_size) == (True, True, False, 0)
        self.layers = first.num_layers
        for name, _ in first.named_parameters():
            setattr(self, name, stacked(layers, name))
        self.dropout = _Dropout([Dropout(layer.dropout) for layer in layers])  # type: ignore[arg-type]

    def forward(self, inputs: Tensor) -> tuple[Tensor, None]:
        """`[K, B, L, in]` to the states `[K, B, L, H]`; what follows the states in torch's is left out."""
        states = inputs
        for at in range(self.layers):
            weights = (getattr(self, f"{name}_l{at}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
            states = _recurrence(self.dropout(states) if at else states, *weights)
        return states, None


def _recurrence(inputs: Tensor, of_inputs: Tensor, of_state: Tensor, bias: Tensor, second_bias: Tensor) -> Tensor:
    """The states `[K, B, L, H]` of an LSTM on `[K, B, L, in]`, units before rows in between: `[K, H, B]`."""
    k, rows, length, _ = inputs.shape
    columns = inputs.permute(0, 3, 2, 1).flatten(2)
    gates = product(of_inputs, columns, bias + second_bias).unflatten(2, (length, rows))
    # In full precision, as they add up from step to step.
    state = cell = torch.zeros(k, of_state.shape[2], rows, dtype=of_state.dtype, device=inputs.device)
    states: list[Tensor] = []
    for gate in gates.unbind(2):
        kept, new, shown = _gates(torch.baddbmm(gate, of_state, state))
        cell = kept * cell + new
        state = shown * cell.tanh()
        states.append(state)
    return torch.stack(states, dim=1).permute(0, 3, 1, 2)


def _gates(sums: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What a cell keeps, what it gets and what it shows, each `[K, H, B]`, of `[K, 4 H, B]` in torch's order."""
    open_in, kept, content, shown = sums.chunk(4, dim=1)
    return kept.sigmoid(), open_in.sigmoid() * content.tanh(), shown.sigmoid()


_LAYERS: dict[type[nn.Module], type[nn.Module]] = {
    nn.Linear: _Linear,
    nn.Embedding: _Embedding,
    nn.Conv1d: _Conv1d,
    nn.LSTM: _LSTM,
    Dropout: _Dropout,
    Bag: _Bag,
}
"""In place of layers of these types; all others compute with one axis more in front as they do without."""
