"""Tests that need a GPU: recorded steps, arrays in bfloat16, memory.

On a machine that has no more than torch, numpy, pandas, pydantic and pytest:

    python -m pytest -q --noconftest -o addopts= tests/training/test_gpu.py
"""

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from pipeline.data.dataset import Dataset
from pipeline.data.inputs import Inputs
from pipeline.space import Assignment
from pipeline.training import architectures, fused_size
from pipeline.training import step as stepping
from pipeline.training.architectures._base import Dropout
from pipeline.training.loop import train, train_array
from pipeline.training.memory import OutOfMemory
from pipeline.training.outcome import Outcome
from pipeline.training.state import TrainState
from pipeline.training.step import Step, train_step
from tests.support.training import Recorder
from tests.training.conftest import made_up, make_double

__all__ = ["make_double"]
"""A fixture, which pytest finds here without its conftest."""

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

FUSING = [name for name in architectures.names() if "cuda" in architectures.network(name).fuses_on]
ALL = architectures.names()
GPU = torch.device("cuda")

SETTINGS: list[Assignment] = [
    {"learning_rate": 0.003},
    {"learning_rate": 0.015, "dropout": 0.4, "weight_decay": 0.1, "decay_patience": 1, "early_stopping_patience": 2},
    {"learning_rate": 0.01, "dropout": 0.1, "gradient_clip": 0.01},
    {"learning_rate": 0.02, "early_stopping_patience": 1},
]


def comparable(architecture: str, settings: list[Assignment]) -> list[Assignment]:
    """Settings without dropout for a Transformer, inside whose layers torch makes the draws itself."""
    return [{**setting, "dropout": 0.0} for setting in settings] if architecture == "attention" else settings


@pytest.fixture
def data() -> Dataset:
    return made_up(Inputs(vocabulary=30, length=5, dense=3, targets=1))


@pytest.fixture
def exact(make_double: Callable[[Inputs], Dataset]) -> Dataset:
    """In double precision, which autocast leaves alone."""
    return make_double(Inputs(vocabulary=30, length=5, dense=3, targets=1))


