"""Trains networks on one dataset, epoch by epoch, until validation no longer improves.

The loop trains one network, or several side by side whose weights have the same shapes. An epoch is the training
between two validations: as many whole passes over the training rows as it takes to reach `epoch_steps` steps. So a
patience of five epochs means the same on few rows and on many. The data lie on the device as tensors; each pass cuts a
random order of the rows into batches. All random numbers come from the seed, and torch's global generators are left as
they were. Rows of results, files and TensorBoard are the caller's work.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NotRequired, Protocol, TypedDict, Unpack

import numpy as np
import torch
from torch import Tensor

from pipeline.data.dataset import Dataset
from pipeline.results import Status
from pipeline.space import Assignment
from pipeline.training.array import Array
from pipeline.training.evaluation import evaluate
from pipeline.training.memory import memory_errors_as_out_of_memory
from pipeline.training.outcome import Outcome, outcome_of
from pipeline.training.state import Architecture, TrainState, private_random_numbers
from pipeline.training.step import Step


@dataclass(frozen=True)
class Epoch:
    """Measurements of a network after an epoch. `number` counts from 1."""

    number: int
    metrics: dict[str, float]
    """`loss` and `mse_valid`."""
    learning_rate: float
    seconds: float


class Callback(Protocol):
    """Gets news of a training. `index` is a network's place among the settings; epochs count from 1."""

    def on_epoch_end(self, index: int, epoch: Epoch) -> None:
        """Called after an epoch: first for every network, and only then is `should_stop` called for each."""
        ...

    def should_stop(self, index: int, epoch: int) -> bool:
        """True if this epoch should be the network's last."""
        ...

    def on_train_end(self, index: int, outcome: Outcome) -> None:
        """Called once for each network, as soon as its training ends."""
        ...


class TrainOptions(TypedDict):
    """Keyword arguments of `train_array`, which `train` takes as well."""

    seed: int
    device: NotRequired[str | torch.device]
    max_epochs: int
    epoch_steps: NotRequired[int]
    deadline: NotRequired[float | None]


def train(
    architecture: Architecture,
    hyperparameters: Assignment,
    dataset: Dataset,
    *,
    on_epoch: Callable[[Epoch], bool | None] | None = None,
    **options: Unpack[TrainOptions],
) -> Outcome:
    """Trains one network as `train_array` does. `on_epoch` may return False to stop. Raises OutOfMemory."""
    callback = _SingleNetwork(on_epoch)
    train_array(architecture, [hyperparameters], dataset, callback=callback, **options)
    return callback.outcomes[0]


