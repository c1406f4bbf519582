"""A spec, on a given day, with given data: the frozen definition of a sweep.

Everything that depends on "today" or on the project's settings is decided here, once, before anything runs.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeVar

from pipeline import data_source, dates
from pipeline.data_source import DataSource
from pipeline.dates import DateRange
from pipeline.errors import UserError
from pipeline.space import Assignment, DomainOrFixed, Interval, Space, Values, as_reals
from pipeline.spec import PhaseSpec, Search, Spec
from pipeline.sweep import Definition, Fidelity, Judging, Phase, new_id
from pipeline.training import architectures

_T = TypeVar("_T")

EXPERIMENTS = 21
"""Experiments of a random search that names no number: the incumbent and twenty others."""


def resolve(
    spec: Spec,
    *,
    now: datetime,
    token: str,
    data: DataSource | None = None,
    as_of: date | None = None,
    covered: DateRange | None = None,
    used: Sequence[DateRange] = (),
    git_commit: str | None = None,
    image: str | None = None,
) -> Definition:
    """The definition of a sweep that starts `now`. `data` is used where the spec names none.

    `covered` are the days of the data, where the caller has looked; `used` the ranges that earlier sweeps of this
    architecture and data chose on: what judges must be fresh of them, too. Raises UserError, a line per mistake, if the
    spec asks for what cannot be.
    """
    source = source_of(spec, data)
    written, spec = as_written(spec), _with_reals(spec)
    if spec.tune != "parameters":
        raise UserError(f'tune: "{spec.tune}" is not in this version; name the hyperparameters in "parameters"')
    today = as_of or spec.as_of or data_source.as_of(source) or now.date()
    calendar = _Calendar(spec, today, data_source.covers(source) or covered, tuple(used))
    incumbent = _incumbent(spec)
    mistakes = _Mistakes()
    asked = spec.phases or [PhaseSpec(name="screen")]
    names = [wanted.name for wanted in asked]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        mistakes.lines.append(f"phases: {', '.join(twice)} stands there twice")
    made = [mistakes.told(_choosing, spec, wanted, incumbent, calendar, mistakes) for wanted in asked]
    choosing = [phase for phase in made if phase is not None]
    confirm = mistakes.told(_confirm, spec, choosing, calendar) if choosing else []
    if mistakes.lines or confirm is None:
        raise UserError("\n".join(dict.fromkeys(mistakes.lines)))
    ranges = list(dict.fromkeys(range_ for phase in choosing for range_ in phase.ranges))
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
        phases=(*choosing, *confirm),
        git_commit=git_commit,
        image=image or spec.image,
        notes=spec.notes,
        spec=written,
        chosen_before={str(range_): list(used).count(range_) for range_ in ranges if range_ in used},
    )


def source_of(spec: Spec, data: DataSource | None) -> DataSource:
    """The spec's data, else `data`. Raises UserError if there are none."""
    source = spec.data or data
    if source is None:
        raise UserError('no data: name "data" in the spec, give --data, or put `data = "flights"` into hpt.toml')
    return source


def _with_reals(spec: Spec) -> Spec:
    declared = architectures.hyperparameters(spec.architecture)
    reals = {name for name, hyperparameter in declared.items() if isinstance(hyperparameter.default, float)}

    def converted(where: str, values: Mapping[str, DomainOrFixed]) -> dict[str, Any]:
        found = {}
        for name, value in values.items():
            try:
                found[name] = as_reals(value) if name in reals else value
            except ValueError:
                raise UserError(f"{where}.{name}: names a value twice, once as an integer") from None
        return found

    phases = spec.phases and [
        phase.model_copy(update={"parameters": converted(f"phases.{at}.parameters", phase.parameters)})
        if phase.parameters
        else phase
        for at, phase in enumerate(spec.phases)
    ]
    changed = {
        "parameters": converted("parameters", spec.parameters),
        "incumbent": converted("incumbent", spec.incumbent),
        "phases": phases,
    }
    return spec.model_copy(update=changed)


def as_written(spec: Spec) -> dict[str, Any]:
    return spec.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _fixed(parameters: dict[str, DomainOrFixed]) -> Assignment:
    return {name: value for name, value in parameters.items() if not isinstance(value, (Values, Interval))}


def _incumbent(spec: Spec) -> Assignment:
    declared = architectures.hyperparameters(spec.architecture)
    defaults = {name: hyperparameter.default for name, hyperparameter in declared.items()}
    return {**defaults, **spec.incumbent, **_fixed(spec.parameters)}


