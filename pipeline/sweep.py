"""A sweep's folder: which path holds what, and the frozen definition in `sweep.json`.

This is the only place that knows the layout. What is written when is the business of the stages.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any, Literal, Self

import pydantic

from pipeline import results
from pipeline.base import Recorded
from pipeline.data.source import DataSource
from pipeline.errors import InfrastructureError, UserError
from pipeline.results import Row, Status
from pipeline.space import Assignment, Constraint, Scalar, Space
from pipeline.spec.model import Budget, EarlyStopping, Objective, SpecDateRange, Training
from pipeline.store import Entry, Store
from pipeline.training.own.code import Own

SWEEPS = "sweeps/"
_ID = re.compile(r"[0-9]{8}-[0-9]{4}-[a-z0-9-]+-[0-9a-f]{4}")
_TRIAL = re.compile(r"(?P<phase>[a-z][a-z-]*)-(?P<experiment>e\d{3,})-d(?P<range>\d+)-s(?P<seed>\d+)")
_RESULT = re.compile(r"trials/(?P<trial>[^/]+)/result(?:-(?P<number>[1-9]\d*))?\.csv")
_ROUND = re.compile(r"plan/(?P<number>\d+)\.tsv")


class Fidelity(Recorded):
    """How much a trial gets."""

    name: str
    max_epochs: int
    train_days: int | None = None
    """Only so many days, the last ones, of a range's training part; None: all of them."""


class Calibrating(Recorded):
    """What a calibration is asked: the cheapest fidelity that keeps so much of the best."""

    top: int
    overlap: float
    """The share of the `top` best settings that must be among a fidelity's own `top` best."""


class Judging(Recorded):
    """What is fixed of a confirmation before anything runs."""

    rope: float
    fresh: bool
    """Whether its ranges played no part in choosing; if they did, nothing is ever called real."""


class Phase(Recorded):
    """{name, space, ranges, fidelity, strategy}: one step of choosing, or the one that judges."""

    name: str
    space: Space
    ranges: tuple[SpecDateRange, ...]
    fidelity: Fidelity
    strategy: Literal["random", "grid", "sobol", "tpe", "gp", "finalists"]
    experiments: int
    """At most so many, the incumbent included."""
    wanted: int | None = None
    """How many they were before the budget took some away."""
    open_ended: bool = False
    """Whether nobody asked for a number of them: the budget ends the phase."""
    constraints: tuple[Constraint, ...] = ()
    batch: int | None = None
    """Experiments per round; None: all of them in one."""
    follows: str | None = None
    """The phase whose best setting this one starts from; None: it starts from the incumbent."""
    near: float | None = None
    """Only so much of each range is searched, around the setting that it starts from; None: all of it."""
    faster_within: float | None = None
    """A setting within this relative distance of the best goes first if it trains clearly faster; None: never."""
    early_stopping: EarlyStopping | None = None
    seeds: int = 1
    first_seed: int = 0
    """The index of its first seed: above 0 where earlier ones were used on these ranges already."""
    race: bool = False
    judging: Judging | None = None
    """None in every phase that chooses."""

    @property
    def replicates(self) -> bool:
        """Whether it chooses by training what other phases found once more, and tries nothing new."""
        return self.strategy == "finalists" and self.judging is None


class Definition(Recorded):
    """`sweep.json`: the spec, resolved on one day for one store. It never changes afterwards."""

    id: str
    created: str
    architecture: str
    data: DataSource | None
    as_of: date
    seed: int
    training: Training
    objective: Objective
    incumbent: dict[str, Scalar]
    """A value for every hyperparameter; what a phase does not search keeps these."""
    phases: tuple[Phase, ...]
    git_commit: str | None
    image: str | None
    notes: str
    spec: dict[str, Any]
    """The spec as it was written, to run it again."""

    budget: Budget | None = None
    reuse: bool = False

    chosen_before: dict[str, int] = pydantic.Field(default_factory=dict)
    """How many earlier sweeps of this architecture and data chose on each of the ranges that this one chooses on."""

    own: Own | None = None
    """A team's own trainer, whose name is then in `architecture`; None: that is a built-in one."""

    calibrating: Calibrating | None = None
    """None in every sweep but a calibration, whose phases run the same experiments on more and more data."""

    @property
    def choosing(self) -> list[Phase]:
        return [phase for phase in self.phases if phase.judging is None]

    @property
    def searching(self) -> list[Phase]:
        return [phase for phase in self.choosing if not phase.replicates]

    @property
    def confirm(self) -> Phase | None:
        return next((phase for phase in self.phases if phase.judging is not None), None)

    def phase(self, name: str) -> Phase:
        return next(phase for phase in self.phases if phase.name == name)