@pytest.fixture
def single(monkeypatch: pytest.MonkeyPatch) -> None:
    """Float32 throughout: no bfloat16, no TF32."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


def together(
    architecture: str,
    settings: list[Assignment],
    dataset: Dataset,
    epochs: int = 8,
    stops: dict[int, int] | None = None,
) -> list[Outcome]:
    recorder = Recorder(stops)
    settings = [{"batch_size": 64, **setting} for setting in settings]
    train_array(architecture, settings, dataset, seed=7, device=GPU, max_epochs=epochs, callback=recorder)
    return [recorder.outcomes[index] for index in range(len(settings))]


def alone(architecture: str, setting: Assignment, dataset: Dataset, epochs: int = 8) -> Outcome:
    setting = {"batch_size": 64, **setting}
    return train(architecture, setting, dataset, seed=7, device=GPU, max_epochs=epochs)


def errors(outcome: Outcome) -> list[float]:
    return [outcome.metrics[key] for key in ("loss", "mse_train", "mse_valid", "mse_test")]


def assert_same(outcome: Outcome, expected: Outcome) -> None:
    ends = [(each.status, each.epochs, each.best_epoch) for each in (outcome, expected)]
    assert ends[0] == ends[1]
    assert errors(outcome) == pytest.approx(errors(expected), rel=1e-9, abs=1e-9)
    weights = expected.network.state_dict()
    for name, weight in outcome.network.state_dict().items():
        torch.testing.assert_close(weight, weights[name], rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("architecture", FUSING)
def test_members_of_an_array_are_trained_as_alone_in_double_precision(exact: Dataset, architecture: str) -> None:
    settings = comparable(architecture, SETTINGS)
    outcomes = together(architecture, settings, exact)
    for setting, outcome in zip(settings, outcomes, strict=True):
        assert_same(outcome, alone(architecture, setting, exact))
    assert len({outcome.epochs for outcome in outcomes}) > 1, "they should leave at different epochs"


@pytest.mark.parametrize("architecture", FUSING)
def test_members_of_an_array_are_trained_as_alone_in_float32(data: Dataset, single: None, architecture: str) -> None:
    settings = comparable(architecture, SETTINGS[:3])
    for setting, outcome in zip(settings, together(architecture, settings, data, epochs=2), strict=True):
        assert errors(outcome) == pytest.approx(errors(alone(architecture, setting, data, epochs=2)), rel=1e-3)


@pytest.mark.parametrize("architecture", FUSING)
def test_the_first_epoch_of_an_array_is_that_of_its_members_in_bfloat16(data: Dataset, architecture: str) -> None:
    settings = comparable(architecture, [{"learning_rate": rate, "dropout": 0.2} for rate in (0.001, 0.01, 0.03)])
    for setting, outcome in zip(settings, together(architecture, settings, data, epochs=1), strict=True):
        expected = alone(architecture, setting, data, epochs=1)
        # These architectures have longer chains of products, each rounded to three digits.
        near = 0.05 if architecture in ("attention", "lstm", "lstm-attention") else 0.01
        assert outcome.metrics["mse_valid"] == pytest.approx(expected.metrics["mse_valid"], rel=near)


@pytest.mark.parametrize("architecture", ALL)
def test_a_single_network_trains_on_a_gpu_as_on_a_cpu(exact: Dataset, architecture: str) -> None:
    """Without dropout, because each device has other random numbers."""
    setting: Assignment = {"dropout": 0.0, "batch_size": 300, "gradient_clip": 0.5, "decay_patience": 1}
    on_gpu, on_cpu = (
        train(architecture, setting, exact, seed=7, device=device, max_epochs=6, epoch_steps=3)
        for device in ("cuda", "cpu")
    )
    assert errors(on_gpu) == pytest.approx(errors(on_cpu), rel=1e-6)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("architecture", ALL)
def test_recorded_steps_equal_plain_steps(
    exact: Dataset, architecture: str, k: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if k > 1 and architecture not in FUSING:
        pytest.skip("has no array")
    settings: list[Assignment] = SETTINGS[:k] if k > 1 else [{"dropout": 0.2, "gradient_clip": 0.1}]
    replayed = []
    replay = stepping._Recording.replay
    with monkeypatch.context() as patch:
        patch.setattr(stepping._Recording, "replay", lambda *args: (replayed.append(1), replay(*args)))
        recorded = together(architecture, settings, exact, epochs=4)
    assert [outcome.notes for outcome in recorded] == [()] * k
    # All five batches of a pass, except for the first full one and the first smaller one.
    assert len(replayed) >= 4 * 5 - 2 - (0 if k == 1 else 2 * k)
    monkeypatch.setattr(Step, "__call__", lambda self, rows: train_step(self._state, rows))
    for outcome, expected in zip(recorded, together(architecture, settings, exact, epochs=4), strict=True):
        assert_same(outcome, expected)


def test_a_learning_rate_that_decays_reaches_recorded_steps(exact: Dataset) -> None:
    setting: Assignment = {
        "learning_rate": 0.3,
        "decay_patience": 1,
        "decay_factor": 0.0,
        "early_stopping_patience": 50,
    }
    for outcome in (alone("bag-of-words", setting, exact, 30), *together("bag-of-words", [setting] * 2, exact, 30)):
        assert outcome.epochs == 30
        assert outcome.metrics["loss"] < 10, "a rate of zero changes nothing any more"
        assert all(bool(weight.isfinite().all()) for weight in outcome.network.state_dict().values())


def test_a_member_that_diverges_or_is_stopped_does_not_disturb_the_others(exact: Dataset) -> None:
    wild: Assignment = {"learning_rate": 1000.0, "weight_decay": 1000.0}
    settings: list[Assignment] = [{"learning_rate": 0.003}, wild, {"learning_rate": 0.01}, {"learning_rate": 0.02}]
    outcomes = together("bag-of-words", settings, exact, stops={2: 3})
    assert [outcome.status for outcome in outcomes] == ["complete", "diverged", "stopped", "complete"]
    for at in (0, 3):
        assert_same(outcomes[at], alone("bag-of-words", settings[at], exact))


class Unrecordable(nn.Module):
    """Reads a number back from the device in every step."""

    def __init__(self, inputs: Inputs) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(inputs.dense, 8), Dropout(0.2), nn.Linear(8, inputs.targets))

    def forward(self, tokens: Tensor, dense: Tensor) -> Tensor:
        prediction: Tensor = self.layers(dense).float()
        return prediction

    def loss(self, tokens: Tensor, dense: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        prediction = self(tokens, dense)
        return (prediction - targets).square().mean() * (1.0 if float(targets.sum()) < 1e9 else 2.0), prediction


def test_a_step_that_cannot_be_recorded_is_executed_and_noted(data: Dataset) -> None:
    outcome = train(Unrecordable, {"batch_size": 64}, data, seed=1, device=GPU, max_epochs=3)
    assert (outcome.status, outcome.epochs) == ("complete", 3)
    assert len(outcome.notes) == 1
    assert outcome.notes[0].startswith("steps are not recorded as a CUDA graph: ")
    # Other networks are still recorded.
    assert alone("bag-of-words", {"dropout": 0.1}, data, epochs=3).notes == ()


@pytest.mark.parametrize("k", [1, 4])
@pytest.mark.parametrize("architecture", ALL)
def test_no_step_waits_for_the_device(data: Dataset, architecture: str, k: int) -> None:
    if k > 1 and architecture not in FUSING:
        pytest.skip("has no array")
    state = TrainState(architecture, [{"dropout": 0.2, "gradient_clip": 1.0}] * k, data, 1, GPU)
    state.module.train()
    rows = torch.arange(64, device=GPU)
    train_step(state, rows)
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        train_step(state, rows)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("architecture", FUSING)
def test_a_member_of_an_array_takes_no_more_memory_than_two_alone(architecture: str) -> None:
    dataset = made_up(Inputs(vocabulary=20_000, length=5, dense=3, targets=1), rows=(2000, 80, 90))
    single = alone(architecture, {}, dataset, epochs=2).metrics["peak_memory_mb"]
    shares = [outcome.metrics["peak_memory_mb"] for outcome in together(architecture, [{}] * 16, dataset, epochs=2)]
    assert max(shares) < 2 * single


def test_too_little_memory_raises_out_of_memory_and_the_next_training_runs(data: Dataset) -> None:
    torch.cuda.empty_cache()
    huge = replace(data, inputs=replace(data.inputs, vocabulary=500_000))
    total = torch.cuda.get_device_properties(GPU).total_memory
    torch.cuda.set_per_process_memory_fraction(2 * 2**30 / total)
    try:
        with pytest.raises(OutOfMemory):
            together("bag-of-words", [{}] * 8, huge)
        assert alone("bag-of-words", {}, huge, epochs=1).status == "complete"
        assert fused_size.best_size("bag-of-words", {}, huge, "cuda", 8) < 8
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()


def test_finding_the_size_takes_seconds_at_most(data: Dataset) -> None:
    alone("bag-of-words", {}, data, epochs=1)
    started = time.monotonic()
    assert fused_size.best_size("bag-of-words", {}, data, "cuda", 32) > 1
    assert time.monotonic() - started < 5


def test_one_network_is_at_least_as_fast_as_a_loop_by_hand() -> None:
    dataset = made_up(Inputs(vocabulary=2000, length=7, dense=10, targets=1), rows=(64_000, 80, 90))
    ours = max(_examples_per_second(dataset) for _ in range(3))
    by_hand = max(_by_hand(dataset) for _ in range(3))
    assert ours > 0.95 * by_hand


def _examples_per_second(dataset: Dataset) -> float:
    setting: Assignment = {"batch_size": 1024, "gradient_clip": 0.0}
    outcome = train("bag-of-words", setting, dataset, seed=1, device=GPU, max_epochs=2, epoch_steps=200)
    return outcome.metrics["examples_per_second"]


def _by_hand(dataset: Dataset, passes: int = 4) -> float:
    net: nn.Module = architectures.build("bag-of-words", {}, dataset.inputs).to(GPU)
    optimizer = torch.optim.AdamW(net.parameters(), fused=True)
    part = dataset.train
    tokens, dense, targets = (torch.tensor(array, device=GPU) for array in (part.tokens, part.dense, part.targets))
    step: Callable[[Tensor], None]

    def step(rows: Tensor) -> None:
        optimizer.zero_grad()
        with torch.autocast("cuda", dtype=torch.bfloat16):
            loss, _ = net.loss(tokens[rows], dense[rows], targets[rows])  # type: ignore[operator]
        loss.backward()
        optimizer.step()

    step(torch.arange(1024, device=GPU))
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(passes):
        for rows in torch.randperm(len(targets), device=GPU).split(1024):
            step(rows)
    torch.cuda.synchronize()
    return passes * len(targets) / (time.perf_counter() - started)
