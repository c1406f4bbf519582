"""Makes a sweep from a request, whether it comes from the command line, from Jenkins or over REST; reopens sweeps.

All of them use this module, so that the same request makes the same sweep. Not here: resolving a spec on a given day
(`resolve.py`), and parsing options or parameters.
"""

import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pydantic

from pipeline import provenance
from pipeline import spec as specs
from pipeline.data import counting
from pipeline.data.source import DataSource, FilesSource
from pipeline.dates import DateRange
from pipeline.errors import InfrastructureError, OutOfReachError, UserError
from pipeline.places import project_folder
from pipeline.plan import confirm, months
from pipeline.plan.data_access import DataAccess, Reach, Warn, coverage, covered_days, reach_of
from pipeline.plan.reach import missing
from pipeline.plan.resolve import resolve, source_of
from pipeline.spec import Spec, project
from pipeline.spec.model import Budget
from pipeline.spec.normalize import as_written
from pipeline.store import Store, open_store
from pipeline.sweep import Calibrating, Definition, Sweep, digests, find, ledger
from pipeline.training import architectures

if TYPE_CHECKING:
    from pipeline.plan.data_check import Checked

EVERY_ARCHITECTURE = "all"


@dataclass(frozen=True)
class Request:
    """A request for a new sweep: a spec, or an architecture to tune automatically, and changes to it.

    Raises UserError unless it names one of `file`, `text` and `architecture`.
    """

    file: Path | None = None
    """A spec."""
    text: str | None = None
    """The JSON of a spec."""
    architecture: str | None = None
    """A name, several names separated by commas, or `all`: `each` makes a request of each."""
    data: DataSource | None = None
    """For a spec that names none."""
    as_of: date | None = None
    mode: str | None = None
    """`full`, `short` or `automatic`."""
    budget: Budget | None = None
    """Replaces the spec's."""
    experiments: int | None = None
    notes: str | None = None
    image: str | None = None

    def __post_init__(self) -> None:
        if sum(value is not None for value in (self.file, self.text, self.architecture)) != 1:
            raise UserError("name either a SPEC or an --architecture to tune automatically")

    def each(self, origin: str = "--architecture") -> "list[Request]":
        """A request for each of the architectures; for a spec, this request alone.

        Raises UserError, which begins with `origin`, if a name between commas is missing.
        """
        if self.architecture is None:
            return [self]
        names = list(dict.fromkeys(name.strip() for name in self.architecture.split(",")))
        if "" in names:
            raise UserError(f'{origin}: "{self.architecture}" lacks a name: write them like cnn,lstm')
        if EVERY_ARCHITECTURE in names:
            names = architectures.names()
        return [replace(self, architecture=name) for name in names]

    def spec(self, origin: str | None = None) -> Spec:
        """The spec with all changes, as if they were written in it.

        Raises UserError, a line per mistake, if the spec is missing or wrong. Each line begins with `origin`, else with
        the file or the option.
        """
        if self.file is not None:
            origin, spec = origin or str(self.file), specs.read(self.file)
        elif self.text is not None:
            origin = origin or "spec"
            spec = specs.from_json(self.text, origin)
        else:
            origin = origin or "--architecture"
            spec = specs.from_dict({"architecture": self.architecture, "tune": "automatic"}, origin)
        changes = self._changes(spec)
        # Parsed again, since a change may contradict the rest of the spec.
        return specs.from_dict(as_written(spec.model_copy(update=changes)), origin) if changes else spec

    def _changes(self, spec: Spec) -> dict[str, Any]:
        """New values for fields of the spec."""
        changes: dict[str, Any] = {"as_of": self.as_of, "budget": self.budget, "notes": self.notes, "image": self.image}
        if self.mode == "automatic":
            changes["tune"] = self.mode
        else:
            changes["mode"] = self.mode
        if spec.data is None:
            changes["data"] = self.data
        if self.experiments is not None:
            changes["search"] = spec.search.model_copy(update={"experiments": self.experiments})
        return {name: value for name, value in changes.items() if value is not None}


def parse_data(text: str, origin: str) -> DataSource:
    """The data that a text names: a name such as `flights`, or the JSON of a `data` key.

    Raises UserError, a line per mistake; each begins with `origin`.
    """
    if not text.lstrip().startswith("{"):
        try:
            return pydantic.TypeAdapter[DataSource](DataSource).validate_python(text)
        except pydantic.ValidationError as error:
            raise UserError(f"{origin}: {error.errors()[0]['msg']}") from None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise UserError(f'{origin}: is not JSON: write "flights", or the JSON of a `data` key') from None
    # As a part of a spec, so that a mistake reads like any other.
    data = specs.from_dict({"architecture": "bag-of-words", "tune": "nothing", "data": value}, origin).data
    assert data is not None
    return data


