"""A spec, on a given day, with given data: the frozen definition of a sweep.

Everything that depends on "today" or on the project's settings is decided here, once, before anything runs.
"""

import math
from datetime import date, datetime
from typing import Any

from pipeline import data_source, dates
from pipeline.data_source import DataSource
from pipeline.dates import DateRange
from pipeline.errors import UserError
from pipeline.space import Assignment, DomainOrFixed, Interval, Space, Values
from pipeline.spec import PhaseSpec, Search, Spec
from pipeline.sweep import Definition, Fidelity, Phase, new_id
from pipeline.training import architectures

EXPERIMENTS = 21
"""Experiments of a random search that names no number: the incumbent and twenty others."""


def resolve(
    spec: Spec,
    *,
    now: datetime,
    token: str,
    data: DataSource | None = None,
    as_of: date | None = None,
    git_commit: str | None = None,
    image: str | None = None,
) -> Definition:
    """The definition of a sweep that starts `now`. `data` is used where the spec names none.

    Raises UserError, a line per mistake, if the spec asks for what cannot be.
    """
    source = spec.data or data
    if source is None:
        raise UserError('no data: name "data" in the spec, give --data, or put `data = "flights"` into hpt.toml')
    if spec.mode == "short":
        raise UserError('mode: "short" is not in this version; leave it out to run the full mode')
    if spec.tune != "parameters":
        raise UserError(f'tune: "{spec.tune}" is not in this version; name the hyperparameters in "parameters"')
    today = as_of or spec.as_of or data_source.as_of(source) or now.date()
    incumbent = _incumbent(spec)
    phases = tuple(
        _phase(spec, wanted, incumbent, today, source) for wanted in spec.phases or (PhaseSpec(name="screen"),)
    )
    if twice := {phase.name for phase in phases if [other.name for other in phases].count(phase.name) > 1}:
        raise UserError(f"phases: {', '.join(sorted(twice))} stands there twice")
    return Definition(
        id=new_id(now, spec.architecture, token),
        created=now.isoformat(timespec="seconds"),
        architecture=spec.architecture,
        data=source,
        as_of=today,
        seed=spec.search.seed,
        training=spec.training,
        objective=spec.objective,
        incumbent=incumbent,
        phases=phases,
        git_commit=git_commit,
        image=image or spec.image,
        notes=spec.notes,
        spec=as_written(spec),
    )


def as_written(spec: Spec) -> dict[str, Any]:
    return spec.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _fixed(parameters: dict[str, DomainOrFixed]) -> Assignment:
    return {name: value for name, value in parameters.items() if not isinstance(value, (Values, Interval))}


def _incumbent(spec: Spec) -> Assignment:
    declared = architectures.hyperparameters(spec.architecture)
    defaults = {name: hyperparameter.default for name, hyperparameter in declared.items()}
    return {**defaults, **spec.incumbent, **_fixed(spec.parameters)}


def _phase(spec: Spec, wanted: PhaseSpec, incumbent: Assignment, today: date, source: DataSource) -> Phase:
    if wanted.name != "screen":
        raise UserError(f'phases: "{wanted.name}" is not in this version; "screen" is')
    if wanted.mode == "short":
        raise UserError('phases: mode "short" is not in this version; leave it out')
    parameters = wanted.parameters or spec.parameters
    if clash := _fixed(wanted.parameters or {}).keys() - _fixed(spec.parameters):
        raise UserError(
            f"phases: fix {', '.join(sorted(clash))} in the spec's own `parameters`: the incumbent needs it too"
        )
    space = {name: domain for name, domain in parameters.items() if isinstance(domain, (Values, Interval))}
    if not space:
        raise UserError("parameters: all of them are fixed: nothing to tune")
    search = wanted.search or spec.search
    return Phase(
        name=wanted.name,
        space=space,
        ranges=tuple(_ranges(spec, wanted, today, source)),
        fidelity=Fidelity(name="full", max_epochs=spec.training.max_epochs),
        strategy=search.strategy,
        experiments=_experiments(search, space, incumbent),
        seeds=search.seeds_per_range,
    )


def _ranges(spec: Spec, wanted: PhaseSpec, today: date, source: DataSource) -> list[DateRange]:
    ranges = wanted.date_range or spec.date_range or dates.rotating(today)
    covered = data_source.covers(source)
    for range_ in ranges:
        try:
            range_.split(spec.training.validation_share, spec.training.test_share)
        except ValueError as error:
            raise UserError(f"date-range: {error}") from None
        if covered and not (covered.start <= range_.start and range_.end <= covered.end):
            raise UserError(f"date-range: {range_} is not inside the days that the data cover, {covered}")
    return ranges


def _experiments(search: Search, space: Space, incumbent: Assignment) -> int:
    size = math.prod(domain.size for domain in space.values())
    if search.strategy == "grid" and not math.isfinite(size):
        endless = next(name for name, domain in space.items() if not math.isfinite(domain.size))
        raise UserError(f"parameters.{endless}: a grid needs an end of values: give the range a step, or list values")
    inside = all(incumbent[name] in domain for name, domain in space.items())
    possible = size if inside else size + 1
    if search.experiments is None:
        return int(possible if search.strategy == "grid" else min(possible, EXPERIMENTS))
    if search.experiments > possible:
        raise UserError(
            f"search.experiments: {search.experiments} are asked for, but there are only {int(possible)}, "
            "the incumbent included"
        )
    return search.experiments
