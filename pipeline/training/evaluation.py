"""Predictions of a network and their errors. Nothing is learned here."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.data.dataset import Part

Tensors = tuple[Tensor, Tensor, Tensor]
"""Tokens `[N, L]`, dense features `[N, D]` and targets `[N, T]` of the same rows."""

ROWS_PER_STEP = 4096
"""Rows of a batch. Every setting uses the same number, so that rounding does not depend on its `batch_size`."""


def to_device(part: Part, device: torch.device) -> Tensors:
    """Copies the rows of a part to the device."""
    tokens, dense, targets = (torch.tensor(array, device=device) for array in (part.tokens, part.dense, part.targets))
    return tokens, dense, targets


def predict(network: nn.Module, tokens: Tensor, dense: Tensor) -> Iterator[Tensor]:
    """Yields predictions `[B, T]` in standardised units, batch by batch, without dropout and in full precision.

    Leaves the network in evaluation mode.
    """
    network.eval()
    for token_batch, dense_batch in zip(tokens.split(ROWS_PER_STEP), dense.split(ROWS_PER_STEP), strict=True):
        # Entered for each batch, so that the caller's code between two batches runs outside this mode.
        with torch.inference_mode():
            prediction = network(token_batch, dense_batch)
        yield prediction


def predicted(network: nn.Module, part: Part) -> NDArray[np.float32]:
    """Predictions `[N, T]` of a part's rows in standardised units, on the device of the network."""
    device = next(network.parameters()).device
    tokens, dense, _ = to_device(part, device)
    return np.concatenate([batch.cpu().numpy() for batch in predict(network, tokens, dense)])


def evaluate(network: nn.Module, rows: Tensors) -> NDArray[np.float64]:
    """Mean squared error of each target: `[T]`, or `[K, T]` for an array of K networks (`array.py`)."""
    tokens, dense, targets = rows
    total = torch.zeros((), dtype=torch.float64, device=targets.device)
    for prediction, target in zip(predict(network, tokens, dense), targets.split(ROWS_PER_STEP), strict=True):
        total = total + (prediction - target).square().sum(dim=-2)
    mean: NDArray[np.float64] = (total / len(targets)).cpu().numpy()
    return mean
