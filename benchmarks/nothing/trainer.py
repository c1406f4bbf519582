"""An own trainer, in the form of docs/your-own-trainer.md, that does nothing."""

from typing import Any


def train(hyperparameters: dict[str, Any], run: object) -> dict[str, float]:
    return {"mse_valid": hyperparameters["x"], "mse_test": hyperparameters["x"]}
