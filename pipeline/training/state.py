"""What a training keeps from one step to the next: its networks, and what they share.

A member is one network: its learning rate, its best weights so far, its patience. Networks that train side by side
share batches, their order, and a step's arithmetic (`fused.py`). How they are trained is told in `loop.py`.
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
from pipeline.training.array import Array, by_name, live_in
from pipeline.training.evaluation import Tensors, to_device
from pipeline.training.hyperparameters import HYPERPARAMETERS, Settings
from pipeline.training.optimizer import ArrayAdamW, Optimizer, SeparateAdamW

Architecture = str | Callable[[Inputs], nn.Module]
"""The name of a built-in one, or a function that makes a network."""


class Member:
    """A network on its device, with what training has made of it."""

    def __init__(self, index: int, network: nn.Module, settings: Settings) -> None:
        self.index = index
        """Its place among the settings of the training."""
        self.network, self.settings = network, settings
        self.learning_rate = settings.learning_rate
        """The one of the next step."""
        self.row: Tensor | None = None
        """All its weights, `[P]`, while it is in an array."""
        self.status: Status | None = None
        """How it ended; None while it trains."""
        self.at_limit = False
        """Whether the number of epochs ended it while it still improved."""
        self.epochs = self.passes = self.steps = 0
        self.loss = math.nan
        """Mean loss of the last epoch."""
        self.best_epoch, self.best_mse_valid = 0, math.inf
        self.best_weights: dict[str, Tensor] = {}
        self.rows, self.seconds = 0, 0.0
        """Rows that it has learned from, and its share of the seconds that this took."""
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

    def go_on(self, max_epochs: int, *, stop: bool) -> None:
        """Ends the training if the epoch was its last; else decays the learning rate if that is due."""
        without_gain = self.epochs - self.best_epoch
        if not self._is_finite:
            self.status = Status.DIVERGED
        elif without_gain >= self.settings.early_stopping_patience:
            self.status = Status.COMPLETE
        elif self.epochs == max_epochs:
            self.status = Status.COMPLETE
            # No plateau at its end that would have made the learning rate decay.
            self.at_limit = without_gain < self.settings.decay_patience
        elif stop:
            self.status = Status.STOPPED
        elif self._epochs_since_decay == self.settings.decay_patience:
            self._epochs_since_decay = 0
            self.learning_rate *= self.settings.decay_factor

    def leave_array(self) -> None:
        """Gives the network weights of its own, which nobody else keeps in memory."""
        if self.row is not None:
            live_in(self.row.clone(), self.network)
            self.row = None

    def _copy_weights(self) -> dict[str, Tensor]:
        if self.row is not None:  # one copy, not one for each tensor
            return by_name(self.row.clone(), self.network)
        return {key: value.detach().clone() for key, value in self.network.state_dict().items()}


class TrainState:
    """Networks that train side by side, and what they share: the data on the device and the order of the rows."""

    def __init__(
        self,
        architecture: Architecture,
        settings: Sequence[Assignment],
        dataset: Dataset,
        seed: int,
        device: torch.device,
    ) -> None:
        self.members = _new_members(architecture, settings, dataset.inputs, seed, device)
        """Those that are still training."""
        self.size = len(self.members)
        """How many they were at first."""
        self.dataset, self.device = dataset, device
        # An array stays one until its last member leaves: so does its optimizer.
        self._is_array = self.size > 1 and device.type in fused.ARRAYS_ON
        self._fuse()
        own = [member.settings for member in self.members]
        networks = [member.network for member in self.members]
        self.optimizer: Optimizer = (
            ArrayAdamW(self.module, own)
            if isinstance(self.module, Array)
            else SeparateAdamW(networks, own, dataset.train.tokens, device)
        )
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        self.train, self.valid = to_device(dataset.train, device), to_device(dataset.valid, device)
        self.order = torch.Generator(device).manual_seed(seed)

    def _fuse(self) -> None:
        networks = [member.network for member in self.members]
        self.module = fused.fuse(networks, as_array=self._is_array)
        """Computes all members at once, and for a while such as have ended."""
        for member, row in zip(self.members, self.module.rows if isinstance(self.module, Array) else (), strict=False):
            member.row = row
        self.places = list(range(len(networks)))
        """Where each member stands in what the module gives."""
        self.total_loss = torch.zeros(len(networks), dtype=torch.float64, device=self.device)
        """At each place, over the rows of the epoch so far."""

    def begin_epoch(self) -> None:
        """Hands the members' learning rates to the optimizer; no loss is left."""
        rates = [0.0] * len(self.total_loss)
        for place, member in zip(self.places, self.members, strict=True):
            rates[place] = member.learning_rate
        self.optimizer.set_rates(rates)
        self.total_loss.zero_()
        self.module.train()

    def remove_ended(self) -> list[Member]:
        """Removes the members whose training has ended; returns them."""
        ended = [member for member in self.members if member.status is not None]
        staying = [(place, each) for place, each in zip(self.places, self.members, strict=True) if each.status is None]
        self.places, self.members = [place for place, _ in staying], [member for _, member in staying]
        for member in ended:
            member.leave_array()
        # To make an array smaller takes as long as an epoch of it, as its steps are recorded anew.
        if ended and staying and (not self._is_array or len(staying) <= len(self.total_loss) / 2):
            kept = self.places
            self._fuse()
            self.optimizer.keep(kept, self.module)
        return ended

    @functools.cached_property
    def test(self) -> Tensors:
        """On the device from when the first member ends."""
        return to_device(self.dataset.test, self.device)


def private_random_numbers(device: torch.device) -> AbstractContextManager[None]:
    """Within the context torch's generators may be seeded and drawn from; afterwards they are what they were."""
    return torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])


def _new_members(
    architecture: Architecture, assignments: Sequence[Assignment], inputs: Inputs, seed: int, device: torch.device
) -> list[Member]:
    """An untrained member per assignment; all begin alike. Raises UserError for an unknown hyperparameter."""
    members = []
    for index, assignment in enumerate(assignments):
        # Before each, so that all begin alike; the draws of the training follow those of the last one.
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
            raise UserError(f"the training loop has no hyperparameter {min(unknown)!r}")
        network = architecture(inputs)
    settings: dict[str, Any] = {field.name: values[field.name] for field in fields(Settings)}
    return network, Settings(**settings)
