"""Makes a sweep of a request: from the command line, from a Jenkins build, or over REST. Also opens one to go on with.

Every door comes through here, so that the same request comes to the same sweep. Not here: what a spec comes to on a
given day (`resolve.py`), and how a door words a request: its options, its parameters, what may stand beside what.
"""

import glob
import json
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pydantic

from pipeline import provenance
from pipeline import spec as specs
from pipeline.data import counting
from pipeline.data.source import DataSource, FilesSource
from pipeline.dates import DateRange
from pipeline.errors import InfrastructureError, OutOfReachError, UserError
from pipeline.places import in_project, project_folder, where_looked
from pipeline.plan import confirm, months
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
_T = TypeVar("_T")

Warn = Callable[[str], None]
"""Takes a line about data that people should read before a sweep starts."""


@dataclass(frozen=True)
class Request:
    """A new sweep as somebody asks for it: a spec, or an architecture to tune automatically, and what to change of it.

    Raises UserError unless it names one of `file`, `text` and `architecture`.
    """

    file: Path | None = None
    """A spec."""
    text: str | None = None
    """The JSON of a spec."""
    architecture: str | None = None
    """A name; `all`, or several with commas between: a sweep for each, see `each`."""
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
        """A request for each architecture where several or all were asked for, else this one alone.

        Raises UserError, which begins with `origin`, where a name between commas is missing.
        """
        if self.architecture is None:
            return [self]
        named = list(dict.fromkeys(name.strip() for name in self.architecture.split(",")))
        if "" in named:
            raise UserError(f'{origin}: "{self.architecture}" lacks a name: write them like cnn,lstm')
        if EVERY_ARCHITECTURE in named:
            named = architectures.names()
        return [replace(self, architecture=name) for name in named]

    def spec(self, origin: str | None = None) -> Spec:
        """The spec with all changes, as if somebody had written them into it.

        Raises UserError, a line per mistake, if there is none or it is wrong; each line begins with `origin`, else with
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
        # Parsed again, because a change may not go together with what the spec says.
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
    """The data of `flights`, or of the JSON of a `data` key.

    Raises UserError, a line per mistake, which begins with `origin`.
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


def create(request: Request, root: str | None = None, *, here: bool, warn: Warn | None = None) -> Sweep:
    """Creates the sweep of a request in the store at `root`, or where `store_for` says.

    `here`: this machine will run it. Raises UserError if it cannot be, InfrastructureError if the store fails.
    """
    prepared = prepare(request, root, Reach.HERE if here else Reach.ELSEWHERE, warn)
    return prepared.create()


def check(request: Request, root: str | None = None, *, here: bool) -> None:
    """Raises what `create` would raise; creates nothing."""
    spec = request.spec()
    define(spec, store_for(spec, root), here=here)


def create_calibration(
    request: Request,
    root: str | None,
    calibrating: Calibrating,
    experiments: int | None,
    *,
    here: bool,
    warn: Warn | None = None,
) -> Sweep:
    """Creates a study of how little data still rank the spec's settings, on a sample of so many `experiments`."""
    from pipeline.plan import calibration

    spec = request.spec()
    store = store_for(spec, root)
    full = define(calibration.sample(spec, experiments), store, here=here, warn=warn)
    covered = covered_days(full.data, here=here) if full.data is not None else None
    used = ledger.chosen_on(store, full.architecture, full.data)
    return Sweep.create(store, calibration.define(full, spec, calibrating, covered=covered, used=used))


def prepare_resemblance(
    request: Request,
    root: str | None,
    *,
    settings: int | None,
    ranges: int | None,
    seeds: int | None,
    here: bool,
    warn: Warn | None = None,
) -> "Prepared":
    """A study of how alike date ranges are, which nothing is written of yet: so many settings on so many ranges."""
    from pipeline.plan import resemblance

    spec, reach = request.spec(), Reach.HERE if here else Reach.ELSEWHERE
    store = store_for(spec, root)
    usual, _, covered = _define(resemblance.ordinary(spec), store, reach, None)
    on = resemblance.ranges_of(usual, covered, ranges or resemblance.RANGES)
    sampled = resemblance.sample(spec, settings or resemblance.SETTINGS, on)
    resolved, rows, covers = _define(sampled, store, reach, warn)
    return Prepared(resemblance.define(resolved, spec, usual, seeds or resemblance.SEEDS), store, rows, covers)


