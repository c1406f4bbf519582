import itertools
import math
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from pipeline.data.dataset import Dataset, Part
from pipeline.data.inputs import Inputs
from pipeline.errors import UserError
from pipeline.training.job import TRAIN_SAMPLE
from pipeline.training.loop import Epoch, passes_per_epoch, train
from pipeline.training.memory import OutOfMemory
from pipeline.training.outcome import Outcome


def trained(dataset: Dataset, seed: int = 1, max_epochs: int = 4, **hyperparameters: float) -> Outcome:
    return train("bag-of-words", {"batch_size": 64, **hyperparameters}, dataset, seed=seed, max_epochs=max_epochs)


def weights(outcome: Outcome) -> list[Tensor]:
    return list(outcome.network.state_dict().values())


def timeless(outcome: Outcome) -> dict[str, float]:
    return {
        key: value for key, value in outcome.metrics.items() if key not in ("examples_per_second", "peak_memory_mb")
    }


class Constant(nn.Module):
    """Always predicts 0, and keeps the targets of its batches."""

    def __init__(self, inputs: Inputs) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.batches: list[Tensor] = []

    def forward(self, tokens: Tensor, dense: Tensor) -> Tensor:
        return self.weight * torch.zeros(len(dense), 1)

    def loss(self, tokens: Tensor, dense: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        self.batches.append(targets)
        return (self(tokens, dense) - targets).square().mean(), self(tokens, dense)


class Walk(nn.Module):
    """Predicts a single number for all rows: in each epoch the next one of `predictions`, at the end the last one."""

    def __init__(self, *predictions: float) -> None:
        super().__init__()
        self.weight, self.predictions, self.epochs = nn.Parameter(torch.zeros(1)), predictions, 0

    def train(self, mode: bool = True) -> "Walk":
        self.epochs += mode  # once before each epoch
        return super().train(mode)

    def forward(self, tokens: Tensor, dense: Tensor) -> Tensor:
        return 0 * self.weight + torch.full((len(dense), 1), self.predictions[: self.epochs][-1])

    def loss(self, tokens: Tensor, dense: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        return (self(tokens, dense) - targets).square().mean(), self(tokens, dense)


@pytest.mark.parametrize("architecture", ["bag-of-words", "lstm-attention"])
def test_the_same_seed_gives_the_same_model_bit_by_bit(dataset: Dataset, architecture: str) -> None:
    setting = {"batch_size": 64, "dropout": 0.3}
    first, second, other = (train(architecture, setting, dataset, seed=seed, max_epochs=2) for seed in (7, 7, 8))
    assert all(map(torch.equal, weights(first), weights(second)))
    assert timeless(first) == timeless(second)
    assert not any(map(torch.equal, weights(first), weights(other)))


def test_the_callers_random_numbers_are_not_touched(dataset: Dataset) -> None:
    before = torch.get_rng_state()
    trained(dataset, max_epochs=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_training_learns_what_can_be_learned(dataset: Dataset) -> None:
    outcome = trained(dataset, max_epochs=60, learning_rate=0.01)
    assert outcome.status == "complete"
    assert outcome.metrics["mse_test"] < 0.5 * float(np.var(dataset.test.targets))


def test_the_best_epochs_weights_are_kept_and_measured(dataset: Dataset) -> None:
    epochs: list[Epoch] = []
    outcome = train(
        "bag-of-words",
        {"batch_size": 32, "learning_rate": 0.1, "early_stopping_patience": 4},
        dataset,
        seed=1,
        max_epochs=40,
        on_epoch=epochs.append,
    )
    best = min(epochs, key=lambda epoch: epoch.metrics["mse_valid"])
    assert outcome.best_epoch == best.number < outcome.epochs == len(epochs)
    assert outcome.metrics["mse_valid"] == best.metrics["mse_valid"]
    assert outcome.metrics["loss"] == epochs[-1].metrics["loss"]
    for part, key in ((dataset.valid, "mse_valid"), (dataset.test, "mse_test"), (dataset.train, "mse_train")):
        prediction = outcome.network(torch.tensor(part.tokens), torch.tensor(part.dense)).detach().numpy()
        assert outcome.metrics[key] == pytest.approx(float(np.mean((prediction - part.targets) ** 2)), rel=1e-5)


def test_metrics_come_in_their_order(make_dataset: Callable[..., Dataset]) -> None:
    figures = ["loss", "steps", "passes", "best_epoch", "at_limit", "examples_per_second", "peak_memory_mb", "weights"]
    single, several = (trained(make_dataset(Inputs(30, 5, 3, targets))).metrics for targets in (1, 3))
    assert list(single) == ["mse_test", "mse_train", "mse_valid", *figures]
    assert list(several) == [*list(single)[:3], "mse_test_y0", "mse_test_y1", "mse_test_y2", *figures]
    assert several["mse_test"] == pytest.approx(np.mean([several[f"mse_test_y{n}"] for n in range(3)]))
    assert single["weights"] == 30 * 64 + (64 + 3) * 64 + 64 + 64 + 1
    assert single["examples_per_second"] > 0
    assert single["peak_memory_mb"] > 0


def test_every_epoch_has_every_row_once_in_another_order(dataset: Dataset) -> None:
    outcome = train(Constant, {"batch_size": 64}, dataset, seed=1, max_epochs=2)
    assert isinstance(outcome.network, Constant)
    batches = outcome.network.batches
    assert [len(batch) for batch in batches] == [64, 64, 64, 64, 44] * 2
    first, second = torch.cat(batches[:5]).flatten(), torch.cat(batches[5:]).flatten()
    assert not torch.equal(first, second)
    for targets in (first, second):
        assert torch.equal(targets.sort().values, torch.tensor(dataset.train.targets).flatten().sort().values)


@given(st.integers(1, 10**7), st.integers(1, 10**5), st.integers(1, 10**4))
def test_an_epoch_is_as_few_whole_passes_as_reach_its_steps(rows: int, batch_size: int, epoch_steps: int) -> None:
    steps_per_pass = len(range(0, rows, batch_size))
    passes = passes_per_epoch(rows, batch_size, epoch_steps)
    assert passes >= 1
    assert passes * steps_per_pass >= epoch_steps
    assert passes == 1 or (passes - 1) * steps_per_pass < epoch_steps


def test_every_pass_of_an_epoch_has_every_row_once_in_another_order(dataset: Dataset) -> None:
    outcome = train(Constant, {"batch_size": 64}, dataset, seed=1, max_epochs=2, epoch_steps=11)
    assert isinstance(outcome.network, Constant)
    batches = outcome.network.batches
    assert [len(batch) for batch in batches] == [64, 64, 64, 64, 44] * 3 * 2
    assert [outcome.metrics[name] for name in ("steps", "passes")] == [30, 6]
    passes = [torch.cat(batches[at : at + 5]).flatten() for at in range(0, 30, 5)]
    assert not any(itertools.starmap(torch.equal, itertools.combinations(passes, 2)))
    for targets in passes:
        assert torch.equal(targets.sort().values, torch.tensor(dataset.train.targets).flatten().sort().values)


def test_an_epoch_of_three_passes_is_three_epochs_of_one_with_a_single_measurement(dataset: Dataset) -> None:
    setting = {"batch_size": 64, "dropout": 0.2, "decay_patience": 100, "early_stopping_patience": 100}
    long: list[Epoch] = []
    train("bag-of-words", setting, dataset, seed=1, max_epochs=4, epoch_steps=15, on_epoch=long.append)
    short: list[Epoch] = []
    train("bag-of-words", setting, dataset, seed=1, max_epochs=12, on_epoch=short.append)
    assert [epoch.metrics["mse_valid"] for epoch in long] == [epoch.metrics["mse_valid"] for epoch in short[2::3]]
    losses = [epoch.metrics["loss"] for epoch in short]
    assert [epoch.metrics["loss"] for epoch in long] == pytest.approx(np.reshape(losses, (4, 3)).mean(axis=1).tolist())


@pytest.mark.parametrize("epoch_steps", [1, 12])
@pytest.mark.parametrize("architecture", ["bag-of-words", "lstm"])
def test_the_first_epochs_of_a_training_do_not_depend_on_its_limit(
    dataset: Dataset, architecture: str, epoch_steps: int
) -> None:
    setting = {"batch_size": 64, "dropout": 0.1, "learning_rate": 0.1, "decay_patience": 1}

    def three_epochs(max_epochs: int) -> tuple[Outcome, list[Epoch]]:
        epochs: list[Epoch] = []

        def watch(epoch: Epoch) -> bool:
            epochs.append(replace(epoch, seconds=0.0))
            return epoch.number < 3

        limits = {"max_epochs": max_epochs, "epoch_steps": epoch_steps}
        return train(architecture, setting, dataset, seed=1, on_epoch=watch, **limits), epochs

    expected, curve = three_epochs(max_epochs=3)
    for max_epochs in (5, 1000):
        outcome, epochs = three_epochs(max_epochs)
        assert epochs == curve
        assert all(map(torch.equal, weights(outcome), weights(expected)))
        assert timeless(outcome) == timeless(expected) | {"at_limit": 0}


@pytest.mark.parametrize(
    ("errors", "max_epochs", "epochs", "best_epoch", "at_limit"),
    [
        ([5, 4, 3, 2, 1], 4, 4, 4, 1),  # still falling
        ([5, 4, 3, 4, 1], 4, 4, 3, 1),  # one worse epoch is no plateau yet
        ([5, 4, 5, 5, 1], 4, 4, 2, 0),  # a plateau of two: the learning rate was due to decay
        ([5, 4, 4, 4, 4, 4], 9, 5, 2, 0),  # patience ended it
        ([5, 4, 4, 4, 4, 4], 5, 5, 2, 0),  # patience ended it with its last epoch
        ([5], 1, 1, 1, 1),  # it might have improved
    ],
)
def test_a_training_says_whether_its_limit_ended_it_while_it_improved(
    dataset: Dataset, errors: list[float], max_epochs: int, epochs: int, best_epoch: int, at_limit: int
) -> None:
    valid = replace(dataset.valid, targets=np.zeros_like(dataset.valid.targets))
    setting = {"decay_patience": 2, "early_stopping_patience": 3}
    outcome = train(lambda _: Walk(*errors), setting, replace(dataset, valid=valid), seed=1, max_epochs=max_epochs)
    assert (outcome.status, outcome.epochs, outcome.best_epoch) == ("complete", epochs, best_epoch)
    assert (outcome.metrics["best_epoch"], outcome.metrics["at_limit"]) == (best_epoch, at_limit)


def test_a_training_that_ended_for_another_reason_is_not_at_its_limit(dataset: Dataset) -> None:
    stopped = train("bag-of-words", {}, dataset, seed=1, max_epochs=9, on_epoch=lambda epoch: epoch.number < 3)
    diverged = train("bag-of-words", {"learning_rate": 1e3, "hidden_layers": 32, "batch_size": 8}, dataset, seed=1,
                     max_epochs=1)  # fmt: skip
    late = train("bag-of-words", {}, dataset, seed=1, max_epochs=1, deadline=0.0)
    assert [outcome.status for outcome in (stopped, diverged, late)] == ["stopped", "diverged", "timed-out"]
    assert [outcome.metrics["at_limit"] for outcome in (stopped, diverged, late)] == [0, 0, 0]
    assert [late.metrics[name] for name in ("steps", "passes", "best_epoch")] == [0, 0, 0]


def test_counts_are_whole_numbers(dataset: Dataset) -> None:
    metrics = trained(dataset).metrics
    assert [type(metrics[name]) for name in ("steps", "passes", "best_epoch", "at_limit")] == [int] * 4


def test_the_learning_rate_decays_and_training_ends_when_validation_no_longer_improves(dataset: Dataset) -> None:
    epochs: list[Epoch] = []
    setting = {"learning_rate": 1.0, "decay_factor": 0.5, "decay_patience": 2, "early_stopping_patience": 5}
    outcome = train(Constant, setting, dataset, seed=1, max_epochs=50, on_epoch=epochs.append)
    assert [epoch.learning_rate for epoch in epochs] == [1.0, 1.0, 1.0, 0.5, 0.5, 0.25]
    assert (outcome.status, outcome.epochs, outcome.best_epoch) == ("complete", 6, 1)


def test_clipping_bounds_the_gradient(dataset: Dataset) -> None:
    def norm(outcome: Outcome) -> float:
        return float(nn.utils.get_total_norm([p.grad for p in outcome.network.parameters() if p.grad is not None]))

    free, bound = (norm(trained(dataset, max_epochs=1, gradient_clip=clip)) for clip in (0.0, 0.01))
    assert free > 0.1
    assert bound == pytest.approx(0.01, rel=1e-3)


def test_a_training_that_diverges_is_a_result_with_its_epoch(dataset: Dataset) -> None:
    epochs: list[Epoch] = []
    outcome = train("bag-of-words", {"learning_rate": 1e3, "hidden_layers": 32, "batch_size": 8}, dataset, seed=1,
                    max_epochs=5, on_epoch=epochs.append)  # fmt: skip
    assert outcome.status == "diverged"
    assert outcome.epochs == len(epochs) < 5
    assert math.isnan(outcome.metrics["mse_test"])
    assert math.isnan(outcome.metrics["mse_valid"])


def test_targets_that_are_not_numbers_diverge(dataset: Dataset) -> None:
    train_part = dataset.train
    targets = train_part.targets.copy()
    targets[5] = np.nan
    bad = Dataset(
        dataset.inputs, Part(train_part.tokens, train_part.dense, targets), dataset.valid, dataset.test, ("y",),
        dataset.encoder, "bad",
    )  # fmt: skip
    outcome = trained(bad)
    assert (outcome.status, outcome.epochs, outcome.best_epoch) == ("diverged", 1, 0)


def test_a_callback_may_stop_a_training(dataset: Dataset) -> None:
    outcome = train("bag-of-words", {}, dataset, seed=1, max_epochs=9, on_epoch=lambda epoch: epoch.number < 3)
    assert (outcome.status, outcome.epochs) == ("stopped", 3)
    assert math.isfinite(outcome.metrics["mse_test"])


def test_a_training_that_is_stopped_after_its_last_epoch_is_complete(dataset: Dataset) -> None:
    outcome = train("bag-of-words", {}, dataset, seed=1, max_epochs=3, on_epoch=lambda epoch: epoch.number < 3)
    assert (outcome.status, outcome.epochs) == ("complete", 3)


def test_the_time_limit_is_kept_within_an_epoch(dataset: Dataset) -> None:
    outcome = train("bag-of-words", {}, dataset, seed=1, max_epochs=9, deadline=time.monotonic() - 1)
    assert (outcome.status, outcome.epochs, outcome.best_epoch) == ("timed-out", 0, 0)
    assert math.isnan(outcome.metrics["mse_test"])


def test_the_time_limit_is_kept_within_every_pass_of_an_epoch(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count()
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    outcome = train("bag-of-words", {"batch_size": 64}, dataset, seed=1, max_epochs=9, epoch_steps=1000, deadline=20.0)
    assert (outcome.status, outcome.epochs) == ("timed-out", 0)
    assert 5 < outcome.metrics["steps"] < 20


def test_a_training_that_is_timed_out_reports_the_epochs_that_it_finished(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0

    def after(epoch: Epoch) -> None:
        nonlocal now
        now = float(epoch.number)

    monkeypatch.setattr(time, "monotonic", lambda: now)
    outcome = train("bag-of-words", {}, dataset, seed=1, max_epochs=9, deadline=2.0, on_epoch=after)
    assert (outcome.status, outcome.epochs, outcome.best_epoch) == ("timed-out", 2, 2)
    assert math.isfinite(outcome.metrics["mse_test"])


def test_too_little_memory_raises_out_of_memory(make_dataset: Callable[..., Dataset], dataset: Dataset) -> None:
    huge = Dataset(Inputs(2**42, 5, 3, 1), dataset.train, dataset.valid, dataset.test, ("y",), dataset.encoder, "huge")
    with pytest.raises(OutOfMemory, match=r"allocate memory|not enough memory"):
        trained(huge)


def test_other_errors_pass_unchanged(dataset: Dataset) -> None:
    def broken(inputs: Inputs) -> nn.Module:
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes do not fit"):
        train(broken, {}, dataset, seed=1, max_epochs=1)


def test_a_hyperparameter_that_does_not_exist_is_named(dataset: Dataset) -> None:
    with pytest.raises(UserError, match=r'"learning_rat".*did you mean "learning_rate"'):
        train("bag-of-words", {"learning_rat": 0.1}, dataset, seed=1, max_epochs=1)
    with pytest.raises(UserError, match='"embedding_size"'):
        train(Constant, {"embedding_size": 3}, dataset, seed=1, max_epochs=1)


def test_large_training_parts_are_measured_on_a_sample(make_dataset: Callable[..., Dataset]) -> None:
    dataset = make_dataset(Inputs(30, 2, 0, 1), rows=(TRAIN_SAMPLE + 1, 20, 20))
    outcome = train("bag-of-words", {"batch_size": 4096}, dataset, seed=1, max_epochs=1)
    sample = slice(None, None, 2)
    prediction = outcome.network(torch.tensor(dataset.train.tokens[sample]), torch.zeros(TRAIN_SAMPLE // 2 + 1, 0))
    error = float(np.mean((prediction.detach().numpy() - dataset.train.targets[sample]) ** 2))
    assert outcome.metrics["mse_train"] == pytest.approx(error, rel=1e-4)
