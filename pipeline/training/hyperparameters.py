"""Hyperparameters of the training loop: what each one is, its default, and the values that a search may try.

Every architecture has these beside its own. Nothing here imports torch: validating a spec reads them.
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
        "help": "what the learning rate is multiplied by when mse_valid no longer improves; 1 = never decay",
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


@dataclass(frozen=True)
class Settings:
    """A value for each of them, for one training."""

    learning_rate: float
    weight_decay: float
    batch_size: int
    decay_factor: float
    decay_patience: int
    early_stopping_patience: int
    gradient_clip: float