class _Mistakes:
    """All lines of what a spec asks for and cannot have."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def told(self, make: Callable[..., _T], *arguments: Any) -> _T | None:
        """What `make` makes; None, and the line noted, if it raises UserError."""
        try:
            return make(*arguments)
        except UserError as error:
            self.lines.append(str(error))
            return None


@dataclass(frozen=True)
class _Calendar:
    """Which ranges a spec's phases get on a given day."""

    spec: Spec
    today: date
    covered: DateRange | None
    used: tuple[DateRange, ...]

    def choosing(self, wanted: PhaseSpec) -> list[DateRange]:
        ranges = wanted.date_range or self._named()
        if (wanted.mode or self.spec.mode) == "short" and not wanted.date_range:
            # On the months before the ranges that will judge, so that those are fresh.
            first = min(range_.start for range_ in ranges)
            months, count = self.spec.short.months, self.spec.short.ranges
            ranges = [dates.whole_months(first, months, back=back) for back in reversed(range(count))]
        return self._checked("date-range", ranges)

    def confirming(self, choosing: Sequence[Phase]) -> list[DateRange]:
        """Fresh ranges, oldest first; none if there are none."""
        chosen_on = [range_ for phase in choosing for range_ in phase.ranges]
        if self.spec.confirm_range:
            ranges = self._checked("confirm-range", self.spec.confirm_range)
            for at, range_ in enumerate(ranges):
                if not dates.is_fresh(self._split("confirm-range", range_), chosen_on):
                    raise UserError(f"confirm-range: {range_} is not fresh: it would judge on days that were chosen on")
                if self._tests_days_of(range_, ranges[:at]):
                    raise UserError(f"confirm-range: {range_} tests on days that another one tests on, too")
            return ranges
        not_fresh = [*chosen_on, *self.used]
        shares = self.spec.training.validation_share, self.spec.training.test_share
        if any(phase.fidelity.name == "short" for phase in choosing):
            named = sorted(self._named(), key=lambda range_: range_.end, reverse=True)
            like, first = named[0], [one for one in named if dates.is_fresh(one.split(*shares), not_fresh)]
        else:
            like, first = max(chosen_on, key=lambda range_: range_.end), []
        further = dates.fresh(not_fresh, like, self.today, valid=shares[0], test=shares[1])
        candidates = itertools.chain(first, (one for one in further if one not in first))
        found: list[DateRange] = []
        for range_ in candidates:
            if len(found) == self.spec.confirm.ranges or (self.covered and range_.start < self.covered.start):
                break
            if (self.covered is None or range_.end <= self.covered.end) and not self._tests_days_of(range_, found):
                found.append(range_)
        return sorted(found)

    def _tests_days_of(self, range_: DateRange, others: Iterable[DateRange]) -> bool:
        """Whether the same days would count twice."""
        test = self._split("confirm-range", range_).test
        return any(test.overlaps(self._split("confirm-range", other).test) for other in others)

    def _named(self) -> list[DateRange]:
        return self.spec.date_range or dates.rotating(self.today)

    def _split(self, key: str, range_: DateRange) -> dates.Split:
        try:
            return range_.split(self.spec.training.validation_share, self.spec.training.test_share)
        except ValueError as error:
            raise UserError(f"{key}: {error}") from None

    def _checked(self, key: str, ranges: list[DateRange]) -> list[DateRange]:
        for range_ in ranges:
            self._split(key, range_)
            # A user's own files may lack days at either end, a last weekend say: the trial's log tells.
            if self.covered and not range_.overlaps(self.covered):
                cure = "" if self.spec.date_range else f': set "as-of" (--as-of), for example to {self.covered.end}'
                raise UserError(f"{key}: {range_} has none of the days that the data cover, {self.covered}{cure}")
        return ranges


def _choosing(
    spec: Spec, wanted: PhaseSpec, incumbent: Assignment, calendar: _Calendar, mistakes: _Mistakes
) -> Phase | None:
    if wanted.name != "screen":
        raise UserError(f'phases: "{wanted.name}" is not in this version; "screen" is')
    parameters = wanted.parameters or spec.parameters
    if clash := _fixed(wanted.parameters or {}).keys() - _fixed(spec.parameters):
        raise UserError(
            f"phases: fix {', '.join(sorted(clash))} in the spec's own `parameters`: the incumbent needs it too"
        )
    space = {name: domain for name, domain in parameters.items() if isinstance(domain, (Values, Interval))}
    if not space:
        raise UserError("parameters: all of them are fixed: nothing to tune")
    search = wanted.search or spec.search
    short = (wanted.mode or spec.mode) == "short"
    epochs = min(spec.training.max_epochs, spec.short.max_epochs) if short else spec.training.max_epochs
    ranges = mistakes.told(calendar.choosing, wanted)
    experiments = mistakes.told(_experiments, search, space, incumbent)
    if ranges is None or experiments is None:
        return None
    return Phase(
        name=wanted.name,
        space=space,
        ranges=tuple(ranges),
        fidelity=Fidelity(name="short" if short else "full", max_epochs=epochs),
        strategy=search.strategy,
        experiments=experiments,
        seeds=search.seeds_per_range,
        race=search.race,
    )


def _confirm(spec: Spec, choosing: Sequence[Phase], calendar: _Calendar) -> list[Phase]:
    """The phase that judges, if there is to be one: on fresh ranges, else on the same ones with new seeds."""
    asked = spec.confirm
    if asked.ranges == 0 or (asked.day_of_month is not None and asked.day_of_month != calendar.today.day):
        return []
    ranges = calendar.confirming(choosing)
    fresh = bool(ranges) and all(
        dates.is_fresh(one.split(spec.training.validation_share, spec.training.test_share), calendar.used)
        for one in ranges
    )
    last = choosing[-1]
    return [
        Phase(
            name="confirm",
            space=last.space,
            ranges=tuple(ranges) or last.ranges,
            fidelity=Fidelity(name="full", max_epochs=spec.training.max_epochs),
            strategy="finalists",
            experiments=asked.finalists + 1,
            seeds=asked.seeds_per_range,
            first_seed=0 if ranges else last.seeds,
            judging=Judging(rope=asked.rope, fresh=fresh),
        )
    ]


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