def create(request: Request, root: str | None = None, *, trains_here: bool, warn: Warn | None = None) -> Sweep:
    """Creates the sweep of a request in the store at `root`, or in the one that `store_for` finds.

    `trains_here`: this machine will run it. Raises UserError if the sweep cannot be made, InfrastructureError if the
    store fails.
    """
    return prepare(request, root, reach_of(trains_here=trains_here), warn).create()


def check(request: Request, root: str | None = None, *, trains_here: bool) -> None:
    """Raises the errors of `create`; creates nothing."""
    spec = request.spec()
    define(spec, store_for(spec, root), trains_here=trains_here)


def create_calibration(
    request: Request,
    root: str | None,
    calibrating: Calibrating,
    experiments: int | None,
    *,
    trains_here: bool,
    warn: Warn | None = None,
) -> Sweep:
    """Creates a calibration, the study of how little data still rank a spec's settings, of `experiments` settings.

    Raises the errors of `create`.
    """
    from pipeline.plan import calibration

    spec = request.spec()
    store = store_for(spec, root)
    full = define(calibration.sample(spec, experiments), store, trains_here=trains_here, warn=warn)
    covered = covered_days(full.data, trains_here=trains_here) if full.data is not None else None
    used = ledger.chosen_on(store, full.architecture, full.data)
    return Sweep.create(store, calibration.define(full, spec, calibrating, covered=covered, used=used))


def prepare_resemblance(
    request: Request,
    root: str | None,
    *,
    settings: int | None,
    ranges: int | None,
    seeds: int | None,
    trains_here: bool,
    warn: Warn | None = None,
) -> "Prepared":
    """A study of how alike date ranges are, not yet written: `settings`, `ranges` and `seeds` count its trainings.

    Raises the errors of `create`.
    """
    from pipeline.plan import resemblance

    spec, reach = request.spec(), reach_of(trains_here=trains_here)
    store = store_for(spec, root)
    usual, _, covered = _define(resemblance.ordinary(spec), store, reach, None)
    studied = resemblance.ranges_of(usual, covered, ranges or resemblance.RANGES)
    sampled = resemblance.sample(spec, settings or resemblance.SETTINGS, studied)
    resolved, rows, covers = _define(sampled, store, reach, warn)
    return Prepared(resemblance.define(resolved, spec, usual, seeds or resemblance.SEEDS), store, rows, covers)


def define(spec: Spec, store: Store | None = None, *, trains_here: bool, warn: Warn | None = None) -> Definition:
    """The definition of a sweep of this spec that would start now, in this project and at this commit.

    Counts the rows of the data if lengths depend on them. With a store, it also reads the ranges that earlier sweeps
    chose on, the days of the data, and the data of the date ranges. `trains_here`: this machine will run the sweep.
    `warn` gets lines about the data. Raises UserError if no sweep can do what the spec says, or if the data are
    unusable.
    """
    return _define(spec, store, reach_of(trains_here=trains_here), warn)[0]


@dataclass(frozen=True)
class Prepared:
    """A sweep that would start now, and a look at its data. Nothing is written yet."""

    definition: Definition
    store: Store
    rows: Callable[[DateRange], int] | None = None
    """Counts the rows with a value for every target, on days of its date ranges; None: the data were not read."""
    covers: DateRange | None = None
    """All days of the data; None if the data were not read."""

    @cached_property
    def digests(self) -> Sequence[digests.Digest]:
        """Digests of earlier sweeps of its series; empty if the store fails."""
        return digests_of(self.definition, self.store)

    def create(self) -> Sweep:
        """Writes the sweep. Raises InfrastructureError if the store fails."""
        return Sweep.create(self.store, self.definition)


def digests_of(definition: Definition, store: Store) -> Sequence[digests.Digest]:
    """Digests of earlier sweeps of a definition's series; empty if the store fails."""
    try:
        return digests.read(store, digests.Series.of(definition))
    except (InfrastructureError, OutOfReachError):
        return ()


def prepare(request: Request, root: str | None, reach: Reach, warn: Warn | None = None) -> Prepared:
    """The sweep of a request, not yet written. Raises the errors of `create`."""
    spec = request.spec()
    store = store_for(spec, root)
    definition, rows, covers = _define(spec, store, reach, warn)
    return Prepared(definition, store, rows, covers)


