"""The outcome of a training: the network with its best weights, and its metrics."""

import math
import resource
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from pipeline.results import Status
from pipeline.training.evaluation import Tensors, evaluate
from pipeline.training.job import TRAIN_SAMPLE, mse_metrics
from pipeline.training.state import Member, TrainState


@dataclass(frozen=True)
class Outcome:
    """The outcome of a training. The network has the weights of its best epoch and is in evaluation mode.

    `best_epoch` is 0 if no epoch ended with finite errors; then the errors among the metrics are NaN. Those of a
    diverged training are NaN even if earlier epochs were good: its model is not worth keeping.
    """

    status: Status
    epochs: int
    best_epoch: int
    metrics: dict[str, float]
    network: nn.Module
    seconds: float
    """Time of the training, including its measurements; the network's share if several trained side by side."""
    notes: tuple[str, ...] = ()
    """Reasons why the training was slower than necessary."""


def outcome_of(member: Member, state: TrainState, seconds: float, notes: tuple[str, ...] = ()) -> Outcome:
    """Restores the best weights of a member that has ended, and measures them. `seconds` is its time so far."""
    started = time.monotonic()
    assert member.status is not None
    network = member.network
    if member.best_weights:
        network.load_state_dict(member.best_weights)
    metrics = _errors(member, state)
    network.eval()
    metrics |= {
        "loss": member.loss,
        "steps": member.steps,
        "passes": member.passes,
        "best_epoch": member.best_epoch,
        "at_limit": int(member.at_limit),
        "examples_per_second": member.rows / member.seconds if member.seconds else math.nan,
        "peak_memory_mb": _peak_memory_mb(state),
        "weights": sum(parameter.numel() for parameter in network.parameters()),
    }
    seconds += time.monotonic() - started
    return Outcome(member.status, member.epochs, member.best_epoch, metrics, network, seconds, notes)


def _errors(member: Member, state: TrainState) -> dict[str, float]:
    """Mean squared errors of the standardised targets, as `mse_metrics` names them."""
    names = state.dataset.target_names
    if member.status is Status.DIVERGED or not member.best_epoch:
        return mse_metrics(np.full(len(names), math.nan), math.nan, math.nan, names)
    count = len(state.dataset.train)
    sample = torch.arange(0, count, math.ceil(count / TRAIN_SAMPLE), device=state.device)
    tokens, dense, targets = state.train
    train_rows: Tensors = tokens[sample], dense[sample], targets[sample]
    test = evaluate(member.network, state.test)
    train = float(np.mean(evaluate(member.network, train_rows)))
    return mse_metrics(test, train, member.best_mse_valid, names)


def _peak_memory_mb(state: TrainState) -> float:
    """Peak memory in MiB: on CUDA the training's, divided by its networks; on a CPU the process's since its start."""
    if state.device.type == "cuda":
        return torch.cuda.max_memory_allocated(state.device) / 2**20 / state.size
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
