"""A sweep's folder in a store: which key holds what. This is the only place that knows the layout.

What is written when is the business of the stages.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

import pydantic

from pipeline import results
from pipeline.errors import InfrastructureError, UserError
from pipeline.results import Row, Status
from pipeline.store import Entry, Store
from pipeline.sweep.definition import FORMAT, Definition
from pipeline.sweep.trial import Experiment, Pack, Trial, trials_of

SWEEPS = "sweeps/"
_CONNECTIONS = 32
_ID = re.compile(r"[0-9]{8}-[0-9]{4}-[a-z0-9-]+-[0-9a-f]{4}")
_RESULT = re.compile(r"trials/(?P<trial>[^/]+)/result(?:-(?P<number>[1-9]\d*))?\.csv")
_ROUND = re.compile(r"plan/(?P<number>\d+)\.tsv")


@dataclass(frozen=True)
class ResultFile:
    """A trial's row in the store: `result.csv` is number 1, `result-2.csv` a retry's."""

    number: int
    entry: Entry


class Sweep:
    """One sweep's folder in a store."""

    def __init__(self, store: Store, id: str) -> None:
        if not _ID.fullmatch(id):
            raise UserError(f'"{id}" is no sweep id: they look like 20260614-0210-lstm-attention-3f9c')
        self.store = store
        self.id = id
        self.prefix = f"{SWEEPS}{id}/"
        self._definition: Definition | None = None

    @classmethod
    def create(cls, store: Store, definition: Definition) -> Self:
        sweep = cls(store, definition.id)
        data = (definition.model_dump_json(indent=2, by_alias=True) + "\n").encode()
        if not store.create(sweep.key("sweep.json"), data):
            raise InfrastructureError(f"{definition.id}: there is a sweep of this id already; run it again for another")
        return sweep

    def key(self, name: str) -> str:
        return self.prefix + name

    @property
    def definition(self) -> Definition:
        """Raises UserError if there is no such sweep or its `sweep.json` is damaged."""
        if self._definition is None:
            try:
                data = self.store.read(self.key("sweep.json"))
                self._definition = Definition.model_validate_json(data)
            except FileNotFoundError:
                raise UserError(f"{self.store.root} holds no sweep {self.id}") from None
            except pydantic.ValidationError as error:
                if _format(data) > FORMAT:
                    raise UserError(
                        f"{self.id} was made by a newer version of hpt: upgrade this one to read it"
                    ) from None
                first = error.errors()[0]
                where = ".".join(map(str, first["loc"]))
                raise UserError(f"{self.id}: sweep.json is damaged at {where or 'its start'}: {first['msg']}") from None
        return self._definition

    # -- what the rounds asked for

    def experiments(self) -> dict[str, Experiment]:
        """All experiments so far by id, in the order in which the rounds asked for them."""
        data, _ = self._experiments_versioned()
        return self._parse_experiments(data)

    def _experiments_versioned(self) -> tuple[bytes, str | None]:
        try:
            return self.store.read_versioned(self.key("experiments.csv"))
        except FileNotFoundError:
            return b"", None

    def _parse_experiments(self, data: bytes) -> dict[str, Experiment]:
        if not data:
            return {}
        experiments = {}
        text = io.StringIO(data.decode(), newline="")
        reader = csv.DictReader(text)
        names = [name for name in reader.fieldnames or () if name not in ("experiment", "phase")]
        for line in reader:
            assignment = {name: results.from_cell(line[name]) for name in names if line[name]}
            experiments[line["experiment"]] = Experiment(line["experiment"], line["phase"], assignment)
        return experiments

    def add_experiments(self, new: Sequence[Experiment]) -> None:
        """Appends the experiments of a round; those that stand there already stay as they are."""
        while True:
            data, version = self._experiments_versioned()
            known = self._parse_experiments(data)
            missing = [experiment for experiment in new if experiment.id not in known]
            if not missing:
                return
            every = [*known.values(), *missing]
            names = dict.fromkeys(name for experiment in every for name in experiment.assignment)
            rows = [{"experiment": e.id, "phase": e.phase, **e.assignment} for e in every]
            table = results.write_csv(rows, ["experiment", "phase", *names])
            if self.store.replace(self.key("experiments.csv"), table, version):
                return

    def rounds(self) -> int:
        """How many rounds were planned."""
        names = (entry.key[len(self.prefix) :] for entry in self.store.entries(self.key("plan/"), ".tsv"))
        return sum(1 for name in names if _ROUND.fullmatch(name))

    def round(self, number: int) -> list[Pack]:
        text = self.store.read(self.key(f"plan/{number}.tsv")).decode()
        return [Pack.parse(line) for line in text.splitlines()]

    def create_round(self, number: int, packs: Sequence[Pack]) -> list[Pack]:
        """Writes round `number` once; whoever comes second gets the round that the first one wrote."""
        text = "".join(pack.as_line() + "\n" for pack in packs)
        if self.store.create(self.key(f"plan/{number}.tsv"), text.encode()):
            return list(packs)
        return self.round(number)

    def planned(self) -> list[Trial]:
        """The trials that all rounds so far asked for, in their order."""
        return [trial for number in range(self.rounds()) for trial in trials_of(self.round(number))]

    def pack_of(self, trial: Trial) -> str:
        """The id of the pack that a trial belongs to. Raises UserError if no round asked for the trial."""
        for number in reversed(range(self.rounds())):
            for pack in self.round(number):
                if trial in pack.trials:
                    return pack.id
        raise UserError(f"{trial}: no round of {self.id} asked for it")

    # -- trials

    def trial_key(self, trial: Trial, name: str = "") -> str:
        return self.key(f"trials/{trial}/{name}")

    def attempt_key(self, trial: Trial, attempt: str, name: str = "") -> str:
        return self.trial_key(trial, f"attempts/{attempt}/{name}")

    def result_files(self) -> dict[str, ResultFile]:
        """Per trial that has a row: the result file that counts, which is the highest-numbered."""
        found: dict[str, ResultFile] = {}
        for trial, file in self._results(self.key("trials/")):
            if trial not in found or file.number > found[trial].number:
                found[trial] = file
        return found

    def results_of(self, trial: Trial) -> list[ResultFile]:
        """One trial's result files, the one that counts last."""
        return sorted((file for _, file in self._results(self.trial_key(trial, "result"))), key=lambda f: f.number)

    def _results(self, prefix: str) -> Iterator[tuple[str, ResultFile]]:
        for entry in self.store.entries(prefix, ".csv"):
            if match := _RESULT.fullmatch(entry.key[len(self.prefix) :]):
                yield match["trial"], ResultFile(int(match["number"] or 1), entry)

    def read_row(self, file: ResultFile, trial: str) -> Row:
        """Raises ValueError if the file is damaged or some other trial's, FileNotFoundError if it is gone."""
        content = file.entry.content
        return parse_row(self.store.read(file.entry.key) if content is None else content, self.id, trial)

    def row(self, trial: Trial) -> Row | None:
        """The row that counts, None if there is none yet. Raises ValueError if it is damaged."""
        files = self.results_of(trial)
        return self.read_row(files[-1], str(trial)) if files else None

    def create_row(self, trial: Trial, row: Row, number: int = 1) -> bool:
        """Writes the trial's row number `number`, once. False: somebody else was first, and that row counts."""
        name = "result.csv" if number == 1 else f"result-{number}.csv"
        return self.store.create(self.trial_key(trial, name), results.write_csv([row], results.row_columns(row)))

    def event_files(self, rows: Iterable[Row]) -> dict[str, str]:
        """TensorBoard's event files, as {path below `tensorboard/`: key}.

        Of a trial that has one of the rows, the file of the attempt that counts; else those of all attempts so far.
        """
        prefix = self.key("tensorboard/")
        attempts = {row["trial"]: row.get("attempt", "") for row in rows}
        files = {entry.key.removeprefix(prefix): entry.key for entry in self.store.entries(prefix)}
        return {path: key for path, key in files.items() if key.endswith(attempts.get(path.split("/")[0], ""))}

    # -- early stopping: rungs/<phase>-d<range>-s<seed>/<epoch>/<experiment>

    def _rung_key(self, trial: Trial, epoch: int, experiment: str = "") -> str:
        return self.key(f"rungs/{trial.phase}-d{trial.range}-s{trial.seed}/{epoch}/{experiment}")

    def create_rung(self, trial: Trial, epoch: int, value: float) -> None:
        """Notes what a trial had after an epoch, once: another attempt of it finds its own value."""
        self.store.create(self._rung_key(trial, epoch, trial.experiment), json.dumps(value).encode())

    def rung(self, trial: Trial, epoch: int) -> dict[str, float]:
        """What the experiments on the trial's range and seed had after an epoch; what is damaged is left out."""
        prefix = self._rung_key(trial, epoch)
        found = {}
        for entry in self.store.entries(prefix):
            with suppress(ValueError, TypeError, FileNotFoundError):
                content = self.store.read(entry.key) if entry.content is None else entry.content
                found[entry.key.removeprefix(prefix)] = float(json.loads(content))
        return found

    # -- stopping

    def ask_to_stop(self) -> None:
        self.store.write(self.key("stop"), b"")

    def stop_is_asked(self) -> bool:
        return self.store.exists(self.key("stop"))

    def forget_stop(self) -> None:
        self.store.delete(self.key("stop"))


