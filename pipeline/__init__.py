"""Hyperparameter tuning as a batch: a JSON spec in, a table of trials, models and a summary out.

From Python, one thing is for users: `load_model`. All else is behind the verbs of `hpt`.
"""

from os import PathLike
from typing import TYPE_CHECKING

from pipeline.provenance import __version__

if TYPE_CHECKING:
    from pipeline.training.model import Model

__all__ = ["__version__", "load_model"]


def load_model(url: str | PathLike[str]) -> "Model":
    """The trained model at `url`: `load_model(url).predict(frame)` takes raw columns, as a pandas frame.

    `url` is what stands in the column `model_url`, or a folder, here or on gs://, that holds model.pt and model.json.
    Raises `pipeline.errors.UserError` if there is no such model, InfrastructureError if the bucket cannot be reached.
    """
    # In here, so that importing the package costs nothing.
    from pipeline.training.loading import load

    return load(url)
