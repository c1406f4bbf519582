"""Trains one network on one dataset and measures it.

The data lie on the device as tensors; batches are rows of a permutation. Everything random comes from the seed, and
nothing of it leaks to the caller. What becomes of the outcome (a row, files, TensorBoard) is `trial.py`'s work.
"""

import math
import resource
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.data.dataset import Dataset, Part
from pipeline.data.inputs import PADDING, Inputs
from pipeline.errors import UserError
from pipeline.space import Assignment
from pipeline.training import architectures, lazy_adamw
from pipeline.training.fused import Array, SideBySide
from pipeline.training.lazy_adamw import LateTable

HYPERPARAMETERS = {
    "learning_rate": {
        "default": 0.001,
        "domain": {"low": 0.0001, "high": 0.1, "log": True},
        "limits": {"low": 0.0, "high": 1000.0},
        "phase": "learning-rate",
        "help": "initial learning rate of AdamW",
        "shapes": False,
    },
    "weight_decay": {
        "default": 0.01,
        "domain": [0.0, 0.0001, 0.001, 0.01, 0.1],
        "limits": {"low": 0.0, "high": 1000.0},
        "help": "weight decay of AdamW",
        "shapes": False,
    },
    "batch_size": {
        "default": 1024,
        "domain": [256, 512, 1024, 2048, 4096],
        "limits": {"low": 1, "high": 16777216},
        "help": "rows per step",
    },
    "decay_factor": {
        "default": 0.5,
        "domain": {"low": 0.1, "high": 0.9},
        "limits": {"low": 0.0, "high": 1.0},
        "phase": "learning-rate",
        "help": "what the learning rate is multiplied by when mse_valid no longer improves; 1 = never decay",
        "shapes": False,
    },
    "decay_patience": {
        "default": 2,
        "domain": [1, 2, 3, 5],
        "limits": {"low": 1, "high": 1000000},
        "phase": "learning-rate",
        "help": "epochs in a row without a better mse_valid after which the learning rate decays",
        "shapes": False,
    },
    "early_stopping_patience": {
        "default": 5,
        "domain": [3, 5, 10],
        "limits": {"low": 1, "high": 1000000},
        "phase": "learning-rate",
        "help": "epochs in a row without a better mse_valid after which training ends",
        "shapes": False,
    },
    "gradient_clip": {
        "default": 0.0,
        "domain": [0.0, 0.1, 1.0, 10.0],
        "limits": {"low": 0.0, "high": 1000000.0},
        "help": "largest norm of the gradient; 0 = no clipping",
        "shapes": False,
    },
}

EVALUATION_ROWS = 4096
"""Rows per step where nothing is learned; a constant, so that a measurement does not depend on the setting."""
TRAIN_SAMPLE = 20_000
"""`mse_train` is measured on at most so many rows, spread evenly over the training part."""

Status = Literal["complete", "stopped", "diverged", "timed-out"]


class OutOfMemory(Exception):
    """The device (or this machine) has too little memory for the setting."""


@dataclass(frozen=True)
class Settings:
    """The loop's hyperparameters, as declared above."""

    learning_rate: float
    weight_decay: float
    batch_size: int
    decay_factor: float
    decay_patience: int
    early_stopping_patience: int
    gradient_clip: float


@dataclass(frozen=True)
class Epoch:
    """What is known after an epoch, for whoever watches. `number` counts from 1."""

    number: int
    metrics: dict[str, float]
    learning_rate: float
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """How a training ended. The network has the weights of its best epoch and is in evaluation mode.

    `best_epoch` is 0 where no epoch was finished with finite errors. The metrics of a training that diverged are
    NaN, whatever it reached before: there is no model that one would keep.
    """

    status: Status
    epochs: int
    best_epoch: int
    metrics: dict[str, float]
    network: nn.Module
    seconds: float
    """Of the whole training with its measurements; a share of them where several trained side by side."""


