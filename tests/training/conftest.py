"""Small made-up datasets for tests that do not read data."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline.data.dataset import Dataset, Part
from pipeline.data.encoder import Encoder
from pipeline.data.inputs import Inputs
from pipeline.data.raw import Columns, Target

torch.set_num_threads(1)


def made_up(inputs: Inputs, rows: tuple[int, int, int] = (300, 80, 90), seed: int = 0) -> Dataset:
    """Targets that the tokens and the dense features explain, apart from a little noise."""
    random = np.random.default_rng(seed)
    of_token = random.normal(size=(inputs.vocabulary, inputs.targets))
    of_dense = random.normal(size=(inputs.dense, inputs.targets))

    def part(count: int) -> Part:
        tokens = random.integers(0, inputs.vocabulary, size=(count, inputs.length))
        dense = random.normal(size=(count, inputs.dense)).astype(np.float32)
        targets = of_token[tokens].sum(axis=1) + dense @ of_dense + 0.1 * random.normal(size=(count, inputs.targets))
        return Part(tokens, dense, (targets / max(1, inputs.length + inputs.dense) ** 0.5).astype(np.float32))

    names = tuple(f"y{number}" for number in range(inputs.targets))
    encoder = Encoder(Columns(tuple(map(Target, names))), (), 0, (), (), ())
    return Dataset(inputs, part(rows[0]), part(rows[1]), part(rows[2]), names, encoder, "made-up")


@pytest.fixture
def dataset() -> Dataset:
    return made_up(Inputs(vocabulary=30, length=5, dense=3, targets=1))


@pytest.fixture
def make_dataset() -> Callable[..., Dataset]:
    return made_up


@pytest.fixture
def make_double(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Inputs], Dataset]]:
    """Makes datasets in double precision; networks are, too. Then only a bug makes results differ by more than 1e-9."""

    def double(part: Part) -> Part:
        return replace(part, dense=part.dense.astype(np.float64), targets=part.targets.astype(np.float64))

    def make(inputs: Inputs) -> Dataset:
        dataset = made_up(inputs)
        return replace(dataset, train=double(dataset.train), valid=double(dataset.valid), test=double(dataset.test))

    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    torch.set_default_dtype(torch.float64)
    yield make
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def double(make_double: Callable[[Inputs], Dataset]) -> Dataset:
    return make_double(Inputs(vocabulary=30, length=5, dense=3, targets=1))
