"""Trains one network on one dataset and measures it.

The data lie on the device as tensors; batches are rows of a permutation. Everything random comes from the seed, and
nothing of it leaks to the caller. What becomes of the outcome (a row, files, TensorBoard) is `trial.py`'s work.
"""

import math
import resource
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.space import Assignment
from pipeline.training import architectures
from pipeline.training.dataset import Dataset, Inputs, Part

HYPERPARAMETERS = {
    "learning_rate": {
        "default": 0.001,
        "domain": {"low": 0.0001, "high": 0.1, "log": True},
        "limits": {"low": 0.0, "high": 1000.0},
        "phase": "learning-rate",
        "help": "initial learning rate of AdamW",
    },
    "weight_decay": {
        "default": 0.01,
        "domain": [0.0, 0.0001, 0.001, 0.01, 0.1],
        "limits": {"low": 0.0, "high": 1000.0},
        "help": "weight decay of AdamW",
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
    },
    "decay_patience": {
        "default": 2,
        "domain": [1, 2, 3, 5],
        "limits": {"low": 1, "high": 1000000},
        "phase": "learning-rate",
        "help": "epochs in a row without a better mse_valid after which the learning rate decays",
    },
    "early_stopping_patience": {
        "default": 5,
        "domain": [3, 5, 10],
        "limits": {"low": 1, "high": 1000000},
        "phase": "learning-rate",
        "help": "epochs in a row without a better mse_valid after which training ends",
    },
    "gradient_clip": {
        "default": 0.0,
        "domain": [0.0, 0.1, 1.0, 10.0],
        "limits": {"low": 0.0, "high": 1000000.0},
        "help": "largest norm of the gradient; 0 = no clipping",
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
    if not (len(dataset.train) and len(dataset.valid) and len(dataset.test)):
        raise ValueError("a dataset needs rows in each of its three parts")
    device = torch.device(device)
    seeded = torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])
    with out_of_memory_is_typed(), seeded:
        torch.manual_seed(seed)
        network, settings = _build(architecture, hyperparameters, dataset.inputs)
        return _Training(network.to(device), settings, dataset, seed, device).run(max_epochs, deadline, on_epoch)


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


class _Training:
    def __init__(
        self, network: nn.Module, settings: Settings, dataset: Dataset, seed: int, device: torch.device
    ) -> None:
        self.network, self.settings, self.dataset, self.device = network, settings, dataset, device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        self.train, self.valid = _on(device, dataset.train), _on(device, dataset.valid)
        self.order = torch.Generator(device).manual_seed(seed)
        # Fused is a quarter faster than the default on one CPU thread with a large embedding, and faster on CUDA.
        self.optimizer = torch.optim.AdamW(
            network.parameters(),
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            fused=device.type in ("cpu", "cuda"),
        )
        self.seconds = 0.0
        self.rows = 0

    def run(self, max_epochs: int, deadline: float | None, on_epoch: Callable[[Epoch], bool | None] | None) -> Outcome:
        status: Status = "complete"
        number, best_epoch, best_valid, loss = 0, 0, math.inf, math.nan
        best_weights: dict[str, Tensor] = {}
        since_decay = 0
        while number < max_epochs:
            began = time.monotonic()
            finished_loss = self._epoch(deadline)
            if finished_loss is None:
                status = "timed-out"
                break
            number, loss = number + 1, finished_loss
            mse_valid = float(np.mean(_mse(self.network, self.valid)))
            epoch = Epoch(
                number,
                {"loss": loss, "mse_valid": mse_valid},
                self.optimizer.param_groups[0]["lr"],
                time.monotonic() - began,
            )
            finite = math.isfinite(loss) and math.isfinite(mse_valid)
            if finite and mse_valid < best_valid:
                best_epoch, best_valid, since_decay = number, mse_valid, 0
                best_weights = {key: value.detach().clone() for key, value in self.network.state_dict().items()}
            else:
                since_decay += 1
            wanted = on_epoch(epoch) is not False if on_epoch else True
            if not finite:
                status = "diverged"
                break
            if number - best_epoch >= self.settings.early_stopping_patience:
                break
            if not wanted and number < max_epochs:
                status = "stopped"
                break
            if since_decay == self.settings.decay_patience:
                since_decay = 0
                for group in self.optimizer.param_groups:
                    group["lr"] *= self.settings.decay_factor
        if best_weights:
            self.network.load_state_dict(best_weights)
        errors = self._errors(status == "diverged" or not best_epoch, best_valid)
        self.network.eval()
        return Outcome(status, number, best_epoch, errors | self._figures(loss), self.network)

    def _epoch(self, deadline: float | None) -> float | None:
        """The mean loss of one pass over the rows; None if the deadline came first."""
        began = time.monotonic()
        network, settings = self.network.train(), self.settings
        tokens, dense, targets = self.train
        # Nothing is read back from the device before the epoch is over: each reading would be a wait.
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        order = torch.randperm(len(targets), generator=self.order, device=self.device)
        for rows in order.split(settings.batch_size):
            if deadline is not None and time.monotonic() >= deadline:
                return None
            self.optimizer.zero_grad(set_to_none=True)
            with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.device.type == "cuda"):
                loss, _ = network.loss(tokens[rows], dense[rows], targets[rows])  # type: ignore[operator]
            loss.backward()
            if settings.gradient_clip:
                nn.utils.clip_grad_norm_(network.parameters(), settings.gradient_clip)
            self.optimizer.step()
            total += loss.detach() * len(rows)
        mean = total.item() / len(targets)
        self.seconds += time.monotonic() - began
        self.rows += len(targets)
        return mean

    def _errors(self, unknown: bool, mse_valid: float) -> dict[str, float]:
        """The mean squared errors, of standardised targets; over all targets, and on test for each of several."""
        names = self.dataset.target_names if len(self.dataset.target_names) > 1 else ()
        if unknown:
            keys = ["mse_test", "mse_train", "mse_valid", *(f"mse_test_{name}" for name in names)]
            return dict.fromkeys(keys, math.nan)
        count = len(self.dataset.train)
        sample = torch.arange(0, count, math.ceil(count / TRAIN_SAMPLE), device=self.device)
        test = _mse(self.network, _on(self.device, self.dataset.test))
        train = _mse(self.network, tuple(tensor[sample] for tensor in self.train))
        return {
            "mse_test": float(np.mean(test)),
            "mse_train": float(np.mean(train)),
            "mse_valid": mse_valid,
            **{f"mse_test_{name}": float(mse) for name, mse in zip(names, test, strict=False)},
        }

    def _figures(self, loss: float) -> dict[str, float]:
        return {
            "loss": loss,
            "examples_per_second": self.rows / self.seconds if self.seconds else math.nan,
            "peak_memory_mb": self._peak_memory_mb(),
            "weights": sum(parameter.numel() for parameter in self.network.parameters()),
        }

    def _peak_memory_mb(self) -> float:
        """On CUDA what this training held at most; on a CPU what the process did since it began."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device) / 2**20
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


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
    """The mean squared error of each target."""
    tokens, dense, targets = part
    total = torch.zeros(targets.shape[1], dtype=torch.float64, device=targets.device)
    for predictions, some in zip(predict(network, tokens, dense), targets.split(EVALUATION_ROWS), strict=True):
        total += (predictions - some).square().sum(dim=0)
    mean: NDArray[np.float64] = (total / len(targets)).cpu().numpy()
    return mean
