"""Hyperparameter tuning as a batch: a JSON spec in, a table of trials, models and a summary out.

The public name, of which `load_model` is for users. In a checkout the code is `pipeline/`; a wheel has it under this
name (`setup.py`), so that a folder of yours called `pipeline` is never taken for ours, nor ours for yours.
"""

from pipeline import __version__, load_model

__all__ = ["__version__", "load_model"]
