"""Lazy AdamW for large embeddings: updates a row when a batch reads it, not at every step.

A row that no batch reads has no gradient, but AdamW still moves it, by its momentum and by weight decay. All rows that
were last read by the same step miss the same steps. The sum of these, apart from the row's own moments, is the same
number for all of them, so a row catches up on all missed steps at once. Carpenter 2008, "Lazy Sparse Stochastic
Gradient Descent for Regularized Multinomial Logistic Regression", and Lipton and Elkan 2015, "Efficient Elastic Net
Regularization for Sparse Linear Models", do this for plain gradient descent. Here it is AdamW (Loshchilov and Hutter
2019, "Decoupled Weight Decay Regularization") as torch computes it. One thing is approximate: epsilon, the small
constant in the denominator, weighs differently in each missed step, and here has its mean weight in all of them. This
moves a weight by less than rounding does, unless its gradients are about as small as epsilon (1e-8).
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
"""Lazy updates are faster if a table has at least this many times the rows that a batch reads."""
_STEPS_COUNTED = 2000
"""Number of steps after which all rows catch up. Each step updates a sum for every earlier step: more would be slow."""
_STEPS_AT_LEAST = 16
"""Smallest number of steps of an epoch for lazy updates: at its end all rows catch up, which takes time."""


class LazyTable:
    """Weights `[V, E]` of an embedding with their AdamW state. A row lacks the steps since a batch last read it.

    From `gather` on, the embedding holds only the rows of a batch. `flush` gives it back all rows, up to date.
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
        """`[V]`: the number, counted from here, of the step that last updated each row; 0 for none."""
        self._missed = torch.zeros(3, 1, dtype=torch.float64)
        """`[3, S]`: effect of all steps after step s on a row that step s updated last.

        First the distance that it moves, in units of its mean / root of its square; then this distance with each step
        weighted by the size of epsilon relative to that root; last the product of the weight decays.
        """
        self._missed[2] = 1.0

    def gather(self, rows: Tensor) -> None:
        """Puts only these rows `[U]` into the embedding, up to date and in this order."""
        self._rows = rows
        weights, self._batch_mean, self._batch_square = self._caught_up(rows)
        self._embedding.weight = nn.Parameter(weights)

    def step(self, learning_rate: float) -> None:
        """Updates the gathered rows by their gradient, as AdamW does."""
        weights, gradient = self._embedding.weight, self._embedding.weight.grad
        assert gradient is not None
        self._steps += 1
        (beta1, beta2), decay = BETAS, 1 - learning_rate * self._weight_decay
        # Bias corrections: the moments begin at zero.
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
        """Adds this step to the missed steps of all rows that it does not update; the others get a new column."""
        (beta1, beta2), count = BETAS, self._missed.shape[1]
        gap = torch.arange(count, 0, -1, dtype=torch.float64)
        moved, epsilons, decayed = self._missed
        moved.mul_(decay).add_(rate * (beta1 / math.sqrt(beta2)) ** gap)
        epsilons.mul_(decay).add_(rate * second * (beta1 / beta2) ** gap)
        decayed.mul_(decay)
        self._missed = torch.cat([self._missed, torch.tensor([[0.0], [0.0], [1.0]], dtype=torch.float64)], dim=1)

    def _caught_up(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Weights, means and squares of the rows `[U]` after the steps that they missed: `[U, E]` each."""
        last = self._last[rows]
        gap = (self._missed.shape[1] - 1 - last).to(torch.float64)
        moved, epsilons, decayed = self._missed[:, last]
        mean_epsilon = EPSILON * torch.where(moved > 0, epsilons / moved.clamp(min=1e-300), 1.0)
        columns = torch.stack([moved, mean_epsilon, decayed, BETAS[0] ** gap, BETAS[1] ** gap])
        moved, mean_epsilon, decayed, first, second = columns.to(self.weight.dtype)[:, :, None]
        with torch.no_grad():
            weights, mean, square = (table.index_select(0, rows) for table in (self.weight, self._mean, self._square))
            weights.mul_(decayed).sub_(moved * mean / square.sqrt().add_(mean_epsilon))
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
    """Gathers the rows of the tokens `[B, L]` in each table. Returns each token's index in the gathered rows, `[B, L]`.

    Padding keeps the index 0, because its row is always gathered first.
    """
    with_padding = torch.cat([tokens.new_full((1,), PADDING), tokens.flatten()])
    rows, places = with_padding.unique(return_inverse=True)
    for table in tables:
        table.gather(rows)
    return places[1:].view_as(tokens)


def is_faster(vocabulary: int, tokens: NDArray[np.int64], batch_size: int, device: torch.device) -> bool:
    """True if lazy updates are faster for a table of `vocabulary` rows. `tokens`, `[N, L]`, are those of an epoch.

    The thresholds are from `benchmarks.vocabulary` on a CPU. A GPU updates all rows faster than it finds the
    rows of a batch.
    """
    steps = len(tokens) // batch_size
    if device.type != "cpu" or steps < _STEPS_AT_LEAST or vocabulary < _ROWS_PER_ROW_READ:
        return False
    # A sample as large as a batch, spread evenly over the epoch.
    rows_per_batch = len(np.unique(tokens[::steps][:batch_size]))
    return vocabulary >= _ROWS_PER_ROW_READ * rows_per_batch
