"""A spec, on a given day, with given data: the frozen definition of a sweep.

Everything that depends on "today" or on the project's settings is decided here, once, before anything runs.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeVar

from pipeline import dates
from pipeline.data.source import DataSource
from pipeline.dates import DateRange
from pipeline.errors import UserError, did_you_mean
from pipeline.plan import phases
from pipeline.search import ADAPTIVE
from pipeline.search.search_space import written as in_words
from pipeline.space import Assignment, DomainOrFixed, as_reals
from pipeline.spec import Spec, check, trainer
from pipeline.spec.model import PhaseSpec
from pipeline.sweep import FORMAT, Definition, Fidelity, Judging, Phase, new_id
from pipeline.training.own.code import Own

_T = TypeVar("_T")


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
    source, own = source_of(spec, data), _own(spec)
    written, spec = as_written(spec), _with_reals(spec)
    today = as_of or spec.as_of or (source and source.as_of) or now.date()
    calendar = _Calendar(spec, today, (source and source.covers) or covered, tuple(used))
    incumbent = _incumbent(spec)
    if strange := _strange_constraints(spec, incumbent):
        raise UserError("\n".join(strange))
    mistakes = _Mistakes()
    asked = phases.asked_of(spec)
    names = [wanted.name for wanted in asked]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        mistakes.lines.append(f"phases: {', '.join(twice)} stands there twice")
    made = [mistakes.told(_choosing, spec, asked, wanted, incumbent, calendar, mistakes) for wanted in asked]
    choosing = _in_a_row([phase for phase in made if phase is not None])
    if choosing and choosing[0].replicates:
        choosing = []  # nothing is searched, so there is nothing to replicate
    if not mistakes.lines:
        mistakes.lines += _idle_constraints(spec, choosing)
        if not choosing:
            mistakes.lines.append("parameters: all of them are fixed: nothing to tune")
    confirm = mistakes.told(_confirm, spec, choosing, calendar) if choosing else []
    if confirm is not None and not mistakes.lines:
        choosing = mistakes.told(phases.within, spec.budget, choosing, confirm) or []
    if mistakes.lines or confirm is None:
        raise UserError("\n".join(dict.fromkeys(mistakes.lines)))
    ranges = list(dict.fromkeys(range_ for phase in choosing for range_ in phase.ranges))
    return Definition(
        format=FORMAT,
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
        budget=spec.budget,
        reuse=spec.reuse,
        git_commit=git_commit,
        image=image or spec.image,
        notes=spec.notes,
        spec=written,
        own=own,
        chosen_before={str(range_): list(used).count(range_) for range_ in ranges if range_ in used},
    )


def source_of(spec: Spec, data: DataSource | None) -> DataSource | None:
    """The spec's data, else `data`. Raises UserError if there are none, unless the trainer is the user's own."""
    source = spec.data or data
    if source is None and not spec.trains_own_code:
        raise UserError('no data: name "data" in the spec, give --data, or put `data = "flights"` into hpt.toml')
    return source


def _own(spec: Spec) -> Own | None:
    """The spec's own trainer. Raises UserError if what it declares itself does not fit the spec."""
    own = trainer.own(spec)
    if own is not None and spec.hyperparameters is None:
        mistakes = check.of_own(as_written(spec), own.hyperparameters)
        if lines := [f"{path}: {message}" for path, message in mistakes]:
            raise UserError("\n".join(lines))
    return own


def _with_reals(spec: Spec) -> Spec:
    known = trainer.hyperparameters(spec)
    reals = {name for name, hyperparameter in known.items() if isinstance(hyperparameter.default, float)}

    def converted(where: str, values: Mapping[str, DomainOrFixed]) -> dict[str, Any]:
        found = {}
        for name, value in values.items():
            try:
                found[name] = as_reals(value) if name in reals else value
            except ValueError:
                raise UserError(f"{where}.{name}: names a value twice, once as an integer") from None
        return found

    in_phases = spec.phases and [
        phase.model_copy(update={"parameters": converted(f"phases.{at}.parameters", phase.parameters)})
        if phase.parameters
        else phase
        for at, phase in enumerate(spec.phases)
    ]
    changed = {
        "parameters": converted("parameters", spec.parameters),
        "incumbent": converted("incumbent", spec.incumbent),
        "phases": in_phases,
    }
    return spec.model_copy(update=changed)


