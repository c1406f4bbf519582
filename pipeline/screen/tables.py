"""Tables on stdout, and the one of a calibration."""

import json
import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from pipeline.analysis.calibration import Calibration
    from pipeline.analysis.ranges_needed import RangesNeeded


_NO_WIDTH = 1000
"""A pipe has no width: nothing is cut or folded for it."""


def width() -> int:
    """Columns of the standard output."""
    return Console().width if sys.stdout.isatty() else _NO_WIDTH


def print_table(table: Table) -> None:
    """Prints a table as wide as the terminal."""
    Console(width=width()).print(table)


def print_calibration(calibration: "Calibration") -> None:
    """Prints how well each amount of data and epochs ranks, and the settings of the cheapest that ranks well enough."""
    print_table(calibration_table(calibration))
    print("settings", json.dumps(calibration.settings))


def print_ranges_needed(needed: "RangesNeeded") -> None:
    """Prints how many date ranges find which gain, by the number of seeds."""
    headers = ("gain", *(f"{seeds} seed{'s' if seeds > 1 else ''} per range" for seeds in needed.smallest))
    table = Table(*headers, caption="date ranges that find it four times in five, judging one finalist")
    for gain, counts in needed.table():
        table.add_row(gain, *counts)
    print_table(table)


def calibration_table(calibration: "Calibration") -> Table:
    """A row for each amount of data and number of epochs."""
    # Not above: scipy comes with it, which the tables of fast verbs do without.
    from pipeline.analysis.calibration import percent

    headers = ("data", "training days", "epochs", "time", f"best {calibration.top} kept", "Spearman", "Kendall")
    table = Table(*headers, caption="in brackets: 90 % intervals; * is the cheapest that keeps what was asked for")
    for setting in calibration.table():
        agreement = setting.agreement
        low, high = (round(value * calibration.top) for value in (agreement.overlap.low, agreement.overlap.high))
        table.add_row(
            ("* " if setting is calibration.chosen else "  ") + setting.amount.words,
            str(setting.amount.train_days),
            str(setting.epochs),
            percent(setting.time_share),
            f"{setting.kept} ({low} to {high})",
            *(f"{e.value:.2f} ({e.low:.2f} to {e.high:.2f})" for e in (agreement.spearman, agreement.kendall)),
        )
    return table
