"""AdamW for a table of which a batch reads few rows: a row is brought up to date when it is read, and not before.

A row without a gradient moves all the same, by its momentum and by weight decay. What it misses while nobody reads it
is a sum that does not depend on the row, but for two factors, so that it can be made up for at once. Carpenter 2008,
"Lazy Sparse Stochastic Gradient Descent for Regularized Multinomial Logistic Regression", and Lipton and Elkan 2015,
"Efficient Elastic Net Regularization for Sparse Linear Models", do so for plain gradient descent; here it is AdamW
(Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization") as torch computes it, with one approximation: the
small constant in the denominator is that of the mean missed step. It moves a weight by less than rounding does, unless
its gradients are about as small as the constant itself (1e-8).
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

BETAS = (0.9, 0.999)
EPSILON = 1e-8


class LateTable:
    """The weights `[V, E]` of an embedding, and what AdamW keeps of them; each row as it was when it was last read.

    Between `read` and `learn` the embedding has only the rows of a batch. Only `settle` makes it whole.
    """

    def __init__(self, embedding: nn.Embedding | nn.EmbeddingBag, weight_decay: float) -> None:
        self._embedding, self.whole = embedding, embedding.weight
        self._weight_decay = weight_decay
        self._mean, self._square = torch.zeros_like(self.whole), torch.zeros_like(self.whole)
        self._step = 0
        self._begin()

    def _begin(self) -> None:
        """From here on steps are counted that a row may miss: no row has missed any."""
        self._last = torch.zeros(len(self.whole), dtype=torch.int64)
        # For a row that was last read after each of the steps so far: what the rest has made of it.
        self._missed = torch.zeros(3, 1, dtype=torch.float64)
        self._missed[2] = 1.0

    def read(self, rows: Tensor) -> None:
        """Gives the embedding the rows `[U]` alone, up to date, in this order."""
        self._rows = rows
        weights, self._own_mean, self._own_square = self._caught_up(rows)
        self._embedding.weight = nn.Parameter(weights)

    def learn(self, learning_rate: float) -> None:
        """AdamW's step for the rows that were read, by the gradient that they have got."""
        weights, gradient = self._embedding.weight, self._embedding.weight.grad
        assert gradient is not None
        self._step += 1
        (beta1, beta2), kept = BETAS, 1 - learning_rate * self._weight_decay
        first, second = 1 - beta1**self._step, math.sqrt(1 - beta2**self._step)
        with torch.no_grad():
            mean, square = self._own_mean, self._own_square
            mean.lerp_(gradient, 1 - beta1)
            square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
            weights.mul_(kept).addcdiv_(mean, square.sqrt().div_(second).add_(EPSILON), value=-learning_rate / first)
            for whole, rows in ((self.whole, weights), (self._mean, mean), (self._square, square)):
                whole.index_copy_(0, self._rows, rows)
        self._miss(kept, learning_rate * second / first, second)
        self._last[self._rows] = self._missed.shape[1] - 1
        if self._missed.shape[1] > _STEPS_COUNTED:
            self.settle()

    def _miss(self, kept: float, rate: float, second: float) -> None:
        """Adds this step to what rows miss, by the step after which they were last read; and one for those of now."""
        (beta1, beta2), count = BETAS, self._missed.shape[1]
        gap = torch.arange(count, 0, -1, dtype=torch.float64)
        moved, slack, decayed = self._missed
        moved.mul_(kept).add_(rate * (beta1 / math.sqrt(beta2)) ** gap)
        slack.mul_(kept).add_(rate * second * (beta1 / beta2) ** gap)
        decayed.mul_(kept)
        self._missed = torch.cat([self._missed, torch.tensor([[0.0], [0.0], [1.0]], dtype=torch.float64)], dim=1)

    def _caught_up(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The weights, means and squares of the rows after the steps that they have missed."""
        last = self._last[rows]
        gap = (self._missed.shape[1] - 1 - last).to(torch.float64)
        moved, slack, decayed = self._missed[:, last]
        slack = torch.where(moved > 0, slack / moved.clamp(min=1e-300), 1.0)
        columns = torch.stack([moved, EPSILON * slack, decayed, BETAS[0] ** gap, BETAS[1] ** gap])
        moved, slack, decayed, first, second = columns.to(self.whole.dtype)[:, :, None]
        with torch.no_grad():
            weights, mean, square = (whole.index_select(0, rows) for whole in (self.whole, self._mean, self._square))
            weights.mul_(decayed).sub_(moved * mean / square.sqrt().add_(slack))
            return weights, mean.mul_(first), square.mul_(second)

    def settle(self) -> None:
        """Brings every row up to date and gives the embedding all of them back."""
        if self._missed.shape[1] > 1:
            every = torch.arange(len(self.whole))
            weights, mean, square = self._caught_up(every)
            with torch.no_grad():
                self.whole.copy_(weights)
            self._mean, self._square = mean, square
            self._begin()
        self._embedding.weight = self.whole


def pays(vocabulary: int, tokens: NDArray[np.int64], batch_size: int, device: torch.device) -> bool:
    """Whether a table of so many rows is better brought up to date late, where these `[N, L]` are the tokens read.

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
