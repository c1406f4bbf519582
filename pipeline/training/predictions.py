"""Summary of a model's predictions on its test part: predictions against the truth, and errors by week.

The summary is a file of a few kilobytes beside the training's other files. This module does not need torch.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pipeline.data.dataset import Dataset

FILE = "predictions.json"
BINS = 12
"""Groups of rows with similar predictions."""


def write(folder: Path, predicted: "NDArray[Any]", dataset: "Dataset") -> dict[str, Path]:
    """Writes the summary of the predictions `[N, T]` of the test part, which are in standardised units.

    Returns `{"predictions.json": path}`, or an empty dict if the days of the rows are unknown.
    """
    if dataset.test_days is None:
        return {}
    summary = {
        "bins": {
            name: _bins(predictions, truth)
            for name, predictions, truth in zip(
                dataset.target_names,
                dataset.encoder.original_units(predicted).to_numpy(dtype=float).T,
                dataset.encoder.original_units(dataset.test.targets).to_numpy(dtype=float).T,
                strict=True,
            )
        },
        "weeks": _weeks(((predicted - dataset.test.targets) ** 2).mean(axis=1), dataset.test_days),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_text(json.dumps(summary, ensure_ascii=False) + "\n", encoding="utf-8")
    return {FILE: folder / FILE}


def _bins(predicted: "NDArray[np.float64]", truth: "NDArray[np.float64]") -> list[list[float]]:
    """`[[mean prediction, mean truth, rows], …]` of rows with similar predictions, the lowest first."""
    import numpy as np

    order = np.argsort(predicted, kind="stable")
    parts = np.array_split(order, min(BINS, len(order)))
    return [[_short(predicted[part].mean()), _short(truth[part].mean()), len(part)] for part in parts]


def _weeks(errors: "NDArray[np.float64]", days: "NDArray[np.datetime64]") -> list[Sequence[Any]]:
    """`[[Monday, mean squared error of standardised targets, rows], …]`, the first week first."""
    import numpy as np

    # Weeks of numpy begin on Thursdays, because 1970 did.
    mondays = (days.astype("datetime64[D]") + np.timedelta64(3, "D")).astype("datetime64[W]").astype("datetime64[D]")
    mondays -= np.timedelta64(3, "D")
    weeks, week_of_row, counts = np.unique(mondays, return_inverse=True, return_counts=True)
    totals = np.bincount(week_of_row, weights=errors)
    return [
        [str(monday), _short(total / count), int(count)]
        for monday, total, count in zip(weeks, totals, counts, strict=True)
    ]


def _short(value: Any) -> float:
    return float(f"{float(value):.6g}")
