"""Hyperparameter tuning as a batch: a JSON spec in, a table of trials, models and a summary out."""

__version__ = "0.1.0"