def _define(
    spec: Spec, store: Store | None, reach: Reach, warn: Warn | None
) -> tuple[Definition, Callable[[DateRange], int] | None, DateRange | None]:
    """The parts of a `Prepared`: the definition, `rows` and `covers`."""
    # Collect what the definition depends on: the data, their days and rows, and earlier sweeps.
    data = project.load().data if spec.data is None else None
    source = source_of(spec, data)
    access = DataAccess(source, reach, warn)
    used = _used(store, spec, source, reach, warn)
    rows_by_day, covered, strays = None, None, None
    if source is not None and months.depends_on_rows(spec):
        rows_by_day = access.read(counting.count)
        strays = rows_by_day.strays if rows_by_day else None
    if source is not None and rows_by_day is None and store is not None:
        covered, strays = access.read(coverage) or (None, None)
    if strays and warn:
        warn(strays)

    # Make the definition, and check the code that it runs.
    definition = resolve(
        spec,
        now=datetime.now(UTC),
        token=secrets.token_hex(2),
        data=data,
        covered=covered,
        rows_by_day=rows_by_day,
        used=used,
        git_commit=provenance.checkout_commit() if spec.trains_own_code else provenance.git_commit(),
        image=provenance.image(),
    )
    _check_code(definition, reach, warn)

    # Check the data of its date ranges.
    covers = rows_by_day.covers if rows_by_day else covered
    rows = rows_by_day.within if rows_by_day else None
    if store is not None:
        definition = confirm.by_evidence(spec, definition, digests_of(definition, store))
    if store is None or definition.data is None:
        return definition, rows, covers
    if not isinstance(definition.data, FilesSource):
        # Only `hpt validate` shows the rows of built-in data.
        counted = counting.count(definition.data) if rows is None and reach is Reach.MOSTLY else None
        return definition, counted.within if counted else rows, covers

    def check(_: DataSource) -> "Checked | None":
        # Imported here, since a plan that reads no data must not wait for pandas.
        from pipeline.plan import data_check

        return data_check.check(definition)

    checked = access.read(check)
    if checked:
        definition = definition.model_copy(update={"lost": checked.lost})
    for line in checked.warnings if checked else ():
        if warn:
            warn(line)
    return definition, checked.rows if checked else rows, covers


def _check_code(definition: Definition, reach: Reach, warn: Warn | None) -> None:
    """Raises UserError if the sweep's own trainer is missing; warns if only other machines must have it."""
    for missing_part in missing(definition.own, project_folder()):
        if reach is Reach.HERE or missing_part.everywhere:
            raise UserError(missing_part.line)
        if warn:
            warn(f"{missing_part.line}; the machines that run trials must have it")


def _used(
    store: Store | None, spec: Spec, source: DataSource | None, reach: Reach, warn: Warn | None
) -> list[DateRange]:
    """The ranges that earlier sweeps chose on.

    Raises InfrastructureError if the store fails; a plan that starts no sweep gets a warning and an empty list instead.
    """
    if store is None:
        return []
    try:
        return ledger.chosen_on(store, spec.architecture, source)
    except (InfrastructureError, OutOfReachError) as error:
        if reach in (Reach.HERE, Reach.ELSEWHERE):
            raise
        if warn:
            warn(f"{str(error).splitlines()[0]}: so date ranges that earlier sweeps chose on may be among these")
        return []


def store_for(spec: Spec, root: str | None = None) -> Store:
    """The store of a new sweep: at `root`, else the one that the environment, the spec or the project names."""
    return open_store(project.store_root(root, spec.store))


def open_sweep(name: str, root: str | None = None) -> Sweep:
    """Opens a sweep by its id, the end of one, or `latest`. Raises UserError if there is none, or several."""
    return find(open_store(project.store_root(root)), name)


def resume(name: str, root: str | None = None) -> Sweep:
    """Opens a sweep to go on with it, and withdraws a request to stop it. Raises UserError as `open_sweep` does."""
    sweep = open_sweep(name, root)
    sweep.forget_stop()
    return sweep


def resume_here(name: str, root: str | None = None, *, data_changed: bool, retry: bool = False) -> Sweep:
    """Opens a sweep to go on with it on this machine, and withdraws a request to stop it.

    Raises UserError if the data of its trials have changed, unless the user accepts that by `data_changed`.
    """
    from pipeline.plan import unchanged

    sweep = open_sweep(name, root)
    if not data_changed:
        unchanged.check(sweep, retry=retry)
    sweep.forget_stop()
    return sweep
