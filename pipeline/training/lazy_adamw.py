"""AdamW for an embedding of which a batch reads few rows: a row is brought up to date when it is read, not before.

A row without a gradient moves all the same, by its momentum and by weight decay. What it misses while nobody reads it
is a sum that does not depend on the row, but for two factors, so that it can be made up for at once. Carpenter 2008,
"Lazy Sparse Stochastic Gradient Descent for Regularized Multinomial Logistic Regression", and Lipton and Elkan 2015,
"Efficient Elastic Net Regularization for Sparse Linear Models", do so for plain gradient descent; here it is AdamW
(Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization") as torch computes it, with one approximation: the
small constant in the denominator is that of the mean missed step. It moves a weight by less than rounding does, unless
its gradients are about as small as the constant itself (1e-8).
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


class LazyTable:
    """Weights `[V, E]` of an embedding with their AdamW state; each row is as it was when it was last read.

    Between `gather` and `step` the embedding has only the rows of a batch. `flush` gives it all of them back.
    """

    def __init__(self, embedding: nn.Embedding | nn.EmbeddingBag, weight_decay: float) -> None:
        self._embedding, self.weight = embedding, embedding.weight
        self._weight_decay = weight_decay
        self._mean, self._square = torch.zeros_like(self.weight), torch.zeros_like(self.weight)
        self._steps = 0
        self._restart()

    def _restart(self) -> None:
        """Counts missed steps from here on: every row is up to date."""
        self._last = torch.zeros(len(self.weight), dtype=torch.int64)
        # For a row that was last read after each of the steps so far: what the rest has made of it.
        self._missed = torch.zeros(3, 1, dtype=torch.float64)
        self._missed[2] = 1.0

    def gather(self, rows: Tensor) -> None:
        """Gives the embedding these rows `[U]` alone, up to date, in this order."""
        self._rows = rows
        weights, self._batch_mean, self._batch_square = self._caught_up(rows)
        self._embedding.weight = nn.Parameter(weights)

    def step(self, learning_rate: float) -> None:
        """AdamW's step for the gathered rows, by their gradient."""
        weights, gradient = self._embedding.weight, self._embedding.weight.grad
        assert gradient is not None
        self._steps += 1
        (beta1, beta2), kept = BETAS, 1 - learning_rate * self._weight_decay
        first, second = 1 - beta1**self._steps, math.sqrt(1 - beta2**self._steps)
        with torch.no_grad():
            mean, square = self._batch_mean, self._batch_square
            mean.lerp_(gradient, 1 - beta1)
            square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
            weights.mul_(kept).addcdiv_(mean, square.sqrt().div_(second).add_(EPSILON), value=-learning_rate / first)
            for table, rows in ((self.weight, weights), (self._mean, mean), (self._square, square)):
                table.index_copy_(0, self._rows, rows)
        self._add_missed_step(kept, learning_rate * second / first, second)
        self._last[self._rows] = self._missed.shape[1] - 1
        if self._missed.shape[1] > _STEPS_COUNTED:
            self.flush()

    def _add_missed_step(self, kept: float, rate: float, second: float) -> None:
        """Adds this step to what rows have missed, by the step after which they were last read; none for those."""
        (beta1, beta2), count = BETAS, self._missed.shape[1]
        gap = torch.arange(count, 0, -1, dtype=torch.float64)
        moved, slack, decayed = self._missed
        moved.mul_(kept).add_(rate * (beta1 / math.sqrt(beta2)) ** gap)
        slack.mul_(kept).add_(rate * second * (beta1 / beta2) ** gap)
        decayed.mul_(kept)
        self._missed = torch.cat([self._missed, torch.tensor([[0.0], [0.0], [1.0]], dtype=torch.float64)], dim=1)

    def _caught_up(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Weights, means and squares of the rows `[U]` after the steps that they have missed: `[U, E]` each."""
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
        """Brings every row up to date and gives the embedding all of them back."""
        if self._missed.shape[1] > 1:
            every = torch.arange(len(self.weight))
            weights, mean, square = self._caught_up(every)
            with torch.no_grad():
                self.weight.copy_(weights)
            self._mean, self._square = mean, square
            self._restart()
        self._embedding.weight = self.weight


def gather(tables: Iterable[LazyTable], tokens: Tensor) -> Tensor:
    """Gathers the rows of the tokens `[B, L]` in each table; returns the tokens as places among these rows.

    Padding stays 0: its row is always the first.
    """
    with_padding = torch.cat([tokens.new_full((1,), PADDING), tokens.flatten()])
    rows, places = with_padding.unique(return_inverse=True)
    for table in tables:
        table.gather(rows)
    return places[1:].view_as(tokens)


def is_faster(vocabulary: int, tokens: NDArray[np.int64], batch_size: int, device: torch.device) -> bool:
    """Whether lazy updates are faster for a table of so many rows, where `tokens`, `[N, L]`, are what an epoch reads.

    On a CPU, from where `benchmarks.vocabulary` finds it ahead; a GPU writes all rows faster than it finds the few.
    """
    steps = len(tokens) // batch_size
    if device.type != "cpu" or steps < _STEPS_AT_LEAST or vocabulary < _ROWS_PER_ROW_READ:
        return False
    read = len(np.unique(tokens[::steps][:batch_size]))
    return vocabulary >= _ROWS_PER_ROW_READ * read


_ROWS_PER_ROW_READ = 16
_STEPS_COUNTED = 2000
"""Then every row is brought up to date: what rows miss is counted step by step, for each of the steps before."""
_STEPS_AT_LEAST = 16
"""In an epoch, at whose end every row is brought up to date."""
