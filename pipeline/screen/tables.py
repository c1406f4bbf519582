"""Prints tables to standard output, among them those of a calibration and of a study of resemblance."""

import json
import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from pipeline.analysis.calibration import Calibration
    from pipeline.analysis.ranges_needed import RangesNeeded


_PIPE_WIDTH = 1000
"""Wide enough that nothing is cut or folded."""


def width() -> int:
    """Width of standard output, in columns."""
    return Console().width if sys.stdout.isatty() else _PIPE_WIDTH


def print_table(table: Table) -> None:
    """Prints a table as wide as the terminal."""
    Console(width=width()).print(table)


def print_calibration(calibration: "Calibration") -> None:
    """Prints the agreement of each fidelity with the full result, and the settings of the chosen fidelity."""
    print_table(calibration_table(calibration))
    print("settings", json.dumps(calibration.settings))


def print_ranges_needed(needed: "RangesNeeded") -> None:
    """Prints the number of date ranges that each gain needs, by the number of seeds."""
    headers = ("gain", *(f"{seeds} seed{'s' if seeds > 1 else ''} per range" for seeds in needed.smallest))
    table = Table(*headers, caption="date ranges that find the gain four times in five, for one finalist")
    for gain, counts in needed.table():
        table.add_row(gain, *counts)
    print_table(table)


def calibration_table(calibration: "Calibration") -> Table:
    """A row for each fidelity: an amount of data and a number of epochs."""
    # Imported late: it needs scipy, and fast verbs print tables without it.
    from pipeline.analysis.calibration import percent

    headers = ("data", "training days", "epochs", "time", f"best {calibration.top} kept", "Spearman", "Kendall")
    table = Table(*headers, caption="in brackets: 90 % intervals; * is the cheapest that keeps what was asked for")
    for fidelity in calibration.table():
        agreement = fidelity.agreement
        low, high = (round(value * calibration.top) for value in (agreement.overlap.low, agreement.overlap.high))
        correlations = agreement.spearman, agreement.kendall
        table.add_row(
            ("* " if fidelity is calibration.chosen else "  ") + fidelity.amount.words,
            str(fidelity.amount.train_days),
            str(fidelity.epochs),
            percent(fidelity.time_share),
            f"{fidelity.overlap_count} ({low} to {high})",
            *(f"{ranks.value:.2f} ({ranks.low:.2f} to {ranks.high:.2f})" for ranks in correlations),
        )
    return table
