"""Per-trial rows -> `results.csv`: a pure function of what lies under `trials/`.

A refresh reads only the rows that `results.csv` does not have yet. It is written only over the state it was
computed from, so an older merge never replaces a newer one, whoever refreshes.
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
    """All rows that count, sorted by trial, and what was skipped: `(key, why)`."""

    rows: list[Row]
    skipped: list[tuple[str, str]]

    def failures_among(self, trials: Iterable[Trial]) -> list[str]:
        """Those of the trials whose rows are failures, but for references, or cannot be read."""
        ids = set(map(str, trials))
        failed = {row["trial"] for row in results.trainings(self.rows) if not Status(row["status"]).is_result}
        unread = {key.split("/")[-2] for key, _ in self.skipped}
        return sorted(ids & (failed | unread))


def merge(sweep: Sweep) -> Merged:
    """Reads every row again and writes `results.csv`."""
    return _write(sweep, trust=False)


def refresh(sweep: Sweep) -> Merged:
    """`merge` at the cost of what is new: rows are created once, so those merged before are not read again."""
    return _write(sweep, trust=True)


def look(sweep: Sweep) -> Merged:
    """The rows that a refresh would write, without writing: for callers that may only read the store."""
    try:
        table = sweep.store.read(sweep.results_key)
    except FileNotFoundError:
        table = b""
    return _collect(sweep, _parse(table))


def _write(sweep: Sweep, *, trust: bool) -> Merged:
    """Writes the table; `trust` takes the rows that it has already as they stand there."""
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
    """All rows that count, of which those in `merged` need not be read."""
    merged_before = {row["trial"]: row for row in merged if not sweep.misfit(row)}
    rows: list[Row] = []
    to_read: list[tuple[str, ResultFile]] = []
    for trial, file in sweep.result_files().items():
        # A retried trial has several rows and the table does not say which one it took: read it again.
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
