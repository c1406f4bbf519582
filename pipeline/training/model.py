"""Saves and loads a trained model as two files, `model.pt` (weights) and `model.json` (everything else).

Loading runs no code from the files: weights are read with `weights_only=True`, and the network is built by this
project's architecture. This module does not know the layout of a sweep's folder.
"""

import json
import pickle
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from pipeline.data.encoder import Encoder
from pipeline.data.inputs import Inputs
from pipeline.errors import UserError
from pipeline.provenance import __version__
from pipeline.space import Assignment
from pipeline.training import architectures
from pipeline.training.evaluation import predict
from pipeline.training.saved import DESCRIPTION, WEIGHTS


@dataclass(frozen=True)
class Model:
    """A trained network with everything needed to predict: `load(folder).predict(frame)`."""

    network: nn.Module = field(repr=False)
    architecture: str
    hyperparameters: Assignment
    inputs: Inputs
    encoder: Encoder = field(repr=False)  # its repr has whole vocabularies, which would fill screens
    device: torch.device

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Predicts a frame that has the raw columns of the training data: a column per target, in its original unit."""
        predictions = self.encoder.original_units(self.predict_encoded(*self.encoder.encode(frame)))
        return predictions.set_axis(frame.index, axis=0)

    def predict_encoded(self, tokens: NDArray[np.int64], dense: NDArray[np.float32]) -> NDArray[np.float32]:
        """Predictions `[N, T]` in standardised units, of encoded rows: tokens `[N, L]`, dense features `[N, D]`."""
        arguments = (torch.tensor(array, device=self.device) for array in (tokens, dense))
        batches = [batch.cpu().numpy() for batch in predict(self.network, *arguments)]
        return np.concatenate(batches)


def save(
    folder: Path,
    network: nn.Module,
    *,
    architecture: str,
    hyperparameters: Assignment,
    inputs: Inputs,
    encoder: Encoder,
) -> None:
    """Writes both files into the folder, and creates the folder if necessary."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.save({key: weight.detach().cpu() for key, weight in network.state_dict().items()}, folder / WEIGHTS)
    description = {
        "architecture": architecture,
        # All hyperparameters, so that a default that changes later does not change this model.
        "hyperparameters": architectures.complete(architecture, hyperparameters),
        "inputs": asdict(inputs),
        "encoder": encoder.to_json(),
        "made-with": {"hpt": __version__, "torch": torch.__version__},
    }
    # A line per key. With an indent at every level a vocabulary would take thousands of lines, and be slow to write.
    lines = (f" {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in description.items())
    (folder / DESCRIPTION).write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def load(folder: Path, device: str | torch.device = "cpu") -> Model:
    """The model that `save` wrote, ready to predict. Raises UserError if files are missing, damaged or do not fit."""
    description = _read_description(folder / DESCRIPTION)
    try:
        architecture: str = description["architecture"]
        hyperparameters: Assignment = description["hyperparameters"]
        inputs = Inputs(**description["inputs"])
        encoder = Encoder.from_json(description["encoder"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        problem = f"{type(error).__name__}: {error}"
        raise UserError(f"{folder / DESCRIPTION} does not describe a model ({problem}): fetch it again") from error
    try:
        network = architectures.build(architecture, hyperparameters, inputs)
    except UserError as error:
        raise UserError(f"{folder / DESCRIPTION}: {error}") from error
    _read_weights(folder / WEIGHTS, network, architecture)
    device = torch.device(device)
    return Model(network.to(device).eval(), architecture, hyperparameters, inputs, encoder, device)


def _read_description(path: Path) -> dict[str, Any]:
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"there is no {path.name} in {path.parent}: give the folder of a saved model") from error
    except ValueError as error:
        raise UserError(f"{path} is not JSON ({error}): fetch it again") from error
    if not isinstance(description, dict):
        raise UserError(f"{path} does not describe a model: fetch it again")
    return description


def _read_weights(path: Path, network: nn.Module, architecture: str) -> None:
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise UserError(f"there is no {path.name} in {path.parent}: give the folder of a saved model") from error
    # torch raises OSError for a truncated file.
    except (pickle.UnpicklingError, RuntimeError, OSError, EOFError, ValueError) as error:
        raise UserError(f"{path} does not hold weights, or was damaged: fetch it again") from error
    try:
        network.load_state_dict(weights)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise UserError(f"{path} does not fit {architecture} as it is in this version of hpt") from error