def train(
    architecture: str | Callable[[Inputs], nn.Module],
    hyperparameters: Assignment,
    dataset: Dataset,
    *,
    seed: int,
    device: str | torch.device = "cpu",
    max_epochs: int,
    deadline: float | None = None,
    on_epoch: Callable[[Epoch], bool | None] | None = None,
) -> Outcome:
    """Trains until `mse_valid` no longer improves, `max_epochs` are over, or `deadline` (`time.monotonic()`) passes.

    An architecture is a name, or a function that makes a network; hyperparameters that are not given have their
    defaults. `on_epoch` may return False to stop. Raises OutOfMemory.
    """
    ends: list[Outcome] = []
    wanted: list[bool | None] = []
    train_array(
        architecture,
        [hyperparameters],
        dataset,
        seed=seed,
        device=device,
        max_epochs=max_epochs,
        deadline=deadline,
        on_epoch=lambda _, epoch: wanted.append(on_epoch(epoch) if on_epoch else True),
        goes_on=lambda *_: wanted[-1] is not False,
        on_end=lambda _, outcome: ends.append(outcome),
    )
    return ends[0]


def train_array(
    architecture: str | Callable[[Inputs], nn.Module],
    settings: Sequence[Assignment],
    dataset: Dataset,
    *,
    seed: int,
    device: str | torch.device = "cpu",
    max_epochs: int,
    deadline: float | None = None,
    on_epoch: Callable[[int, Epoch], None],
    goes_on: Callable[[int, int], bool] = lambda at, epoch: True,
    on_end: Callable[[int, Outcome], None],
) -> None:
    """Trains one network per setting, all of them side by side; each comes out as `train` would have trained it alone.

    To the last digit on a CPU, but for rounding on a GPU. The settings may differ in whatever is not a shape. After an
    epoch `on_epoch` is called with the place of each setting and what it came to, then `goes_on` with its place and the
    epoch. A network that ends takes no further part and is told to `on_end`. Seconds are shares of the time that all
    took together, and so is what is left until the deadline. Raises OutOfMemory; what has ended before stands.
    """
    if not (len(dataset.train) and len(dataset.valid) and len(dataset.test)):
        raise ValueError("a dataset needs rows in each of its three parts")
    device = torch.device(device)
    began = time.monotonic()
    limit = math.inf if deadline is None else deadline - began
    with out_of_memory_is_typed(), _own_random_numbers(device):
        training = _Training(_members(architecture, settings, dataset, seed, device), dataset, seed, device)
        training.run(began, max_epochs, limit, on_epoch, goes_on, on_end)


def seconds_per_step(
    architecture: str, settings: Sequence[Assignment], dataset: Dataset, *, device: str | torch.device, steps: int = 6
) -> float:
    """Seconds of a training step with one network per setting; the fastest of a few, for others may be at work here.

    Raises OutOfMemory.
    """
    device, taken = torch.device(device), []
    with out_of_memory_is_typed(), _own_random_numbers(device):
        members = _members(architecture, settings, dataset, 0, device)
        training, joint = _Training(members, dataset, 0, device), _joint(members, device).train()
        rows = torch.randperm(len(dataset.train), device=device)[: members[0].settings.batch_size]
        for _ in range(1 + steps):
            began = time.perf_counter()
            training.step(members, joint, rows)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            taken.append(time.perf_counter() - began)
    del members, training, joint
    if device.type == "cuda":
        torch.cuda.empty_cache()  # others may share the device
    return min(taken[1:])  # the first makes ready what the others use


def predict(network: nn.Module, tokens: Tensor, dense: Tensor) -> Iterator[Tensor]:
    """The predictions, batch by batch, without dropout and in full precision. The network stays in evaluation mode."""
    network.eval()
    for some_tokens, some_dense in zip(tokens.split(EVALUATION_ROWS), dense.split(EVALUATION_ROWS), strict=True):
        # Not around the loop: between two batches the caller's code runs.
        with torch.inference_mode():
            prediction = network(some_tokens, some_dense)
        yield prediction


def build(architecture: str, hyperparameters: Assignment, inputs: Inputs) -> nn.Module:
    """The untrained network of a named architecture; hyperparameters of the loop are passed over."""
    values = architectures.complete(architecture, hyperparameters)
    arguments: dict[str, Any] = {key: values[key] for key in architectures.own(architecture)}
    return architectures.network(architecture)(inputs, **arguments)