def as_written(spec: Spec) -> dict[str, Any]:
    return spec.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _incumbent(spec: Spec) -> Assignment:
    defaults = {name: one.default for name, one in trainer.hyperparameters(spec).items()}
    return {**defaults, **spec.incumbent, **phases.fixed_in(spec.parameters)}


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
        if phases.is_short(self.spec, wanted) and not wanted.date_range:
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
    spec: Spec,
    asked: Sequence[PhaseSpec],
    wanted: PhaseSpec,
    incumbent: Assignment,
    calendar: _Calendar,
    mistakes: _Mistakes,
) -> Phase | None:
    if clash := phases.fixed_in(wanted.parameters or {}).keys() - phases.fixed_in(spec.parameters):
        raise UserError(
            f"phases: fix {', '.join(sorted(clash))} in the spec's own `parameters`: the incumbent needs it too"
        )
    space = phases.space_of(spec, wanted, trainer.hyperparameters(spec))
    if not space and wanted.name not in ("train", phases.REPLICATE):
        return None
    search, short = phases.search_of(spec, wanted), phases.is_short(spec, wanted)
    epochs = min(spec.training.max_epochs, spec.short.max_epochs) if short else spec.training.max_epochs
    ranges = mistakes.told(calendar.choosing, wanted)
    experiments = mistakes.told(phases.experiments_of, spec, asked, wanted, space, incumbent)
    if ranges is None or experiments is None:
        return None
    fidelity = Fidelity(name="short" if short else "full", max_epochs=epochs)
    if wanted.name == phases.REPLICATE:
        return Phase(
            name=wanted.name,
            space={},
            ranges=tuple(ranges),
            fidelity=fidelity,
            strategy="finalists",
            experiments=experiments,
            seeds=phases.SEEDS,
        )
    in_turn = search.strategy in ADAPTIVE or (spec.budget is not None and spec.budget.is_timed)
    return Phase(
        name=wanted.name,
        space=space,
        ranges=tuple(ranges),
        fidelity=fidelity,
        strategy=search.strategy,
        experiments=experiments,
        open_ended=phases.is_open_ended(spec, wanted),
        constraints=phases.constraints_on(space, spec.constraints),
        batch=search.batch if in_turn else None,
        near=phases.NEAR if wanted.name == "near-best" else None,
        faster_within=phases.FASTER_WITHIN if wanted.name == "learning-rate" else None,
        early_stopping=search.early_stopping,
        seeds=search.seeds_per_range,
        race=search.race,
    )


def _strange_constraints(spec: Spec, incumbent: Assignment) -> list[str]:
    """A line for each constraint that names what there is not."""
    lines = []
    for constraint in spec.constraints:
        names = [side for side in (constraint[0], constraint[2]) if isinstance(side, str)]
        if strange := [name for name in names if name not in incumbent]:
            hint = f'there is no hyperparameter "{strange[0]}"; {did_you_mean(strange[0], incumbent)}'
            lines.append(f"constraints: {in_words(constraint)}: {hint}")
    return lines


def _idle_constraints(spec: Spec, choosing: Sequence[Phase]) -> list[str]:
    """A line for each constraint of which nothing is searched."""
    return [
        f"constraints: {in_words(constraint)}: neither side is searched, so it would say nothing"
        for constraint in spec.constraints
        if not any(constraint in phase.constraints for phase in choosing)
    ]


def _in_a_row(choosing: Sequence[Phase]) -> list[Phase]:
    """Each phase starts from the best of the one before it."""
    found: list[Phase] = []
    for phase in choosing:
        found.append(phase.model_copy(update={"follows": found[-1].name if found else None}))
    return found


def _confirm(spec: Spec, choosing: Sequence[Phase], calendar: _Calendar) -> list[Phase]:
    """The phase that judges, if there is to be one: on fresh ranges, else on the same ones with new seeds."""
    asked = spec.confirm
    if (
        choosing[-1].name == "train"
        or asked.ranges == 0
        or (asked.day_of_month is not None and asked.day_of_month != calendar.today.day)
    ):
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
            role="judge",
            judging=Judging(rope=asked.rope, fresh=fresh),
        )
    ]
