"""A trainer of one's own that does nothing, as docs/your-own-trainer.md has it."""

from typing import Any


def train(hyperparameters: dict[str, Any], run: object) -> dict[str, float]:
    return {"mse_valid": hyperparameters["x"], "mse_test": hyperparameters["x"]}
