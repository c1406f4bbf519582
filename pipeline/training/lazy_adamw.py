"""Lazy AdamW for large embeddings: updates a row when a batch reads it, not at every step.

A row without a gradient still moves, by its momentum and by weight decay. The sum of the steps that it misses is the
same for all rows, except for two factors, so that all of them can be applied at once. Carpenter 2008, "Lazy Sparse
Stochastic Gradient Descent for Regularized Multinomial Logistic Regression", and Lipton and Elkan 2015, "Efficient
Elastic Net Regularization for Sparse Linear Models", do this for plain gradient descent. Here it is AdamW (Loshchilov
and Hutter 2019, "Decoupled Weight Decay Regularization") as torch computes it. One thing is approximate: the small
constant in the denominator is that of the mean missed step. This moves a weight by less than rounding does, unless its
gradients are about as small as the constant (1e-8).
"""

import math
from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.data.inputs import PADDING

BETAS = (0.9, 0.999)
EPSILON = 1e-8

_ROWS_PER_ROW_READ = 16
"""Smallest ratio of a table's rows to the rows that a batch reads for which lazy updates are faster."""
_STEPS_COUNTED = 2000
"""Steps after which every row is brought up to date: each step updates a sum for every step before it."""
_STEPS_AT_LEAST = 16
"""Smallest number of steps of an epoch, at whose end every row is brought up to date."""


class LazyTable:
    """Weights `[V, E]` of an embedding with their AdamW state. A row has the value that it had when it was last read.

    Between `gather` and `step` the embedding holds only the rows of a batch. `flush` gives it back all rows.
    """

    def __init__(self, embedding: nn.Embedding | nn.EmbeddingBag, weight_decay: float) -> None:
        self._embedding, self.weight = embedding, embedding.weight
        self._weight_decay = weight_decay
        self._mean, self._square = torch.zeros_like(self.weight), torch.zeros_like(self.weight)
        self._steps = 0
        self._restart()

    def _restart(self) -> None:
        """Starts counting missed steps; every row must be up to date."""
        self._last = torch.zeros(len(self.weight), dtype=torch.int64)
        """Number of the step after which each row was last read, `[V]`."""
        self._missed = torch.zeros(3, 1, dtype=torch.float64)
        """Effect of all later steps on a row last read after step s: `[3, S]`.

        The first number is its movement in units of mean / root of square. The second is the movement weighted by the
        size of the denominator's constant, the third the product of its decays.
        """
        self._missed[2] = 1.0

    def gather(self, rows: Tensor) -> None:
        """Gives the embedding only these rows `[U]`, up to date and in this order."""
        self._rows = rows
        weights, self._batch_mean, self._batch_square = self._caught_up(rows)
        self._embedding.weight = nn.Parameter(weights)

    def step(self, learning_rate: float) -> None:
        """Updates the gathered rows by their gradient, as AdamW does."""
        weights, gradient = self._embedding.weight, self._embedding.weight.grad
        assert gradient is not None
        self._steps += 1
        (beta1, beta2), decay = BETAS, 1 - learning_rate * self._weight_decay
        # Corrections of the moments, which begin at zero.
        first, second = 1 - beta1**self._steps, math.sqrt(1 - beta2**self._steps)
        with torch.no_grad():
            mean, square = self._batch_mean, self._batch_square
            mean.lerp_(gradient, 1 - beta1)
            square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
            weights.mul_(decay).addcdiv_(mean, square.sqrt().div_(second).add_(EPSILON), value=-learning_rate / first)
            for table, rows in ((self.weight, weights), (self._mean, mean), (self._square, square)):
                table.index_copy_(0, self._rows, rows)
        self._add_missed_step(decay, learning_rate * second / first, second)
        self._last[self._rows] = self._missed.shape[1] - 1
        if self._missed.shape[1] > _STEPS_COUNTED:
            self.flush()

    def _add_missed_step(self, decay: float, rate: float, second: float) -> None:
        """Adds this step to the missed steps of rows that were last read before it; a new column starts after it."""
        (beta1, beta2), count = BETAS, self._missed.shape[1]
        gap = torch.arange(count, 0, -1, dtype=torch.float64)
        moved, slack, decayed = self._missed
        moved.mul_(decay).add_(rate * (beta1 / math.sqrt(beta2)) ** gap)
        slack.mul_(decay).add_(rate * second * (beta1 / beta2) ** gap)
        decayed.mul_(decay)
        self._missed = torch.cat([self._missed, torch.tensor([[0.0], [0.0], [1.0]], dtype=torch.float64)], dim=1)

    def _caught_up(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Weights, means and squares of the rows `[U]` after the steps that they missed: `[U, E]` each."""
        last = self._last[rows]
        gap = (self._missed.shape[1] - 1 - last).to(torch.float64)
        moved, slack, decayed = self._missed[:, last]
        slack = torch.where(moved > 0, slack / moved.clamp(min=1e-300), 1.0)
        columns = torch.stack([moved, EPSILON * slack, decayed, BETAS[0] ** gap, BETAS[1] ** gap])
        moved, slack, decayed, first, second = columns.to(self.weight.dtype)[:, :, None]
        with torch.no_grad():
            weights, mean, square = (table.index_select(0, rows) for table in (self.weight, self._mean, self._square))
            weights.mul_(decayed).sub_(moved * mean / square.sqrt().add_(slack))
            return weights, mean.mul_(first), square.mul_(second)

    def flush(self) -> None:
        """Brings every row up to date and gives the embedding back all of them."""
        if self._missed.shape[1] > 1:
            weights, mean, square = self._caught_up(torch.arange(len(self.weight)))
            with torch.no_grad():
                self.weight.copy_(weights)
            self._mean, self._square = mean, square
            self._restart()
        self._embedding.weight = self.weight


def gather(tables: Iterable[LazyTable], tokens: Tensor) -> Tensor:
    """Gathers the rows of the tokens `[B, L]` in each table. Returns each token's place among these rows, `[B, L]`.

    Padding stays 0, because its row is always the first.
    """
    with_padding = torch.cat([tokens.new_full((1,), PADDING), tokens.flatten()])
    rows, places = with_padding.unique(return_inverse=True)
    for table in tables:
        table.gather(rows)
    return places[1:].view_as(tokens)


def is_faster(vocabulary: int, tokens: NDArray[np.int64], batch_size: int, device: torch.device) -> bool:
    """True if lazy updates are faster for a table of `vocabulary` rows. `tokens`, `[N, L]`, are those of an epoch.

    The thresholds are from `benchmarks.vocabulary` on a CPU. A GPU updates all rows faster than it finds the few.
    """
    steps = len(tokens) // batch_size
    if device.type != "cpu" or steps < _STEPS_AT_LEAST or vocabulary < _ROWS_PER_ROW_READ:
        return False
    rows_per_batch = len(np.unique(tokens[::steps][:batch_size]))
    return vocabulary >= _ROWS_PER_ROW_READ * rows_per_batch
