"""Calls a team's own training function. Run as a file, in a separate process: `call.py package.module:function`.

It imports nothing of hpt, so that a team's folder may be called `pipeline`, too. It gets its input by environment
variables, as any other program does (docs/your-own-trainer.md), and adds reports to the metrics file.
"""

import contextlib
import importlib
import inspect
import json
import os
import sys
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

GROUP = "hpt.trainers"
"""Group of entry points in which a package names its trainers."""
_PARTS_AT_MOST = 1000
"""Number of values of a list in a report; more are left out."""


class Days(NamedTuple):
    start: date
    end: date


class RunFromEnvironment:
    """The `run` that a function gets; `pipeline.training.own.Run` describes it."""

    def __init__(self) -> None:
        self.trial = os.environ["HPT_TRIAL"]
        self.date_range, self.train, self.valid, self.test = (
            Days(*(date.fromisoformat(os.environ[f"HPT_{part}{end}"]) for end in ("START", "END")))
            for part in ("", "TRAIN_", "VALID_", "TEST_")
        )
        self.seed = int(os.environ["HPT_SEED"])
        self.max_epochs = int(os.environ["HPT_MAX_EPOCHS"])
        self.data = json.loads(os.environ.get("HPT_DATA", "null"))
        self.folder = Path(os.environ["HPT_FOLDER"])
        self.model: str | Path | None = None
        self._metrics, self._stop = Path(os.environ["HPT_METRICS"]), Path(os.environ["HPT_STOP"])

    def report(self, epoch: float, /, **metrics: Any) -> bool:
        self.write({"epoch": epoch, **metrics})
        return not self.should_stop

    @property
    def should_stop(self) -> bool:
        return self._stop.exists()

    def write(self, report: Mapping[str, Any]) -> None:
        """Adds a line to the metrics file."""
        line = json.dumps({str(name): _plain(value) for name, value in report.items()})
        # A single write for each line: a process that is killed leaves whole lines.
        with self._metrics.open("ab", buffering=0) as file:
            file.write(line.encode() + b"\n")


def _plain(value: Any) -> Any:
    """Turns numbers of numpy and torch into floats, and other values into text, which the log notes as mistakes."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value[:_PARTS_AT_MOST]]
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        return os.fspath(value) if isinstance(value, os.PathLike) else repr(value)[:100]


def find(name: str) -> Callable[..., Any]:
    """The function that a spec names: `module:function`, or the name of an entry point.

    Raises LookupError, ImportError, AttributeError or TypeError if there is no such function.
    """
    module, colon, function = name.partition(":")
    if not colon:
        from importlib.metadata import entry_points  # importing it takes as long as all other imports

        matches = [entry_point for entry_point in entry_points(group=GROUP) if entry_point.name == name]
        if not matches:
            raise LookupError(f'no package here has an entry point "{name}" in the group {GROUP}')
        return _callable(matches[0].load(), name)
    value: Any = importlib.import_module(module)
    for part in function.split("."):
        value = getattr(value, part)
    return _callable(value, name)


def _callable(value: Any, name: str) -> Callable[..., Any]:
    if not callable(value):
        raise TypeError(f"{name} is no function")
    return value


def model_of(function: Callable[..., Any]) -> Any:
    """The pydantic model of a function's hyperparameters; None if it takes a plain dict.

    The model is the function's attribute `hyperparameters`, or else the annotation of its first parameter.
    """
    declared = getattr(function, "hyperparameters", None)
    if declared is None:
        parameters = list(inspect.signature(function).parameters.values())
        declared = parameters[0].annotation if parameters else None
        if isinstance(declared, str):
            # Only this annotation: others may use names that are imported for type checkers alone.
            with contextlib.suppress(Exception):
                declared = eval(declared, getattr(inspect.unwrap(function), "__globals__", {}))
    return declared if hasattr(declared, "model_json_schema") and hasattr(declared, "model_validate") else None


def describe(name: str, out: str) -> None:
    """Writes the JSON Schema of a function's hyperparameters into the file `out`."""
    model = model_of(find(name))
    if model is None:
        sys.exit(
            f"{name} does not say which hyperparameters it has: annotate its first parameter with a pydantic model"
        )
    Path(out).write_text(json.dumps(model.model_json_schema()), encoding="utf-8")


def train(name: str) -> None:
    """Calls the function once, and reports what it returns."""
    function = find(name)
    run = RunFromEnvironment()
    values = json.loads(Path(os.environ["HPT_PARAMETERS"]).read_text(encoding="utf-8"))
    model = model_of(function)
    returned = function(values if model is None else model.model_validate(values), run)
    if returned is not None and not isinstance(returned, Mapping):
        raise TypeError(f"{name} should return its metrics as a dict, or None, not {type(returned).__name__}")
    report = dict(returned or {})
    if run.model is not None:
        report.setdefault("model", run.model)
    run.write(report)


def main() -> None:
    # Like `python train.py`, this lets the function import from the current directory.
    sys.path.insert(0, os.getcwd())
    if sys.argv[1] == "--describe":
        describe(sys.argv[3], sys.argv[2])
    else:
        train(sys.argv[1])


if __name__ == "__main__":
    main()
