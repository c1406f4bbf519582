"""A sweep's folder in a store: its files, read and written as values.

`layout.py` defines the keys; the stages decide what is written when.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import pydantic

from pipeline import results
from pipeline.errors import InfrastructureError, UserError
from pipeline.results import Row, Status
from pipeline.store import Entry, Store, content_of
from pipeline.store.update import update
from pipeline.sweep.definition import FORMAT, Definition
from pipeline.sweep.layout import SWEEPS, SweepKeys, is_sweep_id, removed_key
from pipeline.sweep.trial import Experiment, Pack, Trial, trials_of
from pipeline.training.predictions import FILE

_CONNECTIONS = 32
"""Files that are read from the store at the same time."""


@dataclass(frozen=True)
class ResultFile:
    """The file of a trial's row: `result.csv` is number 1, and a retry writes number 2, `result-2.csv`."""

    number: int
    entry: Entry


class Sweep(SweepKeys):
    """One sweep's folder in a store."""

    def __init__(self, store: Store, id: str) -> None:
        """Reads nothing. Raises UserError if `id` is no sweep's id."""
        super().__init__(id)
        self.store = store
        self._definition: Definition | None = None

    @classmethod
    def create(cls, store: Store, definition: Definition) -> Self:
        """Writes the folder of a new sweep. Raises InfrastructureError if the id is taken."""
        sweep = cls(store, definition.id)
        data = (definition.model_dump_json(indent=2, by_alias=True) + "\n").encode()
        if not store.create(sweep.definition_key, data):
            raise InfrastructureError(
                f"{definition.id}: there is a sweep with this id already; run again to get another id"
            )
        return sweep

    @property
    def definition(self) -> Definition:
        """The definition, read once, since it never changes.

        Raises UserError if there is no such sweep, or its `sweep.json` is damaged or of a newer version.
        """
        if self._definition is None:
            try:
                data = self.store.read(self.definition_key)
            except FileNotFoundError:
                raise UserError(f"{self.store.root} holds no sweep {self.id}") from None
            self._definition = _parse_definition(data, self.id)
        return self._definition

    # -- experiments

    def experiments(self) -> dict[str, Experiment]:
        """{id: experiment} of all rounds so far, in their order. Raises UserError if the table is damaged."""
        try:
            return self._parse_experiments(self.store.read(self.experiments_key))
        except FileNotFoundError:
            return {}

    def _parse_experiments(self, table: bytes) -> dict[str, Experiment]:
        try:
            return _parse_experiments(table)
        except ValueError as error:
            raise UserError(f"{self.store.root}/{self.experiments_key} is damaged: {error}; put it back") from None

    def add_experiments(self, new: Sequence[Experiment]) -> None:
        """Appends the experiments of a round; those that are there already stay as they are.

        May be repeated, even by several processes at once.
        """

        def appended(table: bytes) -> bytes:
            experiments = self._parse_experiments(table)
            missing = {experiment.id: experiment for experiment in new if experiment.id not in experiments}
            return _experiments_csv([*experiments.values(), *missing.values()]) if missing else table

        update(self.store, self.experiments_key, appended)

    # -- rounds

    def rounds(self) -> int:
        """The number of rounds planned so far: one more than the number of the last one in the store.

        A deleted round counts, too, unless it was the last.
        """
        numbers = [self.number_of_round(entry.key) for entry in self.store.entries(self.rounds_key, ".tsv")]
        return max((number + 1 for number in numbers if number is not None), default=0)

    def round(self, number: int) -> list[Pack]:
        """The packs of a round; empty if the sweep ends with it. Raises UserError if they cannot be read."""
        key = self.round_key(number)
        try:
            return [Pack.parse(line) for line in self.store.read(key).decode().splitlines()]
        except FileNotFoundError:
            problem = "is missing"
        except (ValueError, UserError):
            problem = "is damaged"
        raise UserError(
            f"{self.store.root}/{key} {problem}, so the plan of {self.id} is incomplete: put the file back, or "
            "start a new sweep; the rows of this one are kept"
        )

    def readable_rounds(self) -> tuple[list[list[Pack] | None], list[tuple[str, str]]]:
        """All rounds, None for unreadable ones; and a `(key, problem)` for each unreadable one.

        For readers that plan nothing: a planner must not go on without a round.
        """
        rounds: list[list[Pack] | None] = []
        damaged = []
        for number in range(self.rounds()):
            try:
                rounds.append(self.round(number))
            except UserError:
                rounds.append(None)
                damaged.append((self.round_key(number), "cannot be read, so its trials are not known"))
        return rounds, damaged

    def create_round(self, number: int, packs: Sequence[Pack]) -> list[Pack]:
        """Writes round `number`, unless it exists; returns the round in the store: that of the first process."""
        text = "".join(pack.as_line() + "\n" for pack in packs)
        if self.store.create(self.round_key(number), text.encode()):
            return list(packs)
        return self.round(number)

    def planned(self) -> list[Trial]:
        """The trials of all rounds so far, in their order; without those of a damaged round."""
        return [trial for packs in self.readable_rounds()[0] for trial in trials_of(packs or ())]

    def pack_of(self, trial: Trial) -> Pack:
        """The pack in which a trial was planned. Raises UserError if no round has the trial."""
        for number in reversed(range(self.rounds())):
            for pack in self.round(number):
                if trial in pack.trials:
                    return pack
        raise UserError(f"{trial}: no round of {self.id} planned it")

    # -- rows

    def result_files(self) -> dict[str, ResultFile]:
        """{trial: file that counts} for every trial with a row. The file with the highest number counts.

        Only keys are looked at: a damaged file counts, too, and so does one in a folder that is no trial's. `read_row`
        finds both.
        """
        counting: dict[str, ResultFile] = {}
        for trial, file in self._result_files_below(self.trials_key):
            if trial not in counting or file.number > counting[trial].number:
                counting[trial] = file
        return counting

    def results_of(self, trial: Trial) -> list[ResultFile]:
        """The result files of one trial, sorted by number. The last one counts."""
        files = (file for _, file in self._result_files_below(self.trial_key(trial, "result")))
        return sorted(files, key=lambda file: file.number)

    def _result_files_below(self, prefix: str) -> Iterator[tuple[str, ResultFile]]:
        for entry in self.store.entries(prefix, ".csv"):
            if result := self.result_of(entry.key):
                trial, number = result
                yield trial, ResultFile(number, entry)

    def read_row(self, file: ResultFile, trial: str) -> Row:
        """The row in a file. Raises ValueError if it is damaged or another trial's, FileNotFoundError if it is gone."""
        row = parse_row(content_of(self.store, file.entry), self.id, trial)
        if problem := self.misfit(row):
            raise ValueError(problem)
        return row

    def misfit(self, row: Row) -> str | None:
        """The reason why a row cannot belong to this sweep, in words; None if it can."""
        try:
            trial = Trial.parse(row["trial"])
            self.definition.phase(trial.phase).ranges[trial.range]
        except (UserError, KeyError, IndexError, StopIteration):
            return "belongs to no trial of this sweep"
        return results.type_problem(row, self.definition.incumbent)

    def row(self, trial: Trial) -> Row | None:
        """The row that counts for a trial; None if there is none yet. Raises ValueError if it is damaged."""
        files = self.results_of(trial)
        return self.read_row(files[-1], str(trial)) if files else None

    def create_row(self, trial: Trial, row: Row, number: int = 1) -> bool:
        """Writes row `number` of a trial. False if another process was first: then the row of that process counts."""
        return self.store.create(self.result_key(trial, number), results.write_csv([row], results.row_columns(row)))

    # -- learning curves

    def epochs_csv(self, trial: Trial, attempt: str) -> bytes:
        """Content of an attempt's `epochs.csv`; empty if there is none."""
        try:
            return self.store.read(self.epochs_key(trial, attempt))
        except FileNotFoundError:
            return b""

    def event_files(self, rows: Sequence[Row]) -> dict[str, str]:
        """{`<trial>/<file>`: key} of the event files for TensorBoard.

        For a trial in `rows`, only files of the attempt that counts; for any other, files of all attempts so far.
        """
        attempts = {row["trial"]: row.get("attempt", "") for row in rows}
        files = {self.event_name(entry.key): entry.key for entry in self.store.entries(self.events_key)}
        return {name: key for name, key in files.items() if name.endswith(attempts.get(name.partition("/")[0], ""))}

    # -- early stopping

    def create_rung(self, trial: Trial, epoch: int, value: float) -> None:
        """Writes a trial's value after an epoch, once: further attempts keep the value of the first."""
        self.store.create(self.rung_key(trial, epoch) + trial.experiment, json.dumps(value).encode())

    def rung(self, trial: Trial, epoch: int) -> dict[str, float]:
        """{experiment: value after an epoch} on the trial's range and seed; damaged values are left out."""
        prefix = self.rung_key(trial, epoch)
        values = {}
        for entry in self.store.entries(prefix):
            with suppress(ValueError, TypeError, FileNotFoundError):
                values[entry.key.removeprefix(prefix)] = float(json.loads(content_of(self.store, entry)))
        return values

    # -- the report

    def write_report(self, name: str, content: bytes) -> None:
        """Writes a file of the report; `name` is its path there: `index.html`, `charts/time.svg`."""
        self.store.write(self.report_key(name), content)

    def report_files(self) -> Mapping[str, str]:
        """{path in the report: key} of its files."""
        return {self.report_name(entry.key): entry.key for entry in self.store.entries(self.report_key())}

    # -- stopping

    def ask_to_stop(self, reason: str = "") -> None:
        self.store.write(self.stop_key, reason.encode())

    def why_stopped(self) -> str:
        """The reason for stopping; empty if a person stopped the sweep, or it was not stopped."""
        try:
            return self.store.read(self.stop_key).decode(errors="replace")
        except FileNotFoundError:
            return ""

    def stop_is_asked(self) -> bool:
        return self.store.exists(self.stop_key)

    def forget_stop(self) -> None:
        self.store.delete(self.stop_key)


