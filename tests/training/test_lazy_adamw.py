import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from pipeline.data.dataset import Dataset
from pipeline.training import lazy_adamw
from pipeline.training.lazy_adamw import LazyTable
from pipeline.training.loop import train, train_array
from pipeline.training.outcome import Outcome
from tests.support.training import Recorder

ROWS, WIDTH = 12, 3


def moved(table: Tensor, gradients: list[tuple[list[int], float]], rate: float, decay: float, flush: int) -> Tensor:
    """Weights after steps; each step has gradients of a size on some rows, and none on the others."""
    embedding = nn.Embedding(ROWS, WIDTH, padding_idx=0, dtype=torch.float64)
    with torch.no_grad():
        embedding.weight.copy_(table)
    lazy = LazyTable(embedding, decay)
    for at, (rows, size) in enumerate(gradients):
        batch_rows = torch.tensor(sorted({0, *rows}))
        lazy.gather(batch_rows)
        embedding.weight.grad = gradient(at, size)[batch_rows]
        lazy.step(rate)
        if at % flush == 0:
            lazy.flush()
    lazy.flush()
    return embedding.weight.detach()


def moved_by_torch(table: Tensor, gradients: list[tuple[list[int], float]], rate: float, decay: float) -> Tensor:
    weight = nn.Parameter(table.clone())
    optimizer = torch.optim.AdamW([weight], lr=rate, weight_decay=decay, betas=lazy_adamw.BETAS, eps=lazy_adamw.EPSILON)
    for at, (rows, size) in enumerate(gradients):
        weight.grad = torch.zeros_like(weight)
        weight.grad[sorted({0, *rows})] = gradient(at, size)[sorted({0, *rows})]
        optimizer.step()
    return weight.detach()


def gradient(step: int, size: float) -> Tensor:
    """Random gradients of all rows but padding."""
    random = torch.Generator().manual_seed(step)
    return size * torch.randn(ROWS, WIDTH, generator=random, dtype=torch.float64) * (torch.arange(ROWS) > 0)[:, None]


@st.composite
def steps(draw: st.DrawFn, sizes: tuple[float, ...]) -> list[tuple[list[int], float]]:
    row = st.integers(1, ROWS - 1)
    step = st.tuples(st.lists(row, max_size=3), st.sampled_from(sizes))
    first: list[tuple[list[int], float]] = draw(st.lists(step, min_size=1, max_size=60))
    return first + [([1], sizes[0])] * draw(st.integers(0, 200)) + draw(st.lists(step, max_size=5))


@settings(max_examples=40)
@given(
    steps((1e-3, 1.0, 100.0)), st.sampled_from([1e-4, 0.01, 0.3]), st.sampled_from([0.0, 0.01, 1.0]), st.integers(1, 90)
)
def test_rows_move_as_torch_would_move_them(gradients, rate, decay, flush):
    table = torch.randn(ROWS, WIDTH, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    table[0] = 0
    ours, theirs = moved(table, gradients, rate, decay, flush), moved_by_torch(table, gradients, rate, decay)
    # In double precision only the approximation makes a difference; a step moves a weight by about the rate.
    assert (ours - theirs).abs().max() < 1e-4 * rate
    assert not ours[0].any()


@settings(max_examples=40)
@given(steps((1e-8, 1e-6, 1e-10)), st.integers(1, 90))
def test_with_gradients_as_small_as_the_constant_a_step_is_wrong_by_less_than_a_hundredth(gradients, flush):
    table = torch.zeros(ROWS, WIDTH, dtype=torch.float64)
    ours, theirs = moved(table, gradients, 0.01, 0.0, flush), moved_by_torch(table, gradients, 0.01, 0.0)
    assert (ours - theirs).abs().max() < 0.01 * 0.01 * len(gradients)


def test_the_embedding_is_whole_again_once_it_is_flushed():
    embedding = nn.EmbeddingBag(ROWS, WIDTH, mode="mean", padding_idx=0)
    whole = embedding.weight
    table = LazyTable(embedding, 0.01)
    table.gather(torch.tensor([0, 4, 7]))
    assert torch.equal(embedding.weight, whole[[0, 4, 7]])
    embedding.weight.grad = torch.ones(3, WIDTH)
    table.step(0.1)
    table.flush()
    assert embedding.weight is whole


def test_lazy_updates_are_for_large_tables_with_few_rows_read_and_epochs_of_many_steps():
    cpu = torch.device("cpu")
    few = np.tile(np.arange(1, 51), (400, 1))
    assert lazy_adamw.is_faster(1000, few, 10, cpu)
    assert not lazy_adamw.is_faster(100, few, 10, cpu)
    assert not lazy_adamw.is_faster(1000, few, 100, cpu)
    assert not lazy_adamw.is_faster(1000, few, 10, torch.device("cuda"))
    assert not lazy_adamw.is_faster(1000, np.zeros((4, 0), dtype=np.int64), 1, cpu)


@pytest.fixture(params=["bag-of-words", "mdn", "multi-task", "lstm", "lstm-attention", "cnn", "attention"])
def architecture(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_training_gives_the_same_outcome(double: Dataset, architecture: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In double precision, because AdamW makes whole steps even of gradients that are only rounding errors."""
    settings = {"batch_size": 16, "learning_rate": 0.01, "gradient_clip": 0.5, "dropout": 0.2, "decay_patience": 1}

    def trained() -> Outcome:
        return train(architecture, settings, double, seed=3, max_epochs=3)

    expected = trained()
    gathered = []
    original = LazyTable.gather
    monkeypatch.setattr(LazyTable, "gather", lambda table, rows: (gathered.append(len(rows)), original(table, rows))[1])
    monkeypatch.setattr(lazy_adamw, "is_faster", lambda *_: True)
    outcome = trained()
    assert gathered
    assert (outcome.status, outcome.epochs, outcome.best_epoch) == (
        expected.status,
        expected.epochs,
        expected.best_epoch,
    )
    for name in ("mse_test", "mse_train", "mse_valid", "loss", "weights"):
        assert outcome.metrics[name] == pytest.approx(expected.metrics[name], rel=1e-9), name
    ours, theirs = outcome.network.state_dict(), expected.network.state_dict()
    for name, weight in theirs.items():
        assert weight.dtype == torch.float64
        assert (ours[name] - weight).abs().max() < 1e-8, name


def test_members_side_by_side_are_trained_as_alone(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lazy_adamw, "is_faster", lambda *_: True)
    settings = [{"batch_size": 16, "learning_rate": rate, "weight_decay": rate} for rate in (0.01, 0.02, 0.3)]
    recorder = Recorder()
    train_array("bag-of-words", settings, dataset, seed=3, max_epochs=4, callback=recorder)
    for at, setting in enumerate(settings):
        alone = train("bag-of-words", setting, dataset, seed=3, max_epochs=4)
        assert recorder.outcomes[at].metrics["mse_test"] == alone.metrics["mse_test"]
        assert recorder.outcomes[at].metrics["mse_valid"] == alone.metrics["mse_valid"]


def test_a_time_limit_within_an_epoch_leaves_a_whole_network(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lazy_adamw, "is_faster", lambda *_: True)
    outcome = train("bag-of-words", {"batch_size": 16}, dataset, seed=3, max_epochs=4, deadline=0.0)
    assert outcome.status == "timed-out"
    assert outcome.network.state_dict()["reader.embedding.weight"].shape[0] == dataset.inputs.vocabulary
