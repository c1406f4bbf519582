"""AdamW for networks that train side by side: torch's for each by itself, or one for all of an array.

AdamW is Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization". Both kinds are used alike: `prepare` and
`step` before and after the loss of a batch, `set_rates` and `flush` between epochs. None of it waits for the device.
"""

import warnings
from collections.abc import Sequence
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
    """An optimizer for each network; large embeddings on a CPU have lazy updates."""

    def __init__(
        self,
        networks: Sequence[nn.Module],
        settings: Sequence[Settings],
        tokens: NDArray[np.int64],
        device: torch.device,
    ) -> None:
        """`tokens`, `[N, L]`, are what an epoch reads."""
        self._each = [_AdamW(network, own, tokens, device) for network, own in zip(networks, settings, strict=True)]

    def set_rates(self, rates: Sequence[float]) -> None:
        """Learning rates of the next steps, one for each network."""
        for each, rate in zip(self._each, rates, strict=True):
            each.set_rate(rate)

    def prepare(self, tokens: Tensor) -> Tensor:
        """Makes ready for the loss of a batch; returns its tokens `[B, L]` as the networks should be given them."""
        if self._each[0].tables:
            tokens = lazy_adamw.gather((table for each in self._each for table in each.tables), tokens)
        for each in self._each:
            each.zero_grad()
        return tokens

    def step(self, losses: Tensor) -> None:
        """Updates every network by the gradient of its own loss; of `[K]`, or of a single one."""
        # Each loss depends on one network's weights alone, so that the gradient of the sum is each network's own.
        losses.sum().backward()
        for each in self._each:
            each.step()

    def flush(self) -> None:
        """Brings all weights up to date."""
        for each in self._each:
            for table in each.tables:
                table.flush()

    def keep(self, places: Sequence[int], module: nn.Module) -> None:
        """Forgets all networks but those at these places; `module` computes them from now on."""
        self._each = [self._each[place] for place in places]


class _AdamW:
    def __init__(self, network: nn.Module, settings: Settings, tokens: NDArray[np.int64], device: torch.device) -> None:
        self._network, self._settings, self._rate = network, settings, settings.learning_rate
        self.tables = [
            LazyTable(module, settings.weight_decay)
            for module in network.modules()
            if isinstance(module, nn.Embedding | nn.EmbeddingBag)
            and lazy_adamw.is_faster(module.num_embeddings, tokens, settings.batch_size, device)
        ]
        """Embeddings that are left to lazy updates."""
        self._is_recorded = is_gpu = device.type == "cuda"
        # Fused is a quarter faster than the default on one CPU thread with a large embedding, and faster on CUDA.
        self._optimizer = torch.optim.AdamW(
            [weight for weight in network.parameters() if all(weight is not table.weight for table in self.tables)],
            # What a recorded step should read anew must lie on the device (`step.py`).
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
            if self._is_recorded:  # but not all of them, which torch takes for a mistake
                warnings.filterwarnings("ignore", message=".*capturable=True")
            self._optimizer.step()
        for table in self.tables:
            table.step(self._rate)


class ArrayAdamW:
    """One optimizer for all members of an array: as many kernels for many members as for one.

    Rate, weight decay and clipping are each member's own. What is not finite stays in its member's row.
    """

    def __init__(self, array: Array, settings: Sequence[Settings]) -> None:
        self._array, self._settings = array, list(settings)
        self._mean, self._square = torch.zeros_like(array.rows), torch.zeros_like(array.rows)
        # In double precision: in single, one minus a power of 0.999 is off by the fourth digit in the first steps.
        self._betas = torch.tensor(BETAS, dtype=torch.float64, device=array.rows.device)
        self._powers = torch.ones_like(self._betas)
        """Of the betas, by the number of steps."""
        self._epsilon = array.rows.new_tensor(EPSILON)
        self._set_columns()

    def _set_columns(self) -> None:
        """`[K, 1]`, a number for each member."""
        rows = self._array.rows
        self._rates, self._kept = rows.new_empty(len(rows), 1), rows.new_empty(len(rows), 1)
        clips = [settings.gradient_clip or float("inf") for settings in self._settings]
        self._clips = rows.new_tensor(clips)[:, None] if min(clips) < float("inf") else None
        self.set_rates([settings.learning_rate for settings in self._settings])

    def set_rates(self, rates: Sequence[float]) -> None:
        """Learning rates of the next steps, one for each member."""
        kept = [1 - rate * settings.weight_decay for rate, settings in zip(rates, self._settings, strict=True)]
        # In place: a recorded step reads them where they were when it was recorded (`step.py`).
        self._rates.copy_(torch.tensor(rates, dtype=torch.float64)[:, None])
        self._kept.copy_(torch.tensor(kept, dtype=torch.float64)[:, None])

    def prepare(self, tokens: Tensor) -> Tensor:
        """The tokens as they are."""
        return tokens

    def step(self, losses: Tensor) -> None:
        """Updates every member by the gradient of its own loss; of `[K]`."""
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
            weights.mul_(self._kept).addcmul_(update, self._rates / first, value=-1)

    def flush(self) -> None:
        """Nothing: all weights are up to date after each step."""

    def keep(self, places: Sequence[int], module: nn.Module) -> None:
        """Forgets all members but those at these places; `module` is the array of those."""
        assert isinstance(module, Array)
        self._array, self._settings = module, [self._settings[place] for place in places]
        self._mean, self._square = self._mean[list(places)], self._square[list(places)]
        self._set_columns()


Optimizer = SeparateAdamW | ArrayAdamW
