"""Merges the rows of trials into `results.csv`, a pure function of the files under `trials/`.

A refresh reads only the rows that `results.csv` does not have yet. The table is written only over the version from
which it was computed, so an older merge never replaces a newer one.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pipeline import results
from pipeline.results import Row, Status
from pipeline.store.update import update
from pipeline.sweep.folder import ResultFile, Sweep
from pipeline.sweep.trial import Trial

CONNECTIONS = 64


@dataclass(frozen=True)
class Merged:
    """The rows that count, sorted by trial, and the files that were skipped: `(key, problem)`."""

    rows: list[Row]
    skipped: list[tuple[str, str]]

    def failures_among(self, trials: Iterable[Trial]) -> list[str]:
        """The trials among these whose row is a failure or cannot be read; failed references do not count."""
        ids = set(map(str, trials))
        failed = {row["trial"] for row in results.trainings(self.rows) if not Status(row["status"]).is_result}
        unread = {key.split("/")[-2] for key, _ in self.skipped}
        return sorted(ids & (failed | unread))


def merge(sweep: Sweep) -> Merged:
    """Reads every row and writes `results.csv`."""
    return _write(sweep, trust=False)


def refresh(sweep: Sweep) -> Merged:
    """As `merge`, but reads only rows that `results.csv` lacks: a row is created once and never changes."""
    return _write(sweep, trust=True)


def look(sweep: Sweep) -> Merged:
    """The rows that a refresh would write, for callers that may only read the store."""
    try:
        table = sweep.store.read(sweep.results_key)
    except FileNotFoundError:
        table = b""
    return _collect(sweep, _parse(table))


def _write(sweep: Sweep, *, trust: bool) -> Merged:
    """Writes the table. With `trust`, rows that the table in the store holds already are not read again."""
    merged = Merged([], [])

    def table(written: bytes) -> bytes:
        nonlocal merged
        merged = _collect(sweep, _parse(written) if trust else ())
        return results.write_csv(merged.rows, results.table_columns(merged.rows, list(sweep.definition.incumbent)))

    update(sweep.store, sweep.results_key, table)
    return merged


def _parse(table: bytes) -> list[Row]:
    try:
        return results.read_csv(table)
    except ValueError:
        return []


def _collect(sweep: Sweep, merged: Iterable[Row]) -> Merged:
    """Every row that counts; those in `merged` are not read again."""
    merged_before = {row["trial"]: row for row in merged if not sweep.misfit(row)}
    rows: list[Row] = []
    to_read: list[tuple[str, ResultFile]] = []
    for trial, file in sweep.result_files().items():
        # A retried trial has several rows, and the table does not tell which of them it holds: read it again.
        if file.number == 1 and trial in merged_before:
            rows.append(merged_before[trial])
        else:
            to_read.append((trial, file))

    def read(item: tuple[str, ResultFile]) -> Row | str:
        trial, file = item
        try:
            return sweep.read_row(file, trial)
        except FileNotFoundError:
            return "is gone"
        except ValueError as error:
            return str(error)

    skipped = []
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        for (_, file), outcome in zip(to_read, pool.map(read, to_read), strict=True):
            if isinstance(outcome, str):
                skipped.append((file.entry.key, outcome))
            else:
                rows.append(outcome)
    rows.sort(key=lambda row: results.trial_order(row["trial"]))
    return Merged(rows, sorted(skipped))
