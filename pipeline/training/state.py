"""The state of a training between steps: its members, and the data and optimizer that they share.

A member is one network with its learning rate, its best weights so far and its patience. Members that train side by
side share batches, their order, and the arithmetic of a step (`fused.py`). The loop itself is in `loop.py`.
"""

import functools
import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.data.dataset import Dataset
from pipeline.data.inputs import Inputs
from pipeline.errors import UserError
from pipeline.results import Status
from pipeline.space import Assignment
from pipeline.training import architectures, fused
from pipeline.training.array import Array, state_dict_of, use_weights
from pipeline.training.evaluation import Tensors, to_device
from pipeline.training.hyperparameters import HYPERPARAMETERS, Settings
from pipeline.training.optimizer import ArrayAdamW, Optimizer, SeparateAdamW

Architecture = str | Callable[[Inputs], nn.Module]
"""The name of a built-in architecture, or a function that makes a network for these inputs."""


class Member:
    """A network on its device, with its progress in the training."""

    def __init__(self, index: int, network: nn.Module, settings: Settings) -> None:
        self.index = index
        """Its place among the settings of the training."""
        self.network, self.settings = network, settings
        self.learning_rate = settings.learning_rate
        """Learning rate of the next step."""
        self.row: Tensor | None = None
        """All its weights, `[P]`, while it is in an array."""
        self.status: Status | None = None
        """None while it trains."""
        self.at_limit = False
        """True if the training ended at `max_epochs` while `mse_valid` still improved."""
        self.epochs = self.passes = self.steps = 0
        self.loss = math.nan
        """Mean loss of the last epoch."""
        self.best_epoch, self.best_mse_valid = 0, math.inf
        self.best_weights: dict[str, Tensor] = {}
        self.rows, self.seconds = 0, 0.0
        """Rows that it was trained on, counted again in every pass, and its share of the seconds that this took."""
        self._is_finite = True
        self._epochs_since_decay = 0

    def end_epoch(self, epoch: int, loss: float, mse_valid: float) -> None:
        """Takes the measurements of an epoch, counted from 1; keeps the weights if they are the best so far."""
        self.epochs, self.loss = epoch, loss
        self._is_finite = math.isfinite(loss) and math.isfinite(mse_valid)
        if self._is_finite and mse_valid < self.best_mse_valid:
            self.best_epoch, self.best_mse_valid, self._epochs_since_decay = epoch, mse_valid, 0
            self.best_weights = self._copy_weights()
        else:
            self._epochs_since_decay += 1

    def end_or_decay(self, max_epochs: int, *, stop: bool) -> None:
        """Sets the status if the epoch was the last; else decays the learning rate if that is due."""
        epochs_without_gain = self.epochs - self.best_epoch
        if not self._is_finite:
            self.status = Status.DIVERGED
        elif epochs_without_gain >= self.settings.early_stopping_patience:
            self.status = Status.COMPLETE
        elif self.epochs == max_epochs:
            self.status = Status.COMPLETE
            # Still improving means: the epochs without gain are too few for the learning rate to decay.
            self.at_limit = epochs_without_gain < self.settings.decay_patience
        elif stop:
            self.status = Status.STOPPED
        elif self._epochs_since_decay == self.settings.decay_patience:
            self._epochs_since_decay = 0
            self.learning_rate *= self.settings.decay_factor

    def leave_array(self) -> None:
        """Copies the weights into the network, so that it does not keep the array's memory."""
        if self.row is not None:
            use_weights(self.row.clone(), self.network)
            self.row = None

    def _copy_weights(self) -> dict[str, Tensor]:
        if self.row is not None:  # copies all tensors at once, which is faster than one by one
            return state_dict_of(self.row.clone(), self.network)
        return {key: value.detach().clone() for key, value in self.network.state_dict().items()}


