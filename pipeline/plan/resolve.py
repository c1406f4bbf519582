"""Resolves a spec, on a given day, with given data, to the frozen definition of a sweep.

Everything that depends on "today" or on the project's settings is decided here, once, before anything runs.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import ParamSpec, TypeVar

from pipeline.data.counting import RowCounts
from pipeline.data.source import DataSource
from pipeline.dates import DateRange
from pipeline.errors import UserError, did_you_mean
from pipeline.plan import confirm as judges
from pipeline.plan import counts, months, phases
from pipeline.plan.calendar import Calendar
from pipeline.results import REFERENCE
from pipeline.search import ADAPTIVE
from pipeline.search.search_space import constraint_text as in_words
from pipeline.space import Hyperparameter, Space, Values
from pipeline.spec import Spec, normalize, trainer
from pipeline.spec.metrics import usual_goal
from pipeline.spec.model import MOST_EXPERIMENTS, Objective, PhaseSpec
from pipeline.sweep import FORMAT, Definition, Fidelity, Phase, new_id
from pipeline.training import references
from pipeline.training.own import placeholders
from pipeline.training.own.code import Own

_P = ParamSpec("_P")
_T = TypeVar("_T")


def resolve(
    spec: Spec,
    *,
    now: datetime,
    token: str,
    data: DataSource | None = None,
    covered: DateRange | None = None,
    rows_by_day: RowCounts | None = None,
    used: Sequence[DateRange] = (),
    git_commit: str | None = None,
    image: str | None = None,
) -> Definition:
    """The definition of a sweep that starts `now`. `data` is used where the spec names none.

    `covered` are the days of the data and `rows_by_day` their rows, where the caller knows them. `used` are the ranges
    that earlier sweeps of this architecture and data chose on: ranges that judge must be fresh for these, too. Raises
    UserError, a line per mistake, if the spec asks for the impossible.
    """
    # Gather what the spec leaves to the project, to the trainer and to the day.
    source = source_of(spec, data)
    hyperparameters = trainer.hyperparameters(spec)
    own_trainer = _own_trainer(spec, hyperparameters)
    today = spec.as_of or (source and source.as_of) or now.date()

    # The phases and their date ranges.
    covered = (source and source.covers) or (rows_by_day and rows_by_day.covers) or covered
    decided = months.decide(normalize.with_reals(spec, hyperparameters), source, today, covered, rows_by_day)
    request = phases.SpecAndTrainer(decided.spec, hyperparameters)
    calendar = Calendar(request.spec, today, covered, tuple(used))
    all_phases = _phases(request, calendar, rows_by_day)
    chosen_on = dict.fromkeys(date_range for phase in all_phases if phase.chooses for date_range in phase.ranges)

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
        incumbent=request.incumbent,
        phases=all_phases,
        budget=spec.budget,
        reuse=spec.reuse,
        git_commit=git_commit,
        image=image or spec.image,
        notes=spec.notes,
        spec=normalize.as_written(spec),
        own=own_trainer,
        rows_by_month=rows_by_day and rows_by_day.by_month(),
        decided=tuple(dict.fromkeys(_decisions(request, all_phases, decided.lines))),
        chosen_before={str(date_range): used.count(date_range) for date_range in chosen_on if date_range in used},
    )


def source_of(spec: Spec, data: DataSource | None) -> DataSource | None:
    """The spec's data, else `data`. Raises UserError if there are none, unless the trainer is the user's own."""
    source = spec.data or data
    if source is None and not spec.trains_own_code:
        raise UserError('no data: name "data" in the spec, give --data, or put `data = "flights"` into hpt.toml')
    return source


def _own_trainer(spec: Spec, hyperparameters: Mapping[str, Hyperparameter]) -> Own | None:
    """The spec's own trainer. Raises UserError if the hyperparameters that it declares do not fit the spec."""
    if lines := [f"{path}: {message}" for path, message in trainer.misfits(spec, hyperparameters)]:
        raise UserError("\n".join(lines))
    return trainer.own_trainer(spec, hyperparameters)


