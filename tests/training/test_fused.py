import math
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from pipeline.data.dataset import Dataset
from pipeline.data.inputs import PADDING, Inputs
from pipeline.results import Status
from pipeline.space import Assignment
from pipeline.training import architectures, fused, loop
from pipeline.training.architectures._base import means, means_at_once
from pipeline.training.array import Array
from pipeline.training.loop import Epoch, train, train_array
from pipeline.training.outcome import Outcome
from pipeline.training.state import TrainState
from pipeline.training.step import train_step
from tests.support.training import Recorder

FUSING = [name for name in architectures.names() if "cpu" in architectures.network(name).fuses_on]
ARRAYS = [name for name in architectures.names() if "cuda" in architectures.network(name).fuses_on]

SETTINGS: list[Assignment] = [
    {"learning_rate": 0.003},
    {"learning_rate": 0.05, "dropout": 0.4, "weight_decay": 0.1, "decay_patience": 1, "early_stopping_patience": 2},
    {"learning_rate": 0.01, "dropout": 0.1, "gradient_clip": 0.01},
    {"learning_rate": 1000.0, "weight_decay": 1.0},
    {"learning_rate": 0.3, "early_stopping_patience": 1},
]


def together(
    architecture: str,
    settings: list[Assignment],
    dataset: Dataset,
    last_epochs: dict[int, int] | None = None,
    epoch_steps: int = 1,
    max_epochs: int = 12,
) -> tuple[list[list[Epoch]], list[Outcome]]:
    """The epochs and the outcomes of the members."""
    recorder = Recorder(last_epochs)
    train_array(
        architecture, settings, dataset, seed=7, max_epochs=max_epochs, epoch_steps=epoch_steps, callback=recorder
    )
    indices = range(len(settings))
    return [recorder.epochs[index] for index in indices], [recorder.outcomes[index] for index in indices]


def alone(
    architecture: str, setting: Assignment, dataset: Dataset, epoch_steps: int = 1, max_epochs: int = 12
) -> tuple[list[Epoch], Outcome]:
    epochs: list[Epoch] = []
    return epochs, train(
        architecture, setting, dataset, seed=7, max_epochs=max_epochs, epoch_steps=epoch_steps, on_epoch=epochs.append
    )


def timeless(outcome: Outcome) -> dict[str, float]:
    """Metrics that do not depend on the clock; NaN as text, which equals itself."""
    metrics = {key: value for key, value in outcome.metrics.items() if not key.startswith(("examples", "peak"))}
    return {key: "nan" if math.isnan(value) else value for key, value in metrics.items()}


def weights(outcome: Outcome) -> dict[str, Any]:
    """As numpy's arrays, which compare NaN where torch does not."""
    return {key: weight.numpy() for key, weight in outcome.network.state_dict().items()}


def without_seconds(epochs: list[Epoch]) -> list[dict[str, Any]]:
    return [asdict(replace(epoch, seconds=0.0)) for epoch in epochs]


@pytest.mark.parametrize(("k", "epoch_steps"), [(3, 12), (5, 1)])
@pytest.mark.parametrize("architecture", FUSING)
def test_on_a_cpu_a_member_is_trained_as_it_would_be_alone_to_the_last_digit(
    dataset: Dataset, architecture: str, k: int, epoch_steps: int
) -> None:
    settings = [{"batch_size": 64, **setting} for setting in SETTINGS[:k]]
    epochs, outcomes = together(architecture, settings, dataset, epoch_steps=epoch_steps)
    for setting, member_epochs, member in zip(settings, epochs, outcomes, strict=True):
        expected_epochs, expected = alone(architecture, setting, dataset, epoch_steps)
        assert (member.status, member.epochs, member.best_epoch) == (
            expected.status,
            expected.epochs,
            expected.best_epoch,
        )
        assert timeless(member) == timeless(expected)
        np.testing.assert_equal(without_seconds(member_epochs), without_seconds(expected_epochs))
        np.testing.assert_equal(weights(member), weights(expected))
    if k == len(SETTINGS):
        assert len({outcome.epochs for outcome in outcomes}) > 2, "they should end at different epochs"


