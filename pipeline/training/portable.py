"""Exports a trained network as one file in the format of `torch.export`, which PyTorch runs without this project.

The file holds only the network. Whoever uses it has to encode raw columns as `model.json` says.
"""

import warnings
from pathlib import Path

import torch
from torch import Tensor

from pipeline.data.inputs import PADDING, Inputs
from pipeline.store.keys import temporary_name
from pipeline.training.model import Model

PROGRAM = "model.pt2"

_TOLERANCE = 1e-5
"""Largest allowed difference, in standardised units. Kernels that add in another order differ by much less."""


def export(model: Model, path: Path) -> None:
    """Writes the network as a program for any number of rows: `(tokens, dense)` to predictions `[rows, targets]`.

    The model must be on the CPU, as `model.load` gives it. Raises RuntimeError, and leaves no file, if the exported
    program's predictions differ from the model's.
    """
    network = model.network.eval()
    rows = torch.export.Dim("rows")
    temporary = path.with_name(temporary_name())
    try:
        with warnings.catch_warnings():
            # Nobody could act on torch's warnings about its tracing.
            warnings.simplefilter("ignore")
            program = torch.export.export(
                network, _random_rows(model.inputs, 7), dynamic_shapes={"tokens": {0: rows}, "dense": {0: rows}}
            )
            with open(temporary, "wb") as file:
                torch.export.save(program, file)
            with open(temporary, "rb") as file:
                exported = torch.export.load(file).module()
        for count in (1, 2, 300):
            batch = _random_rows(model.inputs, count)
            with torch.inference_mode():
                if not torch.allclose(exported(*batch), network(*batch), rtol=_TOLERANCE, atol=_TOLERANCE):
                    raise RuntimeError(
                        f"{model.architecture}: the exported program and the network predict different values"
                    )
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _random_rows(inputs: Inputs, count: int) -> tuple[Tensor, Tensor]:
    """Random tokens `[count, L]`, some of them padding, and dense features; the last row is all padding."""
    random = torch.Generator().manual_seed(count)
    tokens = torch.randint(0, inputs.vocabulary, (count, inputs.length), generator=random)
    tokens[-1] = PADDING
    return tokens, torch.randn(count, inputs.dense, generator=random)
