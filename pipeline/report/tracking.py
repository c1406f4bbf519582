"""Each row as a run in MLflow, for teams that look there; `[tracking]` of `hpt.toml` says where that is.

Whoever summarizes a sweep writes what is missing there, so a row gets there at least once, and a run is looked up by
its tag `hpt.trial` before it is made. What MLflow holds is a copy that nothing here ever reads back: whatever goes
wrong with it is a warning.
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
"""What the names of metrics begin with that have a value for each epoch; the others are those of `results.csv`."""

_CONNECTIONS = 8
_LONGEST_S = 300.0
# MLflow takes so many at once.
_METRICS_AT_ONCE, _PARAMS_AT_ONCE = 1000, 100
_POINTS = 1000
"""Of a trial's curves there are no more."""
_NUMBERS = ("training_time", "epochs")
_TAGS = tuple(sorted(RESERVED - {*_NUMBERS, "date-range", "seed", "trial", "started", "finished"}))
_ENVIRONMENT = {
    # The client's own patience are seven tries of two minutes each, for every request.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    # It would print a line for every run, and send to its makers that it was used.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
"""How the client behaves, where the environment does not say."""


def track(sweep: Sweep, rows: Sequence[Row], warn: Callable[[str], None]) -> None:
    """Writes those of a sweep's rows that MLflow does not have yet, if the project asks for it.

    Raises nothing: what keeps rows from getting there is one line for `warn`, after half a minute at most if no server
    answers, and five minutes if one is slow.
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
            _write(sweep, rows, tracking)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "mlflow":
            warn('no runs in MLflow: its client is missing here; pip install "hpt[mlflow]" brings it')
            return
        warn(
            f"MLflow at {_without_password(tracking.mlflow)} lacks runs of {sweep.id}: "
            f"{_line(_without_password(str(error)))}; `hpt report {sweep.id}` writes what is missing"
        )


def experiment_name(definition: Definition) -> str:
    """The MLflow experiment of a sweep, where `hpt.toml` names none: `lstm-attention: air_time`."""
    targets = ", ".join(definition.data.target) if definition.data else ""
    return f"{definition.architecture}: {targets}" if targets else definition.architecture


def _write(sweep: Sweep, rows: Sequence[Row], tracking: Tracking) -> None:
    """Raises whatever the client raises, and TimeoutError."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking.mlflow)
    experiment = _experiment_id(client, tracking.experiment or experiment_name(sweep.definition))
    runs = _runs_by_trial(client, experiment, sweep.id)
    missing = [row for row in rows if not any(_is_whole(run, row) for run in runs.get(_tag_of(row), ()))]
    curves = epochs_of(sweep, missing)
    until = time.monotonic() + _LONGEST_S

    def write(row: Row) -> str | None:
        """What MLflow does not like about the row; None: it is there."""
        from mlflow.exceptions import MlflowException

        if time.monotonic() > until:
            raise TimeoutError(f"not all of {len(missing)} could be written in {_LONGEST_S / 60:.0f} minutes")
        try:
            begun = next((run for run in runs.get(_tag_of(row), ()) if _is_of_attempt(run, row)), None)
            _write_run(client, experiment, sweep, row, curves.get(row["trial"], []), begun)
        except MlflowException as error:
            if error.get_http_status_code() != 400:
                raise
            return f"{row['trial']}: {error}"
        return None

    # What is local locks its files; a server takes several at once.
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
        # Somebody else may have made it at the same moment.
        if experiment := client.get_experiment_by_name(name):
            return str(experiment.experiment_id)
        raise


def _runs_by_trial(client: "MlflowClient", experiment: str, sweep: str) -> "dict[str, list[Run]]":
    """The runs of a sweep, by what their tag `hpt.trial` says."""
    runs: dict[str, list[Run]] = {}
    of_sweep, token = f"tags.`hpt.trial` LIKE '{sweep}/%'", None
    while True:
        page = client.search_runs([experiment], of_sweep, max_results=1000, page_token=token)
        for run in page:
            runs.setdefault(run.data.tags["hpt.trial"], []).append(run)
        if not (token := page.token):
            return {tag: sorted(several, key=lambda run: run.info.run_id) for tag, several in runs.items()}


def _tag_of(row: Row) -> str:
    return f"{row['sweep']}/{row['trial']}"


def _is_of_attempt(run: "Run", row: Row) -> bool:
    return bool(run.data.tags.get("hpt.attempt") == row.get("attempt"))


def _is_whole(run: "Run", row: Row) -> bool:
    """Whether nothing of the row is missing: a run ends last."""
    return _is_of_attempt(run, row) and run.info.status != "RUNNING"


def _delete_surplus(client: "MlflowClient", runs: "Sequence[Run]", row: Row) -> None:
    """Moves to MLflow's trash what it had of the trial, but for one run of the row: attempts that were retried since,
    and runs that two made at the same moment."""
    of_row = [run for run in runs if _is_of_attempt(run, row)]
    kept = next((run for run in of_row if _is_whole(run, row)), of_row[0] if of_row else None)
    for run in runs:
        if run is not kept:
            client.delete_run(run.info.run_id)


def _write_run(
    client: "MlflowClient", experiment: str, sweep: Sweep, row: Row, curve: Sequence[Row], begun: "Run | None"
) -> None:
    """Writes a row as a run, or what a run of it lacks that somebody has begun."""
    from mlflow.entities import Param

    definition = sweep.definition
    started, finished = _milliseconds(row.get("started")), _milliseconds(row.get("finished"))
    if begun is None:
        tags = {f"hpt.{name}": _text(row[name]) for name in _TAGS if row.get(name) is not None}
        tags |= {"hpt.trial": _tag_of(row), "hpt.page": sweep.store.link(sweep.page_key)}
        begun = client.create_run(experiment, started or finished, tags, run_name=row["trial"])
    run = begun.info.run_id
    settings = ["date-range", "seed", *definition.incumbent]
    params = [Param(_name(name), _text(to_cell(row[name]))) for name in settings if name in row]
    for batch in _batches(params, _PARAMS_AT_ONCE):
        client.log_batch(run, params=batch)
    at = finished or begun.info.start_time
    names = {*row} - {*definition.incumbent} - RESERVED | {*_NUMBERS}
    metrics = _metrics({name: row.get(name) for name in sorted(names)}, at, step=0)
    for batch in _batches([*metrics, *_curves(curve, at)], _METRICS_AT_ONCE):
        client.log_batch(run, metrics=batch)
    client.set_terminated(run, "FINISHED" if Status(row["status"]).is_result else "FAILED", at)


def _curves(lines: Sequence[Row], at: int) -> "list[Metric]":
    """The metrics of the epochs: of all of them, or as many as are not too much, spread evenly to the last one."""
    every = max(1, math.ceil(sum(map(len, lines)) / _POINTS))
    points = [line for line in lines[::-1][::every] if isinstance(line.get("epoch"), int)]
    return [metric for line in points[::-1] for metric in _metrics(line, at, step=line["epoch"], prefix=CURVES)]


def _metrics(values: Mapping[str, Any], at: int, step: int, prefix: str = "") -> "list[Metric]":
    from mlflow.entities import Metric

    numbers = {name: value for name, value in values.items() if name != "epoch" and type(value) in (int, float)}
    return [Metric(prefix + _name(name), float(value), at, step) for name, value in numbers.items()]


def _batches(items: "list[Any]", size: int) -> "Iterator[list[Any]]":
    return (items[at : at + size] for at in range(0, len(items), size))


def _name(name: str) -> str:
    """A name as MLflow takes it, which allows few signs and makes folders of them."""
    return re.sub(r"[^\w. -]", "_", name).lstrip(".")[:200] or "_"


def _text(text: str) -> str:
    """Without what databases do not hold: NUL, and lone surrogates."""
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
    """While it lasts, MLflow's client behaves as we need it; a trainer that uses it, too, keeps its own habits."""
    ours = {name: value for name, value in _ENVIRONMENT.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)