class _Mistakes:
    """Collects all mistakes of a spec, so that a user reads them at once."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, make: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T | None:
        """The result of `make`; None if it raises UserError, whose lines are noted."""
        try:
            return make(*args, **kwargs)
        except UserError as error:
            self.lines.append(str(error))
            return None


def _phases(request: phases.SpecAndTrainer, calendar: Calendar, rows_by_day: RowCounts | None) -> tuple[Phase, ...]:
    """All phases in their order: those that choose, the one that judges, the references.

    Raises UserError, a line per mistake.
    """
    spec, mistakes = request.spec, _Mistakes()
    if lines := _misnamed_constraints(request):
        raise UserError("\n".join(lines))

    # The phases that choose.
    names = [phase.name for phase in request.phases]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        mistakes.lines.append(f"phases: {', '.join(twice)} is named twice")
    possible = [mistakes.note(_choosing, request, phase, calendar, rows_by_day, mistakes) for phase in request.phases]
    choosing = _in_a_row([phase for phase in possible if phase is not None])
    if choosing and choosing[0].replicates:
        choosing = []  # nothing is searched, so there is nothing to replicate
    if not mistakes.lines:
        mistakes.lines += _idle_constraints(spec, choosing)
        if not choosing:
            mistakes.lines.append("parameters: all of them are fixed: nothing to tune")

    # The phase that judges, and the experiments that the budget leaves to the others.
    judging = mistakes.note(judges.judging, spec, choosing, calendar) if choosing else []
    if judging is not None and not mistakes.lines:
        choosing = mistakes.note(counts.within_budget, spec.budget, choosing, judging) or []
    if mistakes.lines or judging is None:
        raise UserError("\n".join(dict.fromkeys(mistakes.lines)))
    choosing = [_drawn_from_its_grid(request, phase) for phase in choosing]
    judging = judges.with_more_ranges(spec, choosing, judging, calendar)
    return (*choosing, *judging, *_references(spec, choosing, judging))


def _drawn_from_its_grid(request: phases.SpecAndTrainer, phase: Phase) -> Phase:
    """The phase; if too small for its whole grid, it draws from the grid, whose first settings are too much alike."""
    if not counts.is_part_of_its_grid(request, phase):
        return phase
    return phase.model_copy(update={"strategy": "random"})


def _choosing(
    request: phases.SpecAndTrainer,
    phase: PhaseSpec,
    calendar: Calendar,
    rows_by_day: RowCounts | None,
    mistakes: _Mistakes,
) -> Phase | None:
    """A phase that chooses; None if it has nothing to search, or if its mistakes are noted in `mistakes`.

    Raises UserError for a mistake that leaves nothing to go on with.
    """
    spec = request.spec
    fixed = normalize.fixed_values(phase.parameters or {})
    if clash := fixed.keys() - normalize.fixed_values(spec.parameters):
        raise UserError(
            f"phases: fix {', '.join(sorted(clash))} in the spec's own `parameters`: the setting to beat needs it too"
        )
    space = phases.space_of(request, phase)
    if not space and phase.name not in (phases.TRAIN, phases.REPLICATE):
        return None

    # Its ranges, its space and its number of settings.
    search, is_short = phases.search_of(spec, phase), phases.is_short(spec, phase)
    ranges = mistakes.note(calendar.choosing, phase)
    if ranges is not None and rows_by_day is not None:
        shares = spec.training.validation_share, spec.training.test_share
        rows = min(rows_by_day.within(date_range.split(*shares).train) for date_range in ranges)
        space = phases.space_of(request, phase, rows)
    experiments = mistakes.note(counts.experiments_of, request, phase, space)
    if ranges is None or experiments is None:
        return None
    epochs = min(spec.training.max_epochs, spec.short.max_epochs) if is_short else spec.training.max_epochs
    fidelity = Fidelity(name="short" if is_short else "full", max_epochs=epochs)
    if phase.name == phases.REPLICATE:
        return Phase(
            name=phase.name,
            space={},
            ranges=tuple(ranges),
            fidelity=fidelity,
            strategy="finalists",
            experiments=experiments,
            seeds=counts.SEEDS,
        )
    is_in_turn = search.strategy in ADAPTIVE or (spec.budget is not None and spec.budget.is_timed)
    at_once = counts.in_rounds_of(experiments, len(ranges) * search.seeds_per_range)
    return Phase(
        name=phase.name,
        space=space,
        ranges=tuple(ranges),
        fidelity=fidelity,
        strategy=search.strategy,
        experiments=experiments,
        open_ended=counts.is_open_ended(spec, phase),
        constraints=phases.constraints_on(space, spec.constraints),
        batch=search.batch if is_in_turn else at_once,
        near=phases.NEAR if phase.name == "near-best" else None,
        faster_within=phases.FASTER_WITHIN if phase.name == "learning-rate" else None,
        early_stopping=search.early_stopping,
        seeds=search.seeds_per_range,
        race=search.race,
    )


def _decisions(
    request: phases.SpecAndTrainer, all_phases: Sequence[Phase], about_months: Sequence[str]
) -> Iterator[str]:
    """Yields the lines about everything that was decided for the user."""
    yield from _goal_in_words(request.spec.objective)
    yield from about_months
    yield from _cut_in_words(request, all_phases)
    yield from _drawn_in_words(request, all_phases)
    yield from judges.more_ranges_in_words(request.spec, all_phases)
    yield from _empty_arguments_in_words(request, all_phases)


def _goal_in_words(objective: Objective) -> Iterator[str]:
    """A line if the goal is not the usual one of the metric."""
    if usual_goal(objective.metric) not in (None, objective.goal):
        better = "less" if objective.goal == "maximize" else "more"
        yield f"objective: {objective.goal}s {objective.metric}, as `goal` says; usually {better} of it is better"


def _cut_in_words(request: phases.SpecAndTrainer, all_phases: Sequence[Phase]) -> Iterator[str]:
    """A line for each phase whose space lost batch sizes of the ready-made space."""
    ready_made: dict[str, Space] = {phase.name: phases.space_of(request, phase) for phase in request.phases}
    for phase in all_phases:
        whole, searched = (space.get("batch_size") for space in (ready_made.get(phase.name, {}), phase.space))
        if isinstance(whole, Values) and isinstance(searched, Values) and whole != searched:
            left_out = ", ".join(str(value) for value in whole.values if value not in searched)
            yield f"batch_size: {left_out} left out, fewer than {phases.STEPS_A_PASS} steps a pass over the rows"


def _drawn_in_words(request: phases.SpecAndTrainer, all_phases: Sequence[Phase]) -> Iterator[str]:
    """A line for each phase that draws from its grid, in place of the whole grid that the spec asks for."""
    grids = {each.name for each in request.phases if phases.search_of(request.spec, each).strategy == "grid"}
    for phase in all_phases:
        if phase.name in grids and phase.strategy == "random":
            size = math.prod(domain.size for domain in phase.space.values())
            settings = f"{size:,}" if size <= MOST_EXPERIMENTS else f"over {MOST_EXPERIMENTS:,}"
            yield f"{phase.name}: {phase.experiments} settings are drawn from the grid, which has {settings}"


def _empty_arguments_in_words(request: phases.SpecAndTrainer, all_phases: Sequence[Phase]) -> Iterator[str]:
    """A line for each argument that may become an empty text: a program still gets it as an argument."""
    spaces = [phase.space.items() for phase in all_phases]
    empty = {name for space in spaces for name, domain in space if "" in domain}
    empty |= {name for name, value in request.incumbent.items() if value == ""}
    for at, name in placeholders.possibly_empty(request.spec.command or (), empty):
        cure = json.dumps({"if": name, "arguments": [f"{{{name}}}"]})
        yield (
            f"command.{at}: {name} may be empty text, which the program gets as an argument; to leave it out then, "
            f"write {cure}"
        )


def _in_a_row(choosing: Sequence[Phase]) -> list[Phase]:
    """The phases, linked by `follows`: each starts from the best setting of the phase before."""
    before = [None, *(phase.name for phase in choosing)]
    return [phase.model_copy(update={"follows": name}) for phase, name in zip(choosing, before, strict=False)]


def _references(spec: Spec, choosing: Sequence[Phase], judging: Sequence[Phase]) -> list[Phase]:
    """The phase of the references, on the ranges that judge, then on those that choose.

    Empty for a team's own trainer, since the units of its metrics are unknown.
    """
    if not spec.references or spec.trains_own_code:
        return []
    return [
        Phase(
            name=REFERENCE,
            role="reference",
            space={},
            ranges=tuple(dict.fromkeys(date_range for phase in (*judging, *choosing) for date_range in phase.ranges)),
            fidelity=Fidelity(name="full", max_epochs=1),
            strategy="finalists",
            experiments=len(references.NAMES),
        )
    ]


def _misnamed_constraints(request: phases.SpecAndTrainer) -> list[str]:
    """A line for each constraint that names a hyperparameter that does not exist."""
    lines = []
    for constraint in request.spec.constraints:
        names = [side for side in (constraint[0], constraint[2]) if isinstance(side, str)]
        if unknown := [name for name in names if name not in request.hyperparameters]:
            hint = did_you_mean(unknown[0], request.hyperparameters)
            hint = f"there is no hyperparameter {json.dumps(unknown[0])}; {hint}"
            lines.append(f"constraints: {in_words(constraint)}: {hint}")
    return lines


def _idle_constraints(spec: Spec, choosing: Sequence[Phase]) -> list[str]:
    """A line for each constraint between hyperparameters that are not searched."""
    return [
        f"constraints: {in_words(constraint)}: neither side is searched, so it would have no effect"
        for constraint in spec.constraints
        if not any(constraint in phase.constraints for phase in choosing)
    ]
