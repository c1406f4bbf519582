"""AdamW for networks that train side by side.

`SeparateAdamW` has a torch optimizer for each network; `ArrayAdamW` is one optimizer for all members of an `Array`.
Both have the same methods: `prepare` and `step` before and after the loss of a batch, `set_rates` and `flush` between
epochs, `keep` when some networks are done. No method waits for the device.

AdamW is Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization".
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import nullcontext

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.training import lazy_adamw
from pipeline.training.array import Array
from pipeline.training.hyperparameters import Settings
from pipeline.training.lazy_adamw import BETAS, EPSILON, LazyTable


class SeparateAdamW:
    """A separate optimizer for each network; large embeddings on a CPU get lazy updates."""

    def __init__(
        self,
        networks: Sequence[nn.Module],
        settings: Sequence[Settings],
        tokens: NDArray[np.int64],
        device: torch.device,
    ) -> None:
        """`tokens`, `[N, L]`, are the tokens of the N rows that an epoch reads."""
        self._optimizers = [
            _AdamW(network, values, tokens, device) for network, values in zip(networks, settings, strict=True)
        ]

    def set_rates(self, rates: Sequence[float]) -> None:
        """Sets the learning rates of the next steps, one for each network."""
        for optimizer, rate in zip(self._optimizers, rates, strict=True):
            optimizer.set_rate(rate)

    def prepare(self, tokens: Tensor) -> Tensor:
        """Prepares a step on a batch with the tokens `[B, L]`. Returns the tokens to give to the networks instead."""
        if self._optimizers[0].tables:
            tokens = lazy_adamw.gather(self._tables(), tokens)
        for optimizer in self._optimizers:
            optimizer.zero_grad()
        return tokens

    def step(self, losses: Tensor) -> None:
        """Updates every network by the gradient of its loss. `losses` is `[K]`, or a scalar of a single network."""
        # Each loss depends on one network's weights alone, so that the sum gives each network its gradient.
        losses.sum().backward()
        for optimizer in self._optimizers:
            optimizer.step()

    def flush(self) -> None:
        """Brings all weights up to date."""
        for table in self._tables():
            table.flush()

    def keep(self, places: Sequence[int], module: nn.Module) -> None:
        """Keeps only the networks at these places. `module` is unused: only `ArrayAdamW` needs it."""
        self._optimizers = [self._optimizers[place] for place in places]

    def _tables(self) -> Iterator[LazyTable]:
        return (table for optimizer in self._optimizers for table in optimizer.tables)


class _AdamW:
    def __init__(self, network: nn.Module, settings: Settings, tokens: NDArray[np.int64], device: torch.device) -> None:
        self._network, self._settings, self._rate = network, settings, settings.learning_rate
        self.tables = [
            LazyTable(module, settings.weight_decay)
            for module in network.modules()
            if isinstance(module, nn.Embedding | nn.EmbeddingBag)
            and lazy_adamw.is_faster(module.num_embeddings, tokens, settings.batch_size, device)
        ]
        """Embeddings with lazy updates."""
        self._is_recorded = is_gpu = device.type == "cuda"
        # `fused` is a quarter faster than torch's default on one CPU thread with a large embedding, and faster on CUDA.
        self._optimizer = torch.optim.AdamW(
            [weight for weight in network.parameters() if all(weight is not table.weight for table in self.tables)],
            # A recorded step (`step.py`) sees a new rate only if the rate is a tensor on the device.
            lr=torch.tensor(settings.learning_rate, device=device) if is_gpu else settings.learning_rate,
            weight_decay=settings.weight_decay,
            betas=BETAS,
            eps=EPSILON,
            fused=device.type in ("cpu", "cuda"),
            capturable=is_gpu,
        )

    def set_rate(self, rate: float) -> None:
        self._rate = rate
        for group in self._optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate

    def zero_grad(self) -> None:
        self._optimizer.zero_grad(set_to_none=True)

    def step(self) -> None:
        if self._settings.gradient_clip:
            nn.utils.clip_grad_norm_(self._network.parameters(), self._settings.gradient_clip)
        with warnings.catch_warnings() if self._is_recorded else nullcontext():
            if self._is_recorded:  # the first steps run before the recording, and torch warns of each
                warnings.filterwarnings("ignore", message=".*capturable=True")
            self._optimizer.step()
        for table in self.tables:
            table.step(self._rate)


class ArrayAdamW:
    """One optimizer for all members of an array, which needs no more kernels for many members than for one.

    Learning rate, weight decay and clipping may differ between members. A member that diverges leaves the others
    alone: each member has a row of its own.
    """

    def __init__(self, array: Array, settings: Sequence[Settings]) -> None:
        self._array, self._settings = array, list(settings)
        self._mean, self._square = torch.zeros_like(array.rows), torch.zeros_like(array.rows)
        # In double precision: in single precision, 1 - 0.999^n is wrong in the fourth digit for small n.
        self._betas = torch.tensor(BETAS, dtype=torch.float64, device=array.rows.device)
        self._powers = torch.ones_like(self._betas)
        """Powers of the betas; the exponent is the number of steps."""
        self._epsilon = array.rows.new_tensor(EPSILON)
        self._set_columns()

    def _set_columns(self) -> None:
        """Makes the tensors `[K, 1]` that hold a number for each member."""
        rows = self._array.rows
        self._rates, self._decays = rows.new_empty(len(rows), 1), rows.new_empty(len(rows), 1)
        clips = [settings.gradient_clip or float("inf") for settings in self._settings]
        self._clips = rows.new_tensor(clips)[:, None] if min(clips) < float("inf") else None
        self.set_rates([settings.learning_rate for settings in self._settings])

    def set_rates(self, rates: Sequence[float]) -> None:
        """Sets the learning rates of the next steps, one for each member."""
        decays = [1 - rate * settings.weight_decay for rate, settings in zip(rates, self._settings, strict=True)]
        # In place, because a recorded step reads the same memory again (`step.py`).
        self._rates.copy_(torch.tensor(rates, dtype=torch.float64)[:, None])
        self._decays.copy_(torch.tensor(decays, dtype=torch.float64)[:, None])

    def prepare(self, tokens: Tensor) -> Tensor:
        """Returns the tokens unchanged."""
        return tokens

    def step(self, losses: Tensor) -> None:
        """Updates every member by the gradient of its loss in `losses`, `[K]`."""
        gradient = self._array.gradients(losses)
        (beta1, beta2), weights, mean, square = BETAS, self._array.rows, self._mean, self._square
        with torch.no_grad():
            if self._clips is not None:
                norms = torch.linalg.vector_norm(gradient, dim=1, keepdim=True)
                gradient.mul_((self._clips / (norms + 1e-6)).clamp(max=1.0))
            self._powers.mul_(self._betas)
            first, second = 1 - self._powers
            mean.lerp_(gradient, 1 - beta1)
            square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
            update = mean / torch.addcdiv(self._epsilon, square.sqrt(), second.sqrt().to(square.dtype))
            weights.mul_(self._decays).addcmul_(update, self._rates / first, value=-1)

    def flush(self) -> None:
        """Does nothing: all weights are up to date after each step."""

    def keep(self, places: Sequence[int], module: nn.Module) -> None:
        """Keeps only the members at these places. `module` is an array of only these members."""
        assert isinstance(module, Array)
        self._array, self._settings = module, [self._settings[place] for place in places]
        self._mean, self._square = self._mean[list(places)], self._square[list(places)]
        self._set_columns()


Optimizer = SeparateAdamW | ArrayAdamW