@pytest.mark.parametrize(
    ("architecture", "setting"),
    [
        ("bag-of-words", {"hidden_layers": 0}),
        ("multi-task", {"weighting": "uncertainty"}),
        ("mdn", {"hidden_layers": 2}),
    ],
    ids=str,
)
@pytest.mark.parametrize("inputs", [Inputs(30, 5, 0, 2), Inputs(2, 0, 4, 3), Inputs(30, 1, 1, 1)], ids=str)
def test_any_mixture_of_inputs_and_targets_works(
    make_dataset: Callable[..., Dataset], architecture: str, setting: Assignment, inputs: Inputs
) -> None:
    dataset = make_dataset(inputs)
    settings: list[Assignment] = [{**setting, "learning_rate": 0.01}, {**setting, "learning_rate": 0.1, "dropout": 0.2}]
    _, outcomes = together(architecture, settings, dataset)
    for setting_of_member, outcome in zip(settings, outcomes, strict=True):
        expected = alone(architecture, setting_of_member, dataset)[1]
        assert timeless(outcome) == timeless(expected)
        np.testing.assert_equal(weights(outcome), weights(expected))


def array_state(architecture: str, settings: list[Assignment], dataset: Dataset) -> TrainState:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fused, "ARRAYS_ON", ("cpu",))
        return TrainState(architecture, settings, dataset, 7, torch.device("cpu"))


