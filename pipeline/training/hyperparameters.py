"""Hyperparameters that architectures share: their defaults, domains and limits.

Every architecture has the hyperparameters of the training loop, and those hyperparameters of layers that it names. It
declares only the fields that differ from the ones here. `pipeline.space.Hyperparameter` explains the fields. This file
does not import torch, because validating a spec reads it.
"""

from dataclasses import dataclass
from typing import Any

HYPERPARAMETERS: dict[str, dict[str, Any]] = {
    "learning_rate": {
        "default": 0.001,
        "domain": {"low": 0.0003, "high": 0.03, "log": True},
        "limits": {"low": 0.0, "high": 1000.0},
        "phase": "learning-rate",
        "help": "initial learning rate of AdamW",
        "shapes": False,
    },
    "weight_decay": {
        "default": 0.01,
        "domain": [0.0, 0.0001, 0.001, 0.01, 0.1],
        "limits": {"low": 0.0, "high": 1000.0},
        "help": "weight decay of AdamW",
        "shapes": False,
    },
    "batch_size": {
        "default": 256,
        "domain": [64, 128, 256, 512, 1024],
        "limits": {"low": 1, "high": 16777216},
        "help": "rows per step",
    },
    "decay_factor": {
        "default": 0.5,
        "domain": {"low": 0.1, "high": 0.9},
        "limits": {"low": 0.0, "high": 1.0},
        "phase": "learning-rate",
        "help": "factor on the learning rate when mse_valid no longer improves; 1 = never decay",
        "shapes": False,
    },
    "decay_patience": {
        "default": 2,
        "domain": [1, 2, 3],
        "limits": {"low": 1, "high": 1000000},
        "phase": "learning-rate",
        "help": "epochs in a row without a better mse_valid after which the learning rate decays",
        "shapes": False,
    },
    "early_stopping_patience": {
        "default": 5,
        "domain": [3, 5],
        "limits": {"low": 1, "high": 1000000},
        "phase": "learning-rate",
        "help": "epochs in a row without a better mse_valid after which training ends",
        "shapes": False,
    },
    "gradient_clip": {
        "default": 0.0,
        "domain": [0.0, 0.1, 1.0, 10.0],
        "limits": {"low": 0.0, "high": 1000000.0},
        "help": "largest norm of the gradient; 0 = no clipping",
        "shapes": False,
    },
}
"""Hyperparameters of the training loop, which every architecture has."""

LAYER_HYPERPARAMETERS: dict[str, dict[str, Any]] = {
    "embedding_size": {
        "default": 64,
        "domain": {"low": 8, "high": 256, "log": True},
        "limits": {"low": 1, "high": 4096},
        "help": "numbers per token",
    },
    "hidden_size": {
        "default": 64,
        "domain": {"low": 16, "high": 512, "log": True},
        "limits": {"low": 1, "high": 16384},
        "help": "units of a hidden layer",
    },
    "hidden_layers": {
        "default": 1,
        "domain": [1, 2, 3],
        "limits": {"low": 0, "high": 32},
        "help": "hidden layers; 0 is a linear model",
    },
    "dropout": {
        "default": 0.0,
        "domain": {"low": 0.0, "high": 0.5},
        "limits": {"low": 0.0, "high": 0.95},
        "help": "share of hidden units switched off while training",
        "shapes": False,
    },
}
"""Hyperparameters of layers that many architectures have. An architecture that names one has it, with the fields here.

Fields that the architecture gives replace these: `{"dropout": {"default": 0.1}}` keeps domain, limits and help.
"""


@dataclass(frozen=True)
class Settings:
    """Values of the training loop's hyperparameters, for one training."""

    learning_rate: float
    weight_decay: float
    batch_size: int
    decay_factor: float
    decay_patience: int
    early_stopping_patience: int
    gradient_clip: float
