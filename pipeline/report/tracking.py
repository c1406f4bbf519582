"""Copies each row to MLflow as a run, if `[tracking]` of `hpt.toml` names a server or a folder.

Each time a sweep is summarized, the missing runs are written, so each row arrives at least once. A run is found again
by its tag `hpt.trial`. The pipeline never uses what MLflow holds, so a failure is only a warning.
"""

import math
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipeline.errors import UserError
from pipeline.results import RESERVED, Row, Status, encodable, to_cell
from pipeline.spec import project
from pipeline.spec.project import Tracking
from pipeline.sweep import Definition, Sweep
from pipeline.sweep.folder import epochs_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run

CURVES = "epoch/"
"""Prefix of the metrics with a value per epoch; the other metrics have their names from `results.csv`."""

_CONNECTIONS = 8
_LONGEST_S = 300.0
"""Seconds after which no more runs are begun."""
# MLflow's limits per request.
_METRICS_AT_ONCE, _PARAMS_AT_ONCE = 1000, 100
_MOST_POINTS = 1000
"""The most values of a trial's curves, all curves together."""
_NUMBERS = ("training_time", "epochs")
_TAGS = tuple(sorted(RESERVED - {*_NUMBERS, "date-range", "seed", "trial", "started", "finished"}))
_ENVIRONMENT = {
    # By default the client tries every request seven times, two minutes each.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    # By default it prints a line per run and sends usage data to its makers.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
"""Variables that configure the client; those that the environment has already stay as they are."""


def track(sweep: Sweep, rows: Sequence[Row], warn: Callable[[str], None]) -> None:
    """Writes the rows that MLflow lacks, if the project asks for tracking.

    Raises nothing: `warn` gets one line about any failure, after half a minute at most if no server answers, and after
    five minutes at most if it is slow.
    """
    try:
        tracking = project.load().tracking
    except UserError as error:
        warn(f"no runs in MLflow: {_line(str(error))}")
        return
    if tracking is None:
        return
    try:
        with _environment():
            _write_missing(sweep, rows, tracking)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "mlflow":
            warn('no runs in MLflow: its client is missing here; pip install "hpt[mlflow]" brings it')
            return
        warn(
            f"MLflow at {_without_password(tracking.mlflow)} lacks runs of {sweep.id}: "
            f"{_line(_without_password(str(error)))}; `hpt report {sweep.id}` writes what is missing"
        )


def experiment_name(definition: Definition) -> str:
    """The MLflow experiment of a sweep if `hpt.toml` names none: `lstm-attention: air_time`."""
    targets = ", ".join(definition.data.target) if definition.data else ""
    return f"{definition.architecture}: {targets}" if targets else definition.architecture


def _write_missing(sweep: Sweep, rows: Sequence[Row], tracking: Tracking) -> None:
    """Writes the rows that have no finished run, and deletes surplus runs.

    Raises the client's errors, TimeoutError after five minutes, and ValueError if MLflow refuses rows.
    """
    from mlflow import MlflowClient

    client = MlflowClient(tracking.mlflow)
    experiment = _experiment_id(client, tracking.experiment or experiment_name(sweep.definition))
    runs = _runs_by_trial(client, experiment, sweep.id)
    missing = [row for row in rows if not any(_is_whole(run, row) for run in runs.get(_tag_of(row), ()))]
    curves = epochs_of(sweep, missing)
    until = time.monotonic() + _LONGEST_S

    def write(row: Row) -> str | None:
        """Writes a row. Returns the reason if MLflow refuses it."""
        from mlflow.exceptions import MlflowException

        if time.monotonic() > until:
            raise TimeoutError(f"not all of {len(missing)} could be written in {_LONGEST_S / 60:.0f} minutes")
        try:
            unfinished = next((run for run in runs.get(_tag_of(row), ()) if _is_of_attempt(run, row)), None)
            _write_run(client, experiment, sweep, row, curves.get(row["trial"], []), unfinished)
        except MlflowException as error:
            if error.get_http_status_code() != 400:
                raise
            return f"{row['trial']}: {error}"
        return None

    # A local folder locks its files; a server takes several writers at once.
    pool = ThreadPoolExecutor(_CONNECTIONS if tracking.mlflow.startswith("http") else 1)
    try:
        refused = [problem for problem in pool.map(write, missing) if problem]
    finally:
        pool.shutdown(cancel_futures=True)
    for row in rows:
        _delete_surplus(client, runs.get(_tag_of(row), ()), row)
    if refused:
        raise ValueError(f"{len(refused)} were refused, the first one: {refused[0]}")


def _experiment_id(client: "MlflowClient", name: str) -> str:
    if experiment := client.get_experiment_by_name(name):
        return str(experiment.experiment_id)
    try:
        return str(client.create_experiment(name))
    except Exception:
        # Another process may have created it at the same moment.
        if experiment := client.get_experiment_by_name(name):
            return str(experiment.experiment_id)
        raise


def _runs_by_trial(client: "MlflowClient", experiment: str, sweep: str) -> "dict[str, list[Run]]":
    """{tag `hpt.trial`: runs of a sweep}; a trial may have several."""
    runs: dict[str, list[Run]] = {}
    query, token = f"tags.`hpt.trial` LIKE '{sweep}/%'", None
    while True:
        page = client.search_runs([experiment], query, max_results=1000, page_token=token)
        for run in page:
            runs.setdefault(run.data.tags["hpt.trial"], []).append(run)
        if not (token := page.token):
            return {tag: sorted(several, key=lambda run: run.info.run_id) for tag, several in runs.items()}


def _tag_of(row: Row) -> str:
    return f"{row['sweep']}/{row['trial']}"


def _is_of_attempt(run: "Run", row: Row) -> bool:
    return bool(run.data.tags.get("hpt.attempt") == row.get("attempt"))


def _is_whole(run: "Run", row: Row) -> bool:
    """True if the run holds the whole row: it is marked as ended after all else is written."""
    return _is_of_attempt(run, row) and run.info.status != "RUNNING"


def _delete_surplus(client: "MlflowClient", runs: "Sequence[Run]", row: Row) -> None:
    """Moves all runs of the row's trial but one to MLflow's trash.

    Surplus are those of an attempt that was retried since, and the second if two were created at the same moment.
    """
    of_row = [run for run in runs if _is_of_attempt(run, row)]
    current = next((run for run in of_row if _is_whole(run, row)), of_row[0] if of_row else None)
    for run in runs:
        if run is not current:
            client.delete_run(run.info.run_id)


def _write_run(
    client: "MlflowClient", experiment: str, sweep: Sweep, row: Row, curve: Sequence[Row], unfinished: "Run | None"
) -> None:
    """Writes a row as a run, or completes `unfinished`, a run of this row that an earlier report began."""
    from mlflow.entities import Param

    definition = sweep.definition
    started, finished = _milliseconds(row.get("started")), _milliseconds(row.get("finished"))
    if unfinished is None:
        tags = {f"hpt.{name}": _text(row[name]) for name in _TAGS if row.get(name) is not None}
        tags |= {"hpt.trial": _tag_of(row), "hpt.page": sweep.store.link(sweep.page_key)}
        unfinished = client.create_run(experiment, started or finished, tags, run_name=row["trial"])
    run = unfinished.info.run_id
    settings = ["date-range", "seed", *definition.incumbent]
    params = [Param(_name(name), _text(to_cell(row[name]))) for name in settings if name in row]
    for batch in _batches(params, _PARAMS_AT_ONCE):
        client.log_batch(run, params=batch)
    at = finished or unfinished.info.start_time
    names = {*row} - {*definition.incumbent} - RESERVED | {*_NUMBERS}
    metrics = _metrics({name: row.get(name) for name in sorted(names)}, at, step=0)
    for batch in _batches([*metrics, *_curves(curve, at)], _METRICS_AT_ONCE):
        client.log_batch(run, metrics=batch)
    client.set_terminated(run, "FINISHED" if Status(row["status"]).is_result else "FAILED", at)


def _curves(lines: Sequence[Row], at: int) -> "list[Metric]":
    """The metrics of the epochs; if they are too many, only every second epoch, or third …, and always the last."""
    every = max(1, math.ceil(sum(map(len, lines)) / _MOST_POINTS))
    points = [line for line in lines[::-1][::every] if isinstance(line.get("epoch"), int)]
    return [metric for line in points[::-1] for metric in _metrics(line, at, step=line["epoch"], prefix=CURVES)]


def _metrics(values: Mapping[str, Any], at: int, step: int, prefix: str = "") -> "list[Metric]":
    from mlflow.entities import Metric

    numbers = {name: value for name, value in values.items() if name != "epoch" and type(value) in (int, float)}
    return [Metric(prefix + _name(name), float(value), at, step) for name, value in numbers.items()]


def _batches(items: "list[Any]", size: int) -> "Iterator[list[Any]]":
    return (items[at : at + size] for at in range(0, len(items), size))


def _name(name: str) -> str:
    """A name that MLflow accepts: it allows few special characters, and a local folder uses names as paths."""
    return re.sub(r"[^\w. -]", "_", name).lstrip(".")[:200] or "_"


def _text(text: str) -> str:
    """Text that every database can hold: without NUL and lone surrogates."""
    return encodable(text.replace("\x00", "\ufffd"))


def _milliseconds(time: str | None) -> int | None:
    try:
        return int(datetime.fromisoformat(time).timestamp() * 1000) if time else None
    except (ValueError, OverflowError, OSError):
        return None


def _line(text: str) -> str:
    return " ".join(text.split())[:500]


def _without_password(text: str) -> str:
    return re.sub(r"//[^/@\s]*@", "//", text)


@contextmanager
def _environment() -> Iterator[None]:
    """Configures MLflow's client inside the block only: a team's trainer may use the same client."""
    added = {name: value for name, value in _ENVIRONMENT.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