def define(spec: Spec, store: Store | None = None, *, here: bool, warn: Warn | None = None) -> Definition:
    """The definition of a sweep of this spec that would start now, in this project and at this commit.

    The rows of the data are counted first, if the spec leaves something to them; with a store, the ranges that earlier
    sweeps chose on and the days of the data are looked up, too, and afterwards the data of the date ranges. `here`:
    this machine will run it. Raises UserError if the spec asks for what cannot be, or if nothing can be learnt from the
    data; `warn` is told what else is odd about them.
    """
    return _define(spec, store, Reach.HERE if here else Reach.ELSEWHERE, warn)[0]


class Reach(Enum):
    """Whether a machine must see the data of a sweep that it plans."""

    HERE = "it will train on them: what is not there is a mistake"
    MOSTLY = "what is not there is a mistake, unless not even its folder is there: then another machine will train"
    ELSEWHERE = "another machine may train: what is not there is a warning"
    UNSEEN = "nobody wants them looked at"


@dataclass(frozen=True)
class Prepared:
    """A sweep that would start now, and what was seen of its data."""

    definition: Definition
    store: Store
    rows: Callable[[DateRange], int] | None = None
    """Counts the rows with every target on days of its date ranges; None where nobody looked."""
    covers: DateRange | None = None
    """All days of the data; None where nobody looked."""

    @cached_property
    def digests(self) -> Sequence[digests.Digest]:
        """What earlier sweeps of its series left to learn from; nothing where the store fails."""
        return digests_of(self.definition, self.store)

    def create(self) -> Sweep:
        """Raises InfrastructureError if the store fails."""
        return Sweep.create(self.store, self.definition)


def digests_of(definition: Definition, store: Store) -> Sequence[digests.Digest]:
    """What earlier sweeps of a definition's series left to learn from; nothing where the store fails."""
    try:
        return digests.read(store, digests.Series.of(definition))
    except (InfrastructureError, OutOfReachError):
        return ()


def prepare(request: Request, root: str | None, reach: Reach, warn: Warn | None = None) -> Prepared:
    """The sweep of a request, which nothing is written of yet. Raises what `create` would raise."""
    spec = request.spec()
    store = store_for(spec, root)
    definition, rows, covers = _define(spec, store, reach, warn)
    return Prepared(definition, store, rows, covers)


def _define(
    spec: Spec, store: Store | None, reach: Reach, warn: Warn | None
) -> tuple[Definition, Callable[[DateRange], int] | None, DateRange | None]:
    """The definition, what counts rows of its days, and all days of the data; None where nobody looked."""
    data = project.load().data if spec.data is None else None
    source = source_of(spec, data)
    sight = _Sight(source, reach, warn)
    used = _used(store, spec, source, reach, warn)
    rows_by_day, covered, strays = None, None, None
    if source is not None and months.depends_on_rows(spec):
        rows_by_day = sight.see(counting.count)
        strays = rows_by_day.strays if rows_by_day else None
    if source is not None and rows_by_day is None and store is not None:
        covered, strays = sight.see(_coverage) or (None, None)
    if strays and warn:
        warn(strays)
    definition = resolve(
        spec,
        now=datetime.now(UTC),
        token=secrets.token_hex(2),
        data=data,
        covered=covered,
        rows_by_day=rows_by_day,
        used=used,
        git_commit=provenance.commit_here() if spec.trains_own_code else provenance.git_commit(),
        image=provenance.image(),
    )
    for found in missing(definition.own, project_folder()):
        if reach is Reach.HERE or found.everywhere:
            raise UserError(found.line)
        if warn:
            warn(f"{found.line}; where trials run it must be")

    # What the sweep's ranges have of data.
    covers = rows_by_day.covers if rows_by_day else covered
    rows = rows_by_day.within if rows_by_day else None
    if store is not None:
        definition = confirm.by_evidence(spec, definition, digests_of(definition, store))
    if store is None or definition.data is None:
        return definition, rows, covers
    if not isinstance(definition.data, FilesSource):
        # Only who looks beforehand wants to know.
        counted = counting.count(definition.data) if rows is None and reach is Reach.MOSTLY else None
        return definition, counted.within if counted else rows, covers

    def check(_: DataSource) -> "Checked | None":
        # Here, because a plan that looks at no data must not wait for pandas.
        from pipeline.plan import data_check

        return data_check.check(definition)

    checked = sight.see(check)
    if checked:
        definition = definition.model_copy(update={"lost": checked.lost})
    for line in checked.warnings if checked else ():
        if warn:
            warn(line)
    return definition, checked.rows if checked else rows, covers