def _parse_definition(data: bytes, id: str) -> Definition:
    try:
        return Definition.model_validate_json(data)
    except pydantic.ValidationError as error:
        if _format_of(data) > FORMAT:
            raise UserError(f"{id} was made by a newer version of hpt: upgrade this one to read it") from None
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "its start"
        raise UserError(f"{id}: sweep.json is damaged at {place}: {first['msg']}") from None


def _format_of(data: bytes) -> int:
    """The format in a `sweep.json` that may be damaged otherwise."""
    try:
        return int(json.loads(data)["format"])
    except (ValueError, TypeError, KeyError):
        return 1


def _experiments_csv(experiments: Sequence[Experiment]) -> bytes:
    names = dict.fromkeys(name for experiment in experiments for name in experiment.assignment)
    rows = [
        {"experiment": experiment.id, "phase": experiment.phase, **experiment.assignment} for experiment in experiments
    ]
    return results.write_csv(rows, ["experiment", "phase", *names])


def _parse_experiments(data: bytes) -> dict[str, Experiment]:
    """Raises ValueError if the table is damaged."""
    experiments = {}
    for row in results.read_csv(data) if data else ():
        # An empty cell is a hyperparameter that the experiment does not have; the value null is written `null`.
        id, phase = row.pop("experiment", None), row.pop("phase", None)
        if not isinstance(id, str) or not isinstance(phase, str):
            raise ValueError("a line without experiment or phase")
        experiments[id] = Experiment(id, phase, row)
    return experiments


