import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pipeline.data.encoder import Encoder
from pipeline.data.inputs import Inputs
from pipeline.data.raw import Columns, Target
from pipeline.training import architectures, portable
from pipeline.training.evaluation import predict
from pipeline.training.model import Model

# Settings with other numbers of layers, windows and heads than the defaults.
LARGER = {
    "attention": {"layers": 2, "heads": 2, "dropout": 0.3},
    "bag-of-words": {"hidden_layers": 0},
    "cnn": {"smallest_window": 4, "windows": 3},
    "lstm": {"layers": 2, "dropout": 0.3},
    "lstm-attention": {"num_of_attentions": 3, "dropout": 0.3},
    "mdn": {"components": 1, "hidden_layers": 2},
    "multi-task": {"weighting": "uncertainty"},
    "tabular": {"ensemble_size": 2, "hidden_layers": 1},
}


def untrained(architecture: str, setting: dict, inputs: Inputs) -> Model:
    encoder = Encoder(Columns(tuple(Target(f"y{n}") for n in range(inputs.targets))), (), 0, (), (), ())
    network = architectures.build(architecture, setting, inputs)
    return Model(network, architecture, setting, inputs, encoder, torch.device("cpu"))


@pytest.mark.parametrize("architecture", architectures.names())
@pytest.mark.parametrize(
    ("inputs", "larger"),
    [
        (Inputs(vocabulary=30, length=5, dense=3, targets=1), False),
        (Inputs(vocabulary=30, length=5, dense=0, targets=2), True),
        (Inputs(vocabulary=2, length=0, dense=3, targets=1), False),
        (Inputs(vocabulary=30, length=5, dense=3, targets=1, categorical=2), False),
    ],
    ids=["tokens and numbers", "tokens only", "numbers only", "columns, words and numbers"],
)
def test_every_architecture_predicts_the_same_without_this_project(
    architecture: str, inputs: Inputs, larger: bool, tmp_path: Path
) -> None:
    model = untrained(architecture, LARGER[architecture] if larger else {}, inputs)
    portable.export(model, tmp_path / "model.pt2")
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt2"]
    exported = torch.export.load(tmp_path / "model.pt2").module()
    for count in (1, 2, 33):
        tokens = torch.randint(0, inputs.vocabulary, (count, inputs.length))
        dense = torch.randn(count, inputs.dense)
        predicted = exported(tokens, dense)
        assert predicted.dtype == torch.float32
        expected = next(predict(model.network, tokens, dense))
        assert torch.allclose(predicted, expected, rtol=1e-5, atol=1e-5)


def test_an_exported_network_runs_without_this_project(tmp_path: Path) -> None:
    portable.export(untrained("lstm-attention", {}, Inputs(9, 4, 2, 1)), tmp_path / "model.pt2")
    code = (
        "import sys; sys.modules['pipeline'] = None; import torch\n"
        "program = torch.export.load('model.pt2').module()\n"
        "print(tuple(program(torch.ones(3, 4, dtype=torch.int64), torch.zeros(3, 2)).shape))"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert result.stdout == "(3, 1)\n", result.stderr


class Fickle(torch.nn.Module):
    """Its prediction depends on the time of tracing, like Python code that depends on data."""

    calls = 0

    def forward(self, tokens: torch.Tensor, dense: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return dense.sum(dim=1, keepdim=True) + self.calls


def test_a_program_that_predicts_something_else_is_not_kept(tmp_path: Path) -> None:
    inputs = Inputs(vocabulary=9, length=4, dense=2, targets=1)
    model = Model(Fickle(), "fickle", {}, inputs, untrained("mdn", {}, inputs).encoder, torch.device("cpu"))
    with pytest.raises(RuntimeError, match="fickle: the exported program and the network predict different values"):
        portable.export(model, tmp_path / "model.pt2")
    assert list(tmp_path.iterdir()) == []