@contextmanager
def out_of_memory_is_typed() -> Iterator[None]:
    """Turns the several ways in which torch says that memory is short into OutOfMemory."""
    said = None
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        said = str(error) or type(error).__name__
    except RuntimeError as error:
        if not any(sign in str(error) for sign in _SHORT_OF_MEMORY):
            raise
        said = str(error)
    # Raised out here, the error does not keep the frames, and with them the tensors, of the one that was caught.
    if said is not None:
        raise OutOfMemory(" ".join(said.split("\n")[0].split()))


_SHORT_OF_MEMORY = ("not enough memory", "can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED", "out of memory")


class _Member:
    """One of the networks that are trained side by side, and how far it has come."""

    def __init__(self, at: int, network: nn.Module, settings: Settings, dataset: Dataset, device: torch.device) -> None:
        self.at, self.network, self.settings = at, network.to(device), settings
        self.late = [
            LateTable(module, settings.weight_decay)
            for module in network.modules()
            if isinstance(module, nn.Embedding | nn.EmbeddingBag)
            and lazy_adamw.pays(module.num_embeddings, dataset.train.tokens, settings.batch_size, device)
        ]
        # Fused is a quarter faster than the default on one CPU thread with a large embedding, and faster on CUDA.
        self.optimizer = torch.optim.AdamW(
            [weight for weight in network.parameters() if all(weight is not table.whole for table in self.late)],
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            betas=lazy_adamw.BETAS,
            eps=lazy_adamw.EPSILON,
            fused=device.type in ("cpu", "cuda"),
        )
        self.status: Status | None = None
        self.epochs, self.best_epoch, self.best_valid, self.loss = 0, 0, math.inf, math.nan
        self.best_weights: dict[str, Tensor] = {}
        self.since_decay = 0
        self.seconds, self.rows = 0.0, 0

    @property
    def learning_rate(self) -> float:
        rate: float = self.optimizer.param_groups[0]["lr"]
        return rate

    def step(self) -> None:
        if self.settings.gradient_clip:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.gradient_clip)
        self.optimizer.step()
        for table in self.late:
            table.learn(self.learning_rate)

    def note(self, epoch: Epoch) -> None:
        """Keeps the weights of the best epoch."""
        self.epochs, self.loss, mse_valid = epoch.number, epoch.metrics["loss"], epoch.metrics["mse_valid"]
        if self._is_finite(epoch) and mse_valid < self.best_valid:
            self.best_epoch, self.best_valid, self.since_decay = epoch.number, mse_valid, 0
            self.best_weights = {key: value.detach().clone() for key, value in self.network.state_dict().items()}
        else:
            self.since_decay += 1

    def go_on(self, epoch: Epoch, max_epochs: int, wanted: bool) -> None:
        """Decides whether the epoch was the last, and with which learning rate the next one begins."""
        if not self._is_finite(epoch):
            self.status = "diverged"
        elif self.epochs - self.best_epoch >= self.settings.early_stopping_patience or self.epochs == max_epochs:
            self.status = "complete"
        elif not wanted:
            self.status = "stopped"
        elif self.since_decay == self.settings.decay_patience:
            self.since_decay = 0
            for group in self.optimizer.param_groups:
                group["lr"] *= self.settings.decay_factor

    @staticmethod
    def _is_finite(epoch: Epoch) -> bool:
        return all(map(math.isfinite, (epoch.metrics["loss"], epoch.metrics["mse_valid"])))


