"""Hyperparameter tuning as a batch: a JSON spec in, a table of trials, models and a summary out.

`load_model` is the Python interface for users. Everything else is a verb of `hpt`.
"""

from os import PathLike
from typing import TYPE_CHECKING

from pipeline.provenance import __version__

if TYPE_CHECKING:
    from pipeline.training.model import Model

__all__ = ["__version__", "load_model"]


def load_model(url: str | PathLike[str]) -> "Model":
    """Loads the trained model at `url`: `load_model(url).predict(frame)` takes raw columns, as a pandas frame.

    `url` is a value of the column `model_url`, or a folder with model.pt and model.json: on this machine or on gs://.
    Raises `pipeline.errors.UserError` if there is no such model, InfrastructureError if the bucket cannot be reached.
    """
    # Imported here, so that importing the package costs nothing.
    from pipeline.training.loading import load

    return load(url)