def _used(
    store: Store | None, spec: Spec, source: DataSource | None, reach: Reach, warn: Warn | None
) -> list[DateRange]:
    """The ranges that earlier sweeps chose on. Only a look beforehand may do without them."""
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


@dataclass
class _Sight:
    """What a machine sees of data, as far as it must."""

    source: DataSource | None
    reach: Reach
    warn: Warn | None
    _has_warned: bool = False

    def see(self, look: Callable[[DataSource], _T | None]) -> _T | None:
        """What a look shows; None where the data are out of this machine's reach and need not be in it.

        Raises UserError if the data cannot be what is meant.
        """
        if self.source is None:
            return None
        if not isinstance(self.source, FilesSource) or self.reach is Reach.HERE:
            return look(self.source)
        if self.reach is Reach.UNSEEN:
            return None
        path = self.source.path
        if not path.startswith("gs://"):
            whole = in_project(path)
            is_foreign = self.reach is Reach.ELSEWHERE or not _has_folder(whole)
            if is_foreign and not glob.glob(whole, recursive=True):
                self._say(f'data.path: no file matches "{path}" (looked {where_looked()})')
                return None
        try:
            return look(self.source)
        except OutOfReachError as error:
            self._say(str(error).splitlines()[0])
        except InfrastructureError as error:
            if self.reach is not Reach.MOSTLY:
                raise
            self._say(str(error).splitlines()[0])
        return None

    def _say(self, why: str) -> None:
        if self.warn and not self._has_warned:
            self._has_warned = True
            self.warn(f"{why}: this machine does not reach the data, so nothing in them was checked")


def _has_folder(pattern: str) -> bool:
    """Whether the folder is there whose files a pattern names, as far as it names one."""
    plain = Path(re.split(r"[*?[]", pattern, maxsplit=1)[0] + "x")
    return plain.parent.is_dir()


def covered_days(source: DataSource, *, here: bool) -> DateRange | None:
    """The days of the data; None if there are none, or none that this machine could see.

    Data that are not on this machine are a mistake only where the trials run `here`. Raises UserError if the data
    cannot be what is meant.
    """
    return _Sight(source, Reach.HERE if here else Reach.ELSEWHERE, None).see(_covered_days)


def _covered_days(source: DataSource) -> DateRange | None:
    return _coverage(source)[0]


def _coverage(source: DataSource) -> tuple[DateRange | None, str | None]:
    """The days that the data cover, and a line about those which they do not, though there are rows."""
    if not isinstance(source, FilesSource):
        # Not by way of `load`, which imports pandas.
        return source.covers, None
    from pipeline.data import load

    return load.coverage(source)


def store_for(spec: Spec, root: str | None = None) -> Store:
    """The store of a new sweep: at `root`, else where the environment, the spec or the project says."""
    return open_store(project.store_root(root, spec.store))


def open_sweep(name: str, root: str | None = None) -> Sweep:
    """A sweep by its id, the end of one, or `latest`. Raises UserError if there is none, or several."""
    return find(open_store(project.store_root(root)), name)


def resume(name: str, root: str | None = None) -> Sweep:
    """Opens a sweep to go on with: a request to stop it is forgotten."""
    sweep = open_sweep(name, root)
    sweep.forget_stop()
    return sweep


def resume_here(name: str, root: str | None = None, *, data_changed: bool, retry: bool = False) -> Sweep:
    """Opens a sweep to go on with on this machine.

    Raises UserError if its data changed under it, unless `data_changed` says that this is known.
    """
    from pipeline.plan import unchanged

    sweep = open_sweep(name, root)
    if not data_changed:
        unchanged.check(sweep, retry=retry)
    sweep.forget_stop()
    return sweep