@dataclass(frozen=True)
class Trial:
    """One experiment on one date range with one seed in one phase: `screen-e012-d2-s0`."""

    phase: str
    experiment: str
    range: int
    seed: int

    def __str__(self) -> str:
        return f"{self.phase}-{self.experiment}-d{self.range}-s{self.seed}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises UserError if the text is no trial's id."""
        match = _TRIAL.fullmatch(text)
        if not match:
            raise UserError(f'"{text}" is no trial: they look like screen-e012-d2-s0')
        return cls(match["phase"], match["experiment"], int(match["range"]), int(match["seed"]))


@dataclass(frozen=True)
class Experiment:
    """One assignment of hyperparameters, as a round asked for it."""

    id: str
    phase: str
    """The phase that asked for it first."""
    assignment: Assignment
    """Every hyperparameter of the architecture, not only those that the phase searches."""


@dataclass(frozen=True)
class ResultFile:
    """A trial's row in the store: `result.csv` is number 1, `result-2.csv` a retry's."""

    number: int
    entry: Entry


@dataclass(frozen=True)
class Pack:
    """Trials that one process trains: one line of a round."""

    id: str
    label: str
    image: str | None
    trials: tuple[Trial, ...]

    def apart(self) -> "list[Pack]":
        """The same trials, each in a pack of its own."""
        if len(self.trials) == 1:
            return [self]
        return [replace(self, label=str(trial), trials=(trial,)) for trial in self.trials]

    def as_line(self) -> str:
        return "\t".join((self.id, self.label, self.image or "-", ",".join(map(str, self.trials))))

    @classmethod
    def parse(cls, line: str) -> Self:
        pack, label, image, trials = line.split("\t")
        return cls(pack, label, None if image == "-" else image, tuple(map(Trial.parse, trials.split(","))))


def new_id(now: datetime, architecture: str, token: str) -> str:
    """`20260614-0210-lstm-attention-3f9c`: sorts by time, says what was tuned; `token` is four hex digits."""
    return f"{now.astimezone(UTC):%Y%m%d-%H%M}-{architecture}-{token}"


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
                self._definition = Definition.model_validate_json(self.store.read(self.key("sweep.json")))
            except FileNotFoundError:
                raise UserError(f"{self.store.root} holds no sweep {self.id}") from None
            except pydantic.ValidationError as error:
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


def parse_row(data: bytes, sweep: str, trial: str) -> Row:
    """The one row of a trial's result file. Raises ValueError if it is damaged or some other trial's."""
    if not _TRIAL.fullmatch(trial):
        raise ValueError("is no trial's")
    rows = results.read_csv(data)
    if len(rows) != 1:
        raise ValueError(f"has {len(rows)} rows instead of one")
    row = rows[0]
    parsed = Trial.parse(trial)
    expected = {"trial": trial, "sweep": sweep, "phase": parsed.phase, "experiment": parsed.experiment}
    for name, value in expected.items():
        if row.get(name) != value:
            raise ValueError(f"is a row of {name} {row.get(name)!r}")
    if not (isinstance(row.get("date-range"), list) and len(row["date-range"]) == 2):
        raise ValueError("has no date range")
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


def trials_of(packs: Iterable[Pack]) -> Iterator[Trial]:
    return (trial for pack in packs for trial in pack.trials)
