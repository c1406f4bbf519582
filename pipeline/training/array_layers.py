"""The layers of an array (`array.py`): each computes one layer of all members at once, `[K, ...]` to `[K, ...]`.

Their parameters are the stacked parameters of the members, in a member's order.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.data.inputs import PADDING
from pipeline.training.architectures._base import Bag, Dropout, draw, means_at_once, places_at_once


def stacked(modules: Sequence[nn.Module], name: str) -> nn.Parameter:
    """The modules' parameters called `name`, stacked: `[K, ...]`."""
    return nn.Parameter(torch.stack([getattr(module, name).detach() for module in modules]))


def layer_of(members: Sequence[nn.Module]) -> nn.Module | None:
    """A layer that computes all members. None if there is none for their type: then the caller joins their children."""
    layer = _LAYERS.get(type(members[0]))
    return layer(members) if layer else None


class _Linear(nn.Module):
    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.weight = stacked(layers, "weight")
        self.bias = None if layers[0].bias is None else stacked(layers, "bias")

    def forward(self, inputs: Tensor) -> Tensor:
        """`[K, ..., in]` to `[K, ..., out]`. Inputs `[B, in]` are the same for all members."""
        rows = inputs.expand(len(self.weight), -1, -1) if inputs.dim() == 2 else inputs.flatten(1, -2)
        # In this order the gradient has the memory layout of the weights, and need not be copied.
        outputs = product(self.weight, rows.transpose(1, 2), self.bias).transpose(1, 2)
        return outputs if inputs.dim() == 2 else outputs.unflatten(1, inputs.shape[1:-1])


def product(weights: Tensor, columns: Tensor, bias: Tensor | None) -> Tensor:
    """`[K, out, in]` times `[K, in, N]`, plus `[K, out]`."""
    return weights @ columns if bias is None else torch.baddbmm(bias[:, :, None], weights, columns)


class _Dropout(nn.Module):
    shares: Tensor
    keep_shares: Tensor

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        shares: list[float] = [layer.share for layer in layers]  # type: ignore[misc]
        self.alike: int | None = layers[0].alike  # type: ignore[assignment]
        self.is_used = any(shares)
        self.register_buffer("shares", torch.tensor(shares))
        self.register_buffer("keep_shares", torch.tensor([1 - share for share in shares]))

    def forward(self, inputs: Tensor) -> Tensor:
        if not self.training or not self.is_used:
            return inputs
        # One draw for all: with the same seed, each member loses the units that it would lose alone.
        per_member = (-1, *[1] * (inputs.dim() - 1))
        shares, keep_shares = self.shares.view(per_member), self.keep_shares.view(per_member)
        return inputs * ((draw(inputs[0], self.alike) >= shares) / keep_shares).to(inputs.dtype)