def train_array(
    architecture: Architecture,
    settings: Sequence[Assignment],
    dataset: Dataset,
    *,
    seed: int,
    device: str | torch.device = "cpu",
    max_epochs: int,
    epoch_steps: int = 1,
    deadline: float | None = None,
    callback: Callback,
) -> None:
    """Trains one network per setting, side by side, each as it would be trained alone.

    A training ends when `mse_valid` no longer improves, after `max_epochs`, or at the deadline, a time of
    `time.monotonic()`. An epoch is as many whole passes over the training rows as reach `epoch_steps` steps, at least
    one; nothing in it depends on `max_epochs`. Hyperparameters that a setting leaves out have their defaults.

    The settings may differ in every hyperparameter that changes no shape. On a CPU the results equal those of training
    alone to the last digit. On a GPU they differ by rounding, and by the draws of dropout inside torch's own layers.

    A network's seconds are its share of the time that all took together. The deadline limits this share: four networks
    side by side may train until four times as much time has passed.

    Raises OutOfMemory; outcomes that the callback already has stay valid.
    """
    if not (len(dataset.train) and len(dataset.valid) and len(dataset.test)):
        raise ValueError("a dataset needs rows in each of its three parts")
    if max_epochs < 1:
        raise ValueError(f"max_epochs is {max_epochs}, but must be at least 1")
    if epoch_steps < 1:
        raise ValueError(f"epoch_steps is {epoch_steps}, but must be at least 1")
    started, device = time.monotonic(), torch.device(device)
    limit = math.inf if deadline is None else deadline - started
    with memory_errors_as_out_of_memory(), private_random_numbers(device):
        state = TrainState(architecture, settings, dataset, seed, device)
        passes = passes_per_epoch(len(dataset.train), state.members[0].settings.batch_size, epoch_steps)
        step = Step(state)
        seconds_each, number = (time.monotonic() - started) / state.size, 0
        while state.members:
            started, count = time.monotonic(), len(state.members)
            losses = train_epoch(state, step, passes, deadline=started + (limit - seconds_each) * count)
            if losses is None:
                for member in state.members:
                    member.status = Status.TIMED_OUT
            else:
                # All members report the epoch before any is asked to stop: early stopping compares them.
                number += 1
                errors = evaluate_valid(state)
                seconds = (time.monotonic() - started) / count
                for member, loss, mse in zip(state.members, losses, errors, strict=True):
                    epoch = Epoch(number, {"loss": loss, "mse_valid": mse}, member.learning_rate, seconds)
                    member.end_epoch(number, loss, mse)
                    callback.on_epoch_end(member.index, epoch)
                for member in state.members:
                    member.end_or_decay(max_epochs, stop=callback.should_stop(member.index, number))
            seconds_each += (time.monotonic() - started) / count
            for member in state.remove_ended():
                callback.on_train_end(member.index, outcome_of(member, state, seconds_each, step.notes))


def passes_per_epoch(rows: int, batch_size: int, epoch_steps: int) -> int:
    """Number of whole passes over the rows that reach `epoch_steps` steps, at least one.

    1,500 rows in batches of 64 are 24 steps a pass: three passes reach 50.
    """
    return math.ceil(epoch_steps / math.ceil(rows / batch_size))


def train_epoch(state: TrainState, step: Step, passes: int, deadline: float) -> list[float] | None:
    """Trains for some passes over the rows. Returns the mean loss of each member; None if the deadline came first."""
    started, steps = time.monotonic(), 0
    state.begin_epoch()
    count = len(state.dataset.train)
    try:
        for rows in _batches(state, passes):
            if time.monotonic() >= deadline:
                return None
            step(rows)
            steps += 1
    finally:
        state.optimizer.flush()
        for member in state.members:
            member.steps += steps
    # Losses are copied from the device only at the end of the epoch, because each copy waits until the device is done.
    losses: list[float] = (state.total_loss / (passes * count)).tolist()
    for member in state.members:
        member.seconds += (time.monotonic() - started) / len(state.members)
        member.rows += passes * count
        member.passes += passes
    return [losses[place] for place in state.places]


def _batches(state: TrainState, passes: int) -> Iterator[Tensor]:
    """Yields batches: the numbers of their training rows, `[B]`. Every pass has all rows in a new order."""
    for _ in range(passes):
        order = torch.randperm(len(state.dataset.train), generator=state.order, device=state.device)
        yield from order.split(state.members[0].settings.batch_size)


def evaluate_valid(state: TrainState) -> list[float]:
    """`mse_valid` of each member."""
    if isinstance(state.module, Array):
        errors = list(evaluate(state.module, state.valid)[state.places])
    else:
        errors = [evaluate(member.network, state.valid) for member in state.members]
    return [float(np.mean(errors_by_target)) for errors_by_target in errors]


class _SingleNetwork(Callback):
    """Keeps the outcome of a training of one network."""

    def __init__(self, on_epoch: Callable[[Epoch], bool | None] | None) -> None:
        self._on_epoch, self._stop = on_epoch, False
        self.outcomes: list[Outcome] = []

    def on_epoch_end(self, index: int, epoch: Epoch) -> None:
        self._stop = self._on_epoch is not None and self._on_epoch(epoch) is False

    def should_stop(self, index: int, epoch: int) -> bool:
        return self._stop

    def on_train_end(self, index: int, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