class Calls(TorchDispatchMode):
    """Notes torch's calls in both passes, with the shapes of their tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: set[str] = set()

    def __torch_dispatch__(self, called: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = called(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, Tensor)]
        # Views and copies do not round, and neither do sums of one number for each member.
        if str(called).split(".")[1] not in ("stack", "unbind", "detach", "expand", "clone") and any(
            tensor.dim() > 1 for tensor in tensors
        ):
            self.noted.add(f"{called} {[(tuple(tensor.shape), tensor.stride(), tensor.dtype) for tensor in tensors]}")
        return result


@pytest.mark.parametrize("architecture", FUSING)
def test_on_a_cpu_a_member_makes_the_very_calls_that_it_makes_alone(
    make_dataset: Callable[..., Dataset], architecture: str
) -> None:
    """Otherwise results could be equal on this machine only, because its kernels happen to round alike."""
    dataset = make_dataset(Inputs(30, 5, 3, 2))
    for setting in (
        {"dropout": 0.2, "gradient_clip": 0.5},
        *([{"weighting": "uncertainty"}] if architecture == "multi-task" else []),
    ):
        noted = []
        for k in (1, 3):
            with Calls() as calls:
                settings = [{"batch_size": 64, **setting}] * k
                train_array(architecture, settings, dataset, seed=7, max_epochs=2, callback=Recorder())
            noted.append(calls.noted)
        assert any("mm" in call for call in noted[0])
        assert noted[1] <= noted[0]


@pytest.mark.parametrize("architecture", ARRAYS)
def test_members_of_an_array_are_trained_as_alone_except_for_rounding(
    double: Dataset, architecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The arithmetic of a GPU on a CPU."""
    # At higher rates some architectures magnify differences of rounding a hundredfold each epoch.
    calm = [{**setting, "learning_rate": min(0.02, float(setting["learning_rate"]))} for setting in SETTINGS]
    # Inside a Transformer's layers, torch makes the draws of dropout itself.
    without: Assignment = {"dropout": 0.0} if architecture == "attention" else {}
    settings: list[Assignment] = [{"batch_size": 64, **setting, **without} for setting in calm]
    monkeypatch.setattr(fused, "ARRAYS_ON", ("cpu", "cuda"))
    epochs, outcomes = together(architecture, settings, double)
    for setting, member_epochs, member in zip(settings, epochs, outcomes, strict=True):
        expected_epochs, expected = alone(architecture, setting, double)
        assert timeless(member) == pytest.approx(timeless(expected), rel=1e-9, abs=1e-9)
        assert [epoch.metrics for epoch in member_epochs] == [
            pytest.approx(epoch.metrics, rel=1e-9, abs=1e-9) for epoch in expected_epochs
        ]
        for key, weight in weights(expected).items():
            np.testing.assert_allclose(weights(member)[key], weight, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize(
    ("architecture", "shape", "other"),
    [
        ("lstm", {"layers": 2}, {}),
        ("lstm-attention", {"num_of_attentions": 3}, {"attention_regularization": 0.5}),
        ("tabular", {"hidden_layers": 2}, {"dropout": 0.3}),
        ("tabular", {"hidden_layers": 0}, {}),
        ("attention", {"layers": 2, "heads": 1}, {}),
        ("cnn", {"smallest_window": 2, "windows": 2}, {}),
        ("mdn", {"hidden_layers": 2}, {}),
        ("multi-task", {"weighting": "uncertainty"}, {}),
    ],
    ids=str,
)
@pytest.mark.parametrize("inputs", [Inputs(30, 5, 0, 2), Inputs(2, 0, 4, 3), Inputs(30, 3, 1, 1, 2)], ids=str)
def test_arrays_of_any_shape_are_trained_as_their_members_alone(
    make_double: Callable[[Inputs], Dataset],
    architecture: str,
    shape: Assignment,
    other: Assignment,
    inputs: Inputs,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fused, "ARRAYS_ON", ("cpu",))
    dataset = make_double(inputs)
    settings: list[Assignment] = [{**shape, "learning_rate": 0.01}, {**shape, **other, "weight_decay": 0.1}]
    _, outcomes = together(architecture, settings, dataset, max_epochs=4)
    for setting, outcome in zip(settings, outcomes, strict=True):
        _, expected = alone(architecture, setting, dataset, max_epochs=4)
        assert timeless(outcome) == pytest.approx(timeless(expected), rel=1e-9)


def test_an_array_shrinks_when_half_of_it_has_ended(dataset: Dataset) -> None:
    state = array_state("bag-of-words", [{}] * 5, dataset)
    sizes = []
    for index in (1, 3, 4, 0):
        next(member for member in state.members if member.index == index).status = Status.STOPPED
        assert [member.index for member in state.remove_ended()] == [index]
        assert isinstance(state.module, Array)
        sizes.append(len(state.module.rows))
        state.begin_epoch()
        train_step(state, torch.arange(64))
        assert len(loop.evaluate_valid(state)) == len(state.members)
    assert sizes == [5, 5, 2, 1]


@pytest.mark.parametrize("architecture", ARRAYS)
def test_an_array_makes_as_many_calls_for_many_members_as_for_few(dataset: Dataset, architecture: str) -> None:
    """A GPU waits for calls."""
    counts = []
    for k in (2, 16):
        state = array_state(architecture, [{"dropout": 0.1, "gradient_clip": 1.0}] * k, dataset)
        with torch.profiler.profile() as profile:
            train_step(state, torch.arange(64))
        counts.append(sum(event.count for event in profile.key_averages() if event.key.startswith("aten::")))
    # Arithmetic libraries choose their methods by the shape.
    assert counts[1] <= counts[0] + 5


def test_a_member_that_diverges_is_a_result_and_does_not_disturb_the_others(dataset: Dataset) -> None:
    calm, wild = {"learning_rate": 0.003}, {"learning_rate": 1000.0, "weight_decay": 1000.0}
    _, (first, second) = together("bag-of-words", [calm, wild], dataset)
    assert (first.status, second.status) == ("complete", "diverged")
    assert timeless(first) == timeless(alone("bag-of-words", calm, dataset)[1])


def test_a_member_that_is_stopped_takes_no_further_part(dataset: Dataset) -> None:
    settings: list[Assignment] = [{"learning_rate": 0.003}, {"learning_rate": 0.004}, {"learning_rate": 0.005}]
    epochs, outcomes = together("bag-of-words", settings, dataset, last_epochs={1: 2})
    assert [outcome.status for outcome in outcomes] == ["complete", "stopped", "complete"]
    assert [len(member_epochs) for member_epochs in epochs] == [12, 2, 12]
    for at in (0, 2):
        assert timeless(outcomes[at]) == timeless(alone("bag-of-words", settings[at], dataset)[1])


def test_the_epoch_of_every_member_has_ended_before_any_is_asked_whether_it_should_stop(dataset: Dataset) -> None:
    recorder = Recorder()
    train_array("bag-of-words", [{}, {"learning_rate": 0.1}], dataset, seed=1, max_epochs=1, callback=recorder)
    events = ["epoch ended", "asked", "training ended"]
    assert recorder.calls == [(event, index) for event in events for index in (0, 1)]


def test_the_time_limit_holds_for_the_last_member(dataset: Dataset) -> None:
    """Its share counts, not the time that the others left unused."""
    recorder, limit = Recorder(last_epochs={0: 1, 1: 1, 2: 1}), 0.5
    train_array(
        "bag-of-words", [{"batch_size": 8, "early_stopping_patience": 1000}] * 4, dataset, seed=1, max_epochs=1000,
        deadline=time.monotonic() + limit, callback=recorder,
    )  # fmt: skip
    assert [recorder.outcomes[index].status for index in range(4)] == ["stopped"] * 3 + ["timed-out"]
    assert limit <= recorder.outcomes[3].seconds < 1.5 * limit


def test_members_that_run_out_of_time_are_timed_out_together(dataset: Dataset) -> None:
    recorder = Recorder()
    train_array("mdn", [{}, {}], dataset, seed=1, max_epochs=3, deadline=0.0, callback=recorder)
    assert [recorder.outcomes[index].status for index in (0, 1)] == ["timed-out"] * 2
    assert all(recorder.outcomes[index].seconds > 0 for index in (0, 1))


def means_each(tokens: Tensor, tables: Tensor) -> Tensor:
    return torch.stack(means(tokens, *tables))


@pytest.mark.parametrize("way", [means_each, means_at_once])
def test_means_and_their_gradients_are_those_of_torch(way: Callable[..., Tensor]) -> None:
    random = torch.Generator().manual_seed(0)
    tokens = torch.randint(0, 40, (32, 6), generator=random)
    tokens[3] = PADDING
    tables = [nn.EmbeddingBag(40, 8, mode="mean", padding_idx=PADDING) for _ in range(3)]
    gradient = torch.randn(3, 32, 8, generator=random)
    expected = torch.stack([table(tokens) for table in tables])
    expected.backward(gradient)
    gradients = [table.weight.grad for table in tables]
    for table in tables:
        table.weight.grad = None
    means = way(tokens, torch.stack([table.weight for table in tables]))
    means.backward(gradient)
    assert torch.allclose(means, expected, atol=1e-6)
    for table, theirs in zip(tables, gradients, strict=True):
        assert table.weight.grad is not None
        assert theirs is not None
        assert torch.allclose(table.weight.grad, theirs, atol=1e-6)
        assert not table.weight.grad[PADDING].any()


def test_the_weights_of_an_array_are_its_members(dataset: Dataset) -> None:
    networks = [architectures.build("bag-of-words", {}, dataset.inputs) for _ in range(3)]
    array = Array(networks)
    tokens, dense, targets = (
        torch.tensor(part) for part in (dataset.train.tokens, dataset.train.dense, dataset.train.targets)
    )
    losses, predictions = array.loss(tokens, dense, targets)
    assert (losses.shape, predictions.shape) == ((3,), (3, *targets.shape))
    gradients = array.gradients(losses * torch.tensor([0.0, 1.0, 0.0]))
    assert gradients.shape == array.rows.shape
    assert gradients.any(dim=1).tolist() == [False, True, False]
    with torch.no_grad():
        array.rows.sub_(gradients)
    assert torch.equal(array(tokens, dense), torch.stack([array(tokens, dense)[at] for at in range(3)]))
    for network, prediction in zip(networks, array(tokens, dense), strict=True):
        torch.testing.assert_close(network(tokens, dense), prediction)
    assert not torch.allclose(networks[0](tokens, dense), networks[1](tokens, dense))


def test_architectures_that_fuse_on_a_cpu_have_only_layers_that_an_array_knows() -> None:
    for name in FUSING:
        leaves = [
            module
            for module in architectures.build(name, {}, Inputs(10, 3, 1, 1)).modules()
            if not list(module.children()) and list(module.parameters())
        ]
        assert all(isinstance(leaf, nn.Linear | nn.EmbeddingBag) for leaf in leaves)