def _dropout(shares: Sequence[float]) -> _Dropout:
    """The layer for K dropouts inside torch's own layers, given by their shares."""
    return _Dropout([Dropout(share) for share in shares])


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
    """Convolutions as one product with the unfolded windows, because libraries are slow at grouped convolutions."""

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
    """One recurrence for all members. Between layers, dropout draws other numbers than in `torch.nn.LSTM`."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        first = layers[0]
        assert isinstance(first, nn.LSTM)
        assert (first.batch_first, first.bias, first.bidirectional, first.proj_size) == (True, True, False, 0)
        self.layers = first.num_layers
        for name, _ in first.named_parameters():
            setattr(self, name, stacked(layers, name))
        self.dropout = _dropout([layer.dropout for layer in layers])  # type: ignore[misc]

    def forward(self, inputs: Tensor) -> tuple[Tensor, None]:
        """`[K, B, L, in]` to the states `[K, B, L, H]`, and None: no network uses torch's last states."""
        states = inputs
        for at in range(self.layers):
            weights = (getattr(self, f"{name}_l{at}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
            states = _recurrence(self.dropout(states) if at else states, *weights)
        return states, None


def _recurrence(inputs: Tensor, of_inputs: Tensor, of_state: Tensor, bias: Tensor, second_bias: Tensor) -> Tensor:
    """States `[K, B, L, H]` of an LSTM on `[K, B, L, in]`. Inside the loop units stand before rows: `[K, H, B]`."""
    k, rows, length, _ = inputs.shape
    columns = inputs.permute(0, 3, 2, 1).flatten(2)
    gates = product(of_inputs, columns, bias + second_bias).unflatten(2, (length, rows))
    # In full precision, because rounding errors add up from step to step.
    state = cell = torch.zeros(k, of_state.shape[2], rows, dtype=of_state.dtype, device=inputs.device)
    states: list[Tensor] = []
    for gate in gates.unbind(2):
        forget, new, output = _gates(torch.baddbmm(gate, of_state, state))
        cell = forget * cell + new
        state = output * cell.tanh()
        states.append(state)
    return torch.stack(states, dim=1).permute(0, 3, 1, 2)


def _gates(sums: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Forget gate, new content and output gate, each `[K, H, B]`, from sums `[K, 4 H, B]` in torch's order."""
    input_gate, forget, content, output = sums.chunk(4, dim=1)
    return forget.sigmoid(), input_gate.sigmoid() * content.tanh(), output.sigmoid()


class _LayerNorm(nn.Module):
    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.weight, self.bias = stacked(layers, "weight"), stacked(layers, "bias")
        self.eps: float = layers[0].eps  # type: ignore[assignment]

    def forward(self, inputs: Tensor) -> Tensor:
        """`[K, B, L, E]` to `[K, B, L, E]`."""
        normal = functional.layer_norm(inputs, self.weight.shape[1:], eps=self.eps)
        return torch.addcmul(self.bias[:, None, None], normal, self.weight[:, None, None])


class _SelfAttention(nn.Module):
    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.in_proj_weight, self.in_proj_bias = stacked(layers, "in_proj_weight"), stacked(layers, "in_proj_bias")
        self.out_proj = _Linear([layer.out_proj for layer in layers])  # type: ignore[misc]
        self.heads: int = layers[0].num_heads  # type: ignore[assignment]
        self.dropout = _dropout([layer.dropout for layer in layers])  # type: ignore[misc]

    def forward(self, inputs: Tensor, padding: Tensor) -> Tensor:
        """`[K, B, L, E]` to `[K, B, L, E]`; `padding` is `[B, L]`."""
        columns = inputs.flatten(1, 2).transpose(1, 2)
        projected = product(self.in_proj_weight, columns, self.in_proj_bias).unflatten(1, (3, self.heads, -1))
        # Each is [K, B, heads, L, size].
        query, key, value = projected.unflatten(4, inputs.shape[1:3]).permute(1, 0, 4, 2, 5, 3)
        scores = query @ key.transpose(-2, -1) / math.sqrt(key.shape[-1])
        weights = scores.masked_fill(padding[:, None, None], -math.inf).softmax(dim=-1)
        means = self.dropout(weights) @ value
        outputs: Tensor = self.out_proj(means.transpose(2, 3).flatten(3))
        return outputs


class _EncoderLayer(nn.Module):
    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        assert all(isinstance(layer, nn.TransformerEncoderLayer) and layer.norm_first for layer in layers)
        self.self_attn = _SelfAttention([layer.self_attn for layer in layers])  # type: ignore[misc]
        self.linear1, self.linear2 = (
            _Linear([layer.get_submodule(name) for layer in layers]) for name in ("linear1", "linear2")
        )
        self.norm1, self.norm2 = (
            _LayerNorm([layer.get_submodule(name) for layer in layers]) for name in ("norm1", "norm2")
        )
        self.dropout = _dropout([layer.dropout.p for layer in layers])  # type: ignore[union-attr, misc]

    def forward(self, inputs: Tensor, padding: Tensor) -> Tensor:
        attended: Tensor = inputs + self.dropout(self.self_attn(self.norm1(inputs), padding))
        hidden = self.dropout(self.linear1(self.norm2(attended)).relu())
        return attended + self.dropout(self.linear2(hidden))


class _Encoder(nn.Module):
    """A Transformer's encoder. Its dropout draws other numbers than in `torch.nn.TransformerEncoder`."""

    def __init__(self, encoders: Sequence[nn.Module]) -> None:
        super().__init__()
        layers_of_each = [list(encoder.layers) for encoder in encoders]  # type: ignore[arg-type]
        self.layers = nn.ModuleList(_EncoderLayer(layers) for layers in zip(*layers_of_each, strict=True))
        self.norm = _LayerNorm([encoder.norm for encoder in encoders])  # type: ignore[misc]

    def forward(self, inputs: Tensor, src_key_padding_mask: Tensor) -> Tensor:
        for layer in self.layers:
            inputs = layer(inputs, src_key_padding_mask)
        encoded: Tensor = self.norm(inputs)
        return encoded


_LAYERS: dict[type[nn.Module], type[nn.Module]] = {
    nn.Linear: _Linear,
    nn.Embedding: _Embedding,
    nn.Conv1d: _Conv1d,
    nn.LSTM: _LSTM,
    nn.TransformerEncoder: _Encoder,
    Dropout: _Dropout,
    Bag: _Bag,
}
"""`{type of layer: layer for an array}`. All other layers can compute inputs with one more axis in front."""
