"""A scikit-learn trainer: a random forest that grows, on a CSV with one column of days, a number and a target.

`hpt run specs/examples/forest.json` tunes it. It needs nothing of hpt: the import only helps editors.
"""

import csv
from datetime import date
from typing import TYPE_CHECKING

import joblib
import numpy as np
from pydantic import BaseModel, Field
from sklearn.ensemble import RandomForestRegressor
from sklearn.metrics import mean_squared_error

if TYPE_CHECKING:
    from hpt.training.own import Days, Run


class Settings(BaseModel):
    """The hyperparameters. The automatic mode searches within their bounds."""

    max_depth: int = Field(4, ge=1, le=12, description="splits from the root to a leaf")
    min_samples_leaf: int = Field(1, ge=1, le=50, json_schema_extra={"x-log": True})
    bootstrap: bool = True


def train(settings: Settings, run: "Run") -> dict[str, object]:
    with open(run.data["path"], newline="") as file:
        rows = [
            (date.fromisoformat(row["day"]), float(row["size"]), float(row["value"])) for row in csv.DictReader(file)
        ]

    def part(days: "Days") -> tuple[np.ndarray, np.ndarray]:
        table = np.array([row[1:] for row in rows if days.start <= row[0] < days.end])
        return table[:, :1], table[:, 1]

    forest = RandomForestRegressor(warm_start=True, random_state=run.seed, **settings.model_dump())
    for epoch in range(1, run.max_epochs + 1):
        forest.set_params(n_estimators=5 * epoch).fit(*part(run.train))
        if not run.report(epoch, mse_valid=error(forest, *part(run.valid))):
            break
    joblib.dump(forest, run.folder / "forest.joblib")
    return {"mse_test": error(forest, *part(run.test)), "model": "forest.joblib"}


def error(forest: RandomForestRegressor, features: np.ndarray, target: np.ndarray) -> float:
    return mean_squared_error(target, forest.predict(features))