class TrainState:
    """Members that train side by side, with the data on the device, the order of the rows, and the optimizer."""

    def __init__(
        self,
        architecture: Architecture,
        settings: Sequence[Assignment],
        dataset: Dataset,
        seed: int,
        device: torch.device,
    ) -> None:
        self.members = _new_members(architecture, settings, dataset.inputs, seed, device)
        """The members that are still training."""
        self.size = len(self.members)
        """Number of members at the start."""
        self.dataset, self.device = dataset, device
        # An array stays an array even when one member is left, because its optimizer is made for arrays.
        self._is_array = self.size > 1 and device.type in fused.ARRAYS_ON
        self._fuse()
        networks = [member.network for member in self.members]
        member_settings = [member.settings for member in self.members]
        self.optimizer: Optimizer = (
            ArrayAdamW(self.module, member_settings)
            if isinstance(self.module, Array)
            else SeparateAdamW(networks, member_settings, dataset.train.tokens, device)
        )
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        self.train, self.valid = to_device(dataset.train, device), to_device(dataset.valid, device)
        self.order = torch.Generator(device).manual_seed(seed)

    def _fuse(self) -> None:
        networks = [member.network for member in self.members]
        self.module = fused.fuse(networks, as_array=self._is_array)
        """Computes all members at once. In an array, some of them may have ended already (see `remove_ended`)."""
        for member, row in zip(self.members, self.module.rows if isinstance(self.module, Array) else (), strict=False):
            member.row = row
        self.places = list(range(len(networks)))
        """Place of each member in the module's results: `[0, 2]` after member 1 has left."""
        self.total_loss = torch.zeros(len(networks), dtype=torch.float64, device=self.device)
        """Sum of the losses at each place, over the rows of the epoch so far."""

    def begin_epoch(self) -> None:
        """Gives the members' learning rates to the optimizer and resets the losses."""
        rates = [0.0] * len(self.total_loss)
        for place, member in zip(self.places, self.members, strict=True):
            rates[place] = member.learning_rate
        self.optimizer.set_rates(rates)
        self.total_loss.zero_()
        self.module.train()

    def remove_ended(self) -> list[Member]:
        """Removes the members whose training has ended, and returns them."""
        ended = [member for member in self.members if member.status is not None]
        remaining = [
            (place, member) for place, member in zip(self.places, self.members, strict=True) if not member.status
        ]
        self.places, self.members = [place for place, _ in remaining], [member for _, member in remaining]
        for member in ended:
            member.leave_array()
        # Making an array smaller takes as long as an epoch, because its steps are recorded anew. So ended members stay
        # in it until they are half of it or more.
        if ended and remaining and (not self._is_array or len(remaining) <= len(self.total_loss) / 2):
            places = self.places
            self._fuse()
            self.optimizer.keep(places, self.module)
        return ended

    @functools.cached_property
    def test(self) -> Tensors:
        """The test part; copied to the device when the first member ends."""
        return to_device(self.dataset.test, self.device)


def private_random_numbers(device: torch.device) -> AbstractContextManager[None]:
    """A context at whose end torch's global generators have the state that they had at its start."""
    return torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])


def _new_members(
    architecture: Architecture, assignments: Sequence[Assignment], inputs: Inputs, seed: int, device: torch.device
) -> list[Member]:
    """An untrained member per assignment. Raises UserError for an unknown hyperparameter."""
    members = []
    for index, assignment in enumerate(assignments):
        # The seed is set before each network, so that all begin with the same weights. The random numbers of the
        # training come after those of the last network.
        torch.manual_seed(seed)
        network, settings = _build(architecture, assignment, inputs)
        members.append(Member(index, network.to(device), settings))
    return members


def _build(architecture: Architecture, assignment: Assignment, inputs: Inputs) -> tuple[nn.Module, Settings]:
    if isinstance(architecture, str):
        values = architectures.complete(architecture, assignment)
        network: nn.Module = architectures.build(architecture, assignment, inputs)
    else:
        values = {name: declared["default"] for name, declared in HYPERPARAMETERS.items()} | assignment
        if unknown := values.keys() - HYPERPARAMETERS.keys():
            raise UserError(f'the training loop has no hyperparameter "{min(unknown)}"')
        network = architecture(inputs)
    settings: dict[str, Any] = {field.name: values[field.name] for field in fields(Settings)}
    return network, Settings(**settings)
