"""A trained network as one file that PyTorch alone can run: `torch.export`'s format, for use without this project.

Only the network: raw columns must be encoded by whoever uses it, as `model.json` says.
"""

import warnings
from pathlib import Path

import torch
from torch import Tensor

from pipeline.data.inputs import PADDING, Inputs
from pipeline.store.keys import temporary_name
from pipeline.training.model import Model

PROGRAM = "model.pt2"

# Kernels that add up in another order differ in the last digits; in standardised units this is far below any error.
_TOLERANCE = 1e-5


def export(model: Model, path: Path) -> None:
    """Writes the network for any number of rows, in float32: `(tokens, dense)` to `[rows, targets]`.

    Of a model on the CPU, as `model.load` gives it. The file is kept only if what it gives equals what the model gives;
    RuntimeError if not.
    """
    network = model.network.eval()
    rows = torch.export.Dim("rows")
    temporary = path.with_name(temporary_name())
    try:
        with warnings.catch_warnings():
            # Of torch about its own tracing: nothing that a person could act on.
            warnings.simplefilter("ignore")
            program = torch.export.export(
                network, _made_up(model.inputs, 7), dynamic_shapes={"tokens": {0: rows}, "dense": {0: rows}}
            )
            with open(temporary, "wb") as file:
                torch.export.save(program, file)
            with open(temporary, "rb") as file:
                kept = torch.export.load(file).module()
        for count in (1, 2, 300):
            some = _made_up(model.inputs, count)
            with torch.inference_mode():
                if not torch.allclose(kept(*some), network(*some), rtol=_TOLERANCE, atol=_TOLERANCE):
                    raise RuntimeError(f"{model.architecture}: the exported program predicts something else")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _made_up(inputs: Inputs, count: int) -> tuple[Tensor, Tensor]:
    """Rows of any tokens there are, padding among them; the last row is all padding."""
    random = torch.Generator().manual_seed(count)
    tokens = torch.randint(0, inputs.vocabulary, (count, inputs.length), generator=random)
    tokens[-1] = PADDING
    return tokens, torch.randn(count, inputs.dense, generator=random)