def parse_row(data: bytes, sweep: str, trial: str) -> Row:
    """The row in a trial's result file. Raises ValueError if it is damaged or of another trial."""
    try:
        parsed = Trial.parse(trial)
    except UserError:
        raise ValueError("is no trial's") from None
    rows = results.read_csv(data)
    if len(rows) != 1:
        raise ValueError(f"has {len(rows)} rows instead of one")
    row = rows[0]
    expected = {"trial": trial, "sweep": sweep, "phase": parsed.phase, "experiment": parsed.experiment}
    for name, value in expected.items():
        if row.get(name) != value:
            raise ValueError(f"is a row of {name} {row.get(name)!r}")
    try:
        results.range_of(row)
    except (KeyError, TypeError, ValueError):
        raise ValueError("has no date range") from None
    if row.get("status") not in list(Status):
        raise ValueError(f"has the status {row.get('status')!r}")
    return row


def all_sweeps(store: Store) -> list[str]:
    """The ids of the sweeps in a store, oldest first, without removed ones."""
    removed = removed_sweeps(store)
    return [name for name in store.folders(SWEEPS) if is_sweep_id(name) and name not in removed]


def removed_sweeps(store: Store) -> set[str]:
    """The ids of removed sweeps that still have files: other sweeps need them, or the removal was interrupted."""
    return {entry.key.removeprefix(removed_key()) for entry in store.entries(removed_key())}