def _format(data: bytes) -> int:
    """The format that a `sweep.json` says it has, whatever else is wrong with it."""
    try:
        return int(json.loads(data)["format"])
    except (ValueError, TypeError, KeyError):
        return 1


def parse_row(data: bytes, sweep: str, trial: str) -> Row:
    """The one row of a trial's result file. Raises ValueError if it is damaged or some other trial's."""
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
    """The ids of the sweeps in a store, oldest first."""
    return [name for name in store.folders(SWEEPS) if _ID.fullmatch(name)]


def find(store: Store, name: str) -> Sweep:
    """A sweep by its id, by the end of it if that is unambiguous, or `latest`.

    Raises UserError if there is none, or several.
    """
    if _ID.fullmatch(name):
        sweep = Sweep(store, name)
        _ = sweep.definition
        return sweep
    ids = all_sweeps(store)
    if name == "latest":
        # An id tells the minute; among sweeps of the same one, the definition tells the second.
        newest = [id for id in ids if id[:13] == ids[-1][:13]]
        fitting = [max(newest, key=lambda id: (Sweep(store, id).definition.created, id))] if len(newest) > 1 else newest
    else:
        fitting = [id for id in ids if name and id.endswith(name)]
    if len(fitting) == 1:
        return Sweep(store, fitting[0])
    if fitting:
        raise UserError(f'"{name}" could be any of {", ".join(fitting)}')
    raise UserError(f'{store.root} holds no sweep "{name}"; it holds {", ".join(ids[-5:]) or "none"}')


def epochs_of(sweep: Sweep, rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Per trial with a result: the lines of its attempt's `epochs.csv`. What cannot be read is left out."""

    def read(row: Row) -> list[Row]:
        key = sweep.attempt_key(Trial.parse(row["trial"]), row["attempt"], "epochs.csv")
        try:
            return results.read_csv(sweep.store.read(key))
        except (FileNotFoundError, ValueError):
            return []

    trained = [row for row in rows if row.get("attempt") and Status(row["status"]).is_result]
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        return dict(zip((row["trial"] for row in trained), pool.map(read, trained), strict=True))