class _Training:
    def __init__(self, members: list[_Member], dataset: Dataset, seed: int, device: torch.device) -> None:
        self.members, self.size, self.dataset, self.device = members, len(members), dataset, device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        self.train, self.valid = _on(device, dataset.train), _on(device, dataset.valid)
        self.order = torch.Generator(device).manual_seed(seed)

    def run(
        self,
        began: float,
        max_epochs: int,
        limit: float,
        on_epoch: Callable[[int, Epoch], None],
        goes_on: Callable[[int, int], bool],
        on_end: Callable[[int, Outcome], None],
    ) -> None:
        """`limit` is how many seconds each may take, of its own share, since `began` (`time.monotonic()`)."""
        number, running, self.members = 0, self.members, []
        joint = _joint(running, self.device)
        spent = (time.monotonic() - began) / len(running)
        while running and number < max_epochs:
            began = time.monotonic()
            losses = self._epoch(running, joint, began + (limit - spent) * len(running))
            if losses is None:
                spent += (time.monotonic() - began) / len(running)
                for member in running:
                    member.status = "timed-out"
                break
            number += 1
            errors = self._valid_errors(running, joint)
            seconds = (time.monotonic() - began) / len(running)
            told = []
            for member, loss, mse in zip(running, losses, errors, strict=True):
                metrics = {"loss": loss, "mse_valid": float(np.mean(mse))}
                told.append((member, Epoch(number, metrics, member.learning_rate, seconds)))
                member.note(told[-1][1])
                on_epoch(member.at, told[-1][1])
            for member, epoch in told:
                member.go_on(epoch, max_epochs, goes_on(member.at, number))
            spent += (time.monotonic() - began) / len(running)
            left = [member for member in running if member.status is None]
            if len(left) < len(running):
                joint = _joint(left, self.device)
                for member in running:
                    if member.status is not None:
                        on_end(member.at, self._outcome(member, spent))
                running = left
        for member in running:
            member.status = member.status or "complete"
            on_end(member.at, self._outcome(member, spent))

    def _epoch(self, members: list[_Member], joint: nn.Module, deadline: float) -> list[float] | None:
        """Each member's mean loss in one pass over the rows; None if the deadline came first."""
        began = time.monotonic()
        joint.train()
        count = len(self.dataset.train)
        # Nothing is read back from the device before the epoch is over: each reading would be a wait.
        total = torch.zeros(len(members), dtype=torch.float64, device=self.device)
        order = torch.randperm(count, generator=self.order, device=self.device)
        try:
            for rows in order.split(members[0].settings.batch_size):
                if time.monotonic() >= deadline:
                    return None
                total += self.step(members, joint, rows) * len(rows)
        finally:
            for table in (table for member in members for table in member.late):
                table.settle()
        means: list[float] = (total / count).tolist()
        for member in members:
            member.seconds += (time.monotonic() - began) / len(members)
            member.rows += count
        return means

    def step(self, members: Sequence[_Member], joint: nn.Module, rows: Tensor) -> Tensor:
        """Learns from some rows; each member's loss, `[K]`, on the device."""
        tokens, dense, targets = (tensor[rows] for tensor in self.train)
        if members[0].late:
            tokens = self._read_late(members, tokens)
        for member in members:
            member.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.device.type == "cuda"):
            loss, _ = joint.loss(tokens, dense, targets)  # type: ignore[operator]
        # Each loss depends on one member's weights alone, so that the gradient of the sum is each member's own.
        loss.sum().backward()
        for member in members:
            member.step()
        return loss.detach()

    def _valid_errors(self, members: Sequence[_Member], joint: nn.Module) -> NDArray[np.float64]:
        """The mean squared error of each member and target, `[K, T]`."""
        if isinstance(joint, Array):
            return _mse(joint, self.valid)
        return np.stack([_mse(member.network, self.valid) for member in members])

    @staticmethod
    def _read_late(members: Sequence[_Member], tokens: Tensor) -> Tensor:
        """Reads the rows of the tokens; returns the tokens as places among these rows, padding first as ever."""
        with_padding = torch.cat([tokens.new_full((1,), PADDING), tokens.flatten()])
        rows, places = with_padding.unique(return_inverse=True)
        for table in (table for member in members for table in member.late):
            table.read(rows)
        return places[1:].view_as(tokens)

    def _outcome(self, member: _Member, seconds: float) -> Outcome:
        """`seconds`: its share until it ended."""
        began = time.monotonic()
        assert member.status is not None
        network = member.network
        if member.best_weights:
            network.load_state_dict(member.best_weights)
        errors = self._errors(member)
        network.eval()
        figures = {
            "loss": member.loss,
            "examples_per_second": member.rows / member.seconds if member.seconds else math.nan,
            "peak_memory_mb": self._peak_memory_mb(),
            "weights": sum(parameter.numel() for parameter in network.parameters()),
        }
        seconds += time.monotonic() - began
        return Outcome(member.status, member.epochs, member.best_epoch, errors | figures, network, seconds)

    def _errors(self, member: _Member) -> dict[str, float]:
        """The mean squared errors, of standardised targets; over all targets, and on test for each of several."""
        names = self.dataset.target_names if len(self.dataset.target_names) > 1 else ()
        if member.status == "diverged" or not member.best_epoch:
            keys = ["mse_test", "mse_train", "mse_valid", *(f"mse_test_{name}" for name in names)]
            return dict.fromkeys(keys, math.nan)
        count = len(self.dataset.train)
        sample = torch.arange(0, count, math.ceil(count / TRAIN_SAMPLE), device=self.device)
        test = _mse(member.network, _on(self.device, self.dataset.test))
        train = _mse(member.network, tuple(tensor[sample] for tensor in self.train))
        return {
            "mse_test": float(np.mean(test)),
            "mse_train": float(np.mean(train)),
            "mse_valid": member.best_valid,
            **{f"mse_test_{name}": float(mse) for name, mse in zip(names, test, strict=False)},
        }

    def _peak_memory_mb(self) -> float:
        """On CUDA a member's share of what the training held at most; on a CPU what the process did since it began."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device) / 2**20 / self.size
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def _joint(members: Sequence[_Member], device: torch.device) -> nn.Module:
    """A single network stays what it is: its layers are the fastest there are for one."""
    if not members:
        return nn.Identity()
    networks = [member.network for member in members]
    if len(networks) == 1:
        return networks[0]
    return Array(networks) if device.type == "cuda" else SideBySide(networks)


def _own_random_numbers(device: torch.device) -> AbstractContextManager[None]:
    return torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])


def _members(
    architecture: str | Callable[[Inputs], nn.Module],
    settings: Sequence[Assignment],
    dataset: Dataset,
    seed: int,
    device: torch.device,
) -> list[_Member]:
    members = []
    for at, setting in enumerate(settings):
        # Before each, so that all begin alike; the draws of the training follow those of the last one.
        torch.manual_seed(seed)
        network, own = _build(architecture, setting, dataset.inputs)
        members.append(_Member(at, network, own, dataset, device))
    return members


def _build(
    architecture: str | Callable[[Inputs], nn.Module], hyperparameters: Assignment, inputs: Inputs
) -> tuple[nn.Module, Settings]:
    if isinstance(architecture, str):
        values: Mapping[str, object] = architectures.complete(architecture, hyperparameters)
        network = build(architecture, hyperparameters, inputs)
    else:
        values = {key: declared["default"] for key, declared in HYPERPARAMETERS.items()} | hyperparameters
        if unknown := values.keys() - HYPERPARAMETERS.keys():
            raise UserError(f"the training loop has no hyperparameter {min(unknown)!r}")
        network = architecture(inputs)
    settings: dict[str, Any] = {field.name: values[field.name] for field in fields(Settings)}
    return network, Settings(**settings)


def _on(device: torch.device, part: Part) -> tuple[Tensor, ...]:
    """Tokens, dense features and targets of a part, as tensors on the device."""
    return tuple(torch.tensor(array, device=device) for array in (part.tokens, part.dense, part.targets))


def _mse(network: nn.Module, part: tuple[Tensor, ...]) -> NDArray[np.float64]:
    """The mean squared error of each target, `[T]`; of an array of K networks, `[K, T]`."""
    tokens, dense, targets = part
    total = torch.zeros((), dtype=torch.float64, device=targets.device)
    for predictions, some in zip(predict(network, tokens, dense), targets.split(EVALUATION_ROWS), strict=True):
        total = total + (predictions - some).square().sum(dim=-2)
    mean: NDArray[np.float64] = (total / len(targets)).cpu().numpy()
    return mean