def find(store: Store, name: str) -> Sweep:
    """A sweep by its id, by the end of its id, or `latest`. Raises UserError if no sweep matches, or several do."""
    if is_sweep_id(name):
        sweep = Sweep(store, name)
        if store.exists(removed_key(name)):
            raise UserError(f"{store.root} holds no sweep {name}: it was removed")
        _ = sweep.definition
        return sweep
    ids = all_sweeps(store)
    if name == "latest":
        # Sweeps of one minute are sorted by the seconds in their definitions; ids have only minutes.
        newest = [id for id in ids if id[:13] == ids[-1][:13]]
        matches = [max(newest, key=lambda id: (Sweep(store, id).definition.created, id))] if len(newest) > 1 else newest
    else:
        matches = [id for id in ids if name and id.endswith(name)]
    if len(matches) == 1:
        return Sweep(store, matches[0])
    if matches:
        raise UserError(f'"{name}" could be any of {", ".join(matches)}')
    raise UserError(f'{store.root} holds no sweep "{name}"; it holds {", ".join(ids[-5:]) or "none"}')


def predictions_of(sweep: Sweep, rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """{trial: content of its `predictions.json`} (`training/predictions.py`), for trials that have one."""

    def read(row: Row) -> dict[str, Any]:
        content = json.loads(sweep.store.read(sweep.attempt_key(Trial.parse(row["trial"]), row["attempt"], FILE)))
        return content if isinstance(content, dict) else {}

    rows = [row for row in rows if row.get("attempt") and not row.get("reused_from")]
    return {trial: content for trial, content in _read_attempts(rows, read).items() if content}


def epochs_of(sweep: Sweep, rows: Sequence[Row]) -> dict[str, list[Row]]:
    """{trial: lines of its attempt's `epochs.csv`}, for trials with a result. Lines with a wrong type are left out."""

    def read(row: Row) -> list[Row]:
        lines = results.read_csv(sweep.epochs_csv(Trial.parse(row["trial"]), row["attempt"]))
        return [line for line in lines if not results.type_problem(line)]

    rows = [row for row in rows if row.get("attempt") and Status(row["status"]).is_result]
    return {trial: lines or [] for trial, lines in _read_attempts(rows, read).items()}


_Content = TypeVar("_Content")


def _read_attempts(rows: Sequence[Row], read: Callable[[Row], _Content]) -> dict[str, _Content | None]:
    """{trial: content of its attempt's file}, read in parallel; None for a file that is damaged or missing."""

    def read_or_none(row: Row) -> _Content | None:
        try:
            return read(row)
        except (ValueError, FileNotFoundError):
            return None

    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        return dict(zip((row["trial"] for row in rows), pool.map(read_or_none, rows), strict=True))
