"""Hyperparameter tuning as a batch: a JSON spec in, a table of trials, models and a summary out.

This is the public name; `load_model` is the Python interface for users. A checkout has the code in `pipeline/`. A wheel
has it in `hpt/` (`setup.py`), so that it never collides with a folder of yours called `pipeline`.
"""

from pipeline import __version__, load_model

__all__ = ["__version__", "load_model"]
