"""Which phases a spec comes to: what each of them searches, from where, with how many settings.

The automatic mode goes as the practice of tuning by hand goes: first the learning rate and what goes with it, then the
rest with that learning rate, then everything at once near the best. Dates are `resolve.py`'s work, and what a phase
asks for when it runs is `plan.py`'s.
"""

import math
from collections.abc import Mapping, Sequence

from pipeline.errors import UserError
from pipeline.search import STRATEGIES, SearchSpace
from pipeline.search.search_space import written
from pipeline.space import Assignment, Constraint, Hyperparameter, Interval, Space, Values
from pipeline.spec import Spec, trainer
from pipeline.spec.model import Budget, PhaseSpec, Search
from pipeline.sweep import Phase

EXPERIMENTS = 21
"""Experiments of a search that names no number: the incumbent and twenty others."""
AUTOMATIC_EXPERIMENTS = 40
"""Of all phases of the automatic mode together, where neither `search` nor the budget says how many."""
IN_TIME = 500
"""Experiments at most where it is time or money that ends the search."""
SHARES = {"learning-rate": 0.3, "architecture": 0.45, "near-best": 0.25}
"""What the phases of the automatic mode get of the experiments; each has the incumbent among its own."""
NEAR = 0.3
"""The share of each range that is searched near the best."""
FASTER_WITHIN = 0.01
"""What trains clearly faster is preferred to what is better by less than this."""

REPLICATE = "replicate"
"""The last phase of choosing of the automatic mode in short mode: the best few train with more seeds."""
REPLICATED, SEEDS = 5, 3
"""How many of the best, and with how many seeds. Of forty settings that trained once on a month the first is mostly the
luckiest: on `flights` its error was up to a third larger with other seeds, that of the second was not."""

_PHASES = {
    "parameters": ("screen",),
    "learning-rate": ("learning-rate",),
    "automatic": tuple(SHARES),
    "nothing": ("train",),
}
_STRATEGIES = {"learning-rate": "sobol", "architecture": "tpe", "near-best": "tpe"}
_COUNTED = 100_000
_FEW = 3
"""Where replicating would take more than this part of all trials, they are better spent otherwise."""


def asked_of(spec: Spec) -> list[PhaseSpec]:
    """The phases that the spec names, or else those that its `tune` stands for."""
    if spec.phases:
        return spec.phases
    asked = [PhaseSpec.model_validate({"name": name}) for name in _PHASES[spec.tune]]
    if spec.tune == "automatic" and is_short(spec, asked[-1]) and spec.search.seeds_per_range == 1:
        # No name for a spec to use: alone it would have nothing to replicate.
        asked.append(PhaseSpec.model_construct(name=REPLICATE))  # type: ignore[arg-type]
    return asked


def is_short(spec: Spec, wanted: PhaseSpec) -> bool:
    mode = wanted.mode or spec.mode or ("short" if spec.tune == "automatic" else "full")
    return mode == "short"


def search_of(spec: Spec, wanted: PhaseSpec) -> Search:
    """How a phase searches: as it says itself, else as the spec says, with a strategy that suits the phase."""
    search = wanted.search or spec.search
    if "strategy" not in search.model_fields_set and wanted.name in _STRATEGIES:
        search = search.model_copy(update={"strategy": _STRATEGIES[wanted.name]})
    if search.race and search.strategy in ("tpe", "gp"):
        raise UserError(f'search.race: compares settings that start together; "{search.strategy}" asks in turn')
    if search.race and spec.budget and spec.budget.is_timed:
        raise UserError("search.race: a race cannot be kept inside hours, device-hours or money: leave one of them out")
    return search


def space_of(spec: Spec, wanted: PhaseSpec, declared: Mapping[str, Hyperparameter]) -> Space:
    """What a phase searches. Raises UserError if that is nothing."""
    named = wanted.parameters or spec.parameters
    fixed = {**fixed_in(spec.parameters), **fixed_in(named)}
    domains = {name: domain for name, domain in named.items() if isinstance(domain, Values | Interval)}
    if wanted.name in ("train", REPLICATE):
        return {}
    if wanted.name == "screen":
        if not domains:
            raise UserError("parameters: all of them are fixed: nothing to tune")
        return domains
    ready = {
        name: hyperparameter.domain
        for name, hyperparameter in declared.items()
        if wanted.name in ("near-best", hyperparameter.phase)
    }
    if spec.tune == "learning-rate" and (strange := [name for name in domains if name not in ready]):
        raise UserError(f'parameters.{strange[0]}: `tune: "learning-rate"` searches {", ".join(ready)}; fix it instead')
    space = {name: domains.get(name, domain) for name, domain in ready.items() if name not in fixed}
    if not space and wanted.name == "learning-rate" and (spec.phases or spec.tune == "learning-rate"):
        raise UserError("parameters: no hyperparameter of the learning rate is left to tune")
    return space


def fixed_in(parameters: Mapping[str, object]) -> Assignment:
    return {name: value for name, value in parameters.items() if not isinstance(value, Values | Interval)}  # type: ignore[misc]


def constraints_on(space: Space, constraints: Sequence[Constraint]) -> tuple[Constraint, ...]:
    """Those that say something about what a phase searches."""
    return tuple(one for one in constraints if one[0] in space or one[2] in space)


def experiments_of(
    spec: Spec, asked: Sequence[PhaseSpec], wanted: PhaseSpec, space: Space, incumbent: Assignment
) -> int:
    """How many settings a phase tries, the incumbent included.

    Raises UserError if there are not so many, or no choice at all.
    """
    if wanted.name == REPLICATE:
        return REPLICATED + 1
    if not space:
        return 1
    search = search_of(spec, wanted)
    possible = _possible(spec, search, space, incumbent)
    number = wanted.search.experiments if wanted.search else None
    if number is None and len(asked) > 1 and wanted.name in SHARES:
        known = trainer.hyperparameters(spec)
        shares = [SHARES[one.name] for one in asked if one.name in SHARES and space_of(spec, one, known)]
        # At least the incumbent, the best of the phase before, and one that is new.
        return int(min(possible, max(_least(wanted.name), round(_in_all(spec) * SHARES[wanted.name] / sum(shares)))))
    number = number or spec.search.experiments
    if number is None:
        if search.strategy == "grid":
            return int(possible)
        return int(min(possible, IN_TIME if is_open_ended(spec, wanted) else EXPERIMENTS))
    if number > possible:
        raise UserError(
            f"search.experiments: {number} are asked for, but there are only {int(possible)}, the incumbent included"
        )
    return number


def is_open_ended(spec: Spec, wanted: PhaseSpec) -> bool:
    """Whether nobody says how many experiments: time, money or another count of the budget ends the phase."""
    budget, search = spec.budget or Budget(), search_of(spec, wanted)
    asked = (wanted.search and wanted.search.experiments) or spec.search.experiments or search.strategy == "grid"
    return not asked and (budget.is_timed or budget.experiments is not None or budget.trials is not None)


def _least(phase: str) -> int:
    return 3 if phase in ("architecture", "near-best") else 2


def _in_all(spec: Spec) -> int:
    budget = spec.budget or Budget()
    usual = IN_TIME if budget.is_timed else AUTOMATIC_EXPERIMENTS
    if budget.experiments and not spec.search.experiments:
        # Each phase after the first has the incumbent once more.
        return budget.experiments + len(SHARES) - 1
    return spec.search.experiments or budget.trials or usual


def _possible(spec: Spec, search: Search, space: Space, incumbent: Assignment) -> float:
    """How many settings there are, the incumbent included; infinite if nobody has counted them."""
    if search.strategy == "grid":
        for name, domain in space.items():
            if not math.isfinite(domain.size):
                raise UserError(
                    f"parameters.{name}: a grid needs an end of values: give the range a step, or list values"
                )
    constraints = constraints_on(space, spec.constraints)
    try:
        known = SearchSpace(space, constraints, incumbent)
    except ValueError as error:
        raise UserError(
            f"parameters.{error}" if str(error).split(":")[0] in space else f"constraints: {error}"
        ) from None
    count = known.count(_COUNTED)
    if count is None and not known.is_plain and not STRATEGIES["random"](known, [], 0, 1):
        count = 0
    if count == 0:
        raise UserError(f"constraints: nothing in `parameters` fulfils {', '.join(map(written, constraints))}")
    if count == 1 and spec.trains_own_code and not spec.parameters:
        raise UserError(
            'hyperparameters: none of them has anything to search: give one a "domain", or name it in `parameters`'
        )
    if count == 1:
        raise UserError(
            "parameters: they allow one setting only, so there is nothing to choose; to compare it with the incumbent, "
            "list both values"
        )
    if count is None:
        return math.inf
    inside = all(incumbent[name] in space[name] for name in known.active(incumbent)) and known.allows(incumbent)
    return count if inside else count + 1


def within(budget: Budget | None, choosing: Sequence[Phase], confirm: Sequence[Phase]) -> list[Phase]:
    """The phases with as many experiments as the budget's counts allow; what was taken away stands in `wanted`.

    Raises UserError if there is no room for one experiment beside the incumbent. Time and money are `budget.py`'s.
    """
    phases = list(choosing)
    if budget is None:
        return phases
    if phases[-1].name == REPLICATE:
        # It tries nothing new, and is left out where a count has no room for it.
        searching, last = phases[:-1], phases[-1]
        cost = last.experiments * len(last.ranges) * last.seeds
        counts = budget.model_copy(update={"trials": budget.trials and budget.trials - cost})
        if budget.trials is None or budget.trials > _FEW * cost:
            return [*within(counts, searching, confirm), last]
        return within(budget, searching, confirm)
    judging = sum(phase.experiments * len(phase.ranges) * phase.seeds for phase in confirm)
    if budget.experiments is not None:
        # Each phase after the first has the incumbent once more.
        phases = _cut("budget.experiments", budget.experiments, phases, [1] * len(phases), again=len(phases) - 1)
    if budget.trials is not None:
        if budget.trials <= judging:
            raise UserError(
                f"budget.trials: judging the winner alone takes {judging} of {budget.trials}: allow more, or ask for "
                "fewer confirm.ranges"
            )
        costs = [len(phase.ranges) * phase.seeds for phase in phases]
        phases = _cut("budget.trials", budget.trials - judging, phases, costs)
    return phases


def _cut(key: str, allowed: int, phases: Sequence[Phase], costs: Sequence[int], again: int = 0) -> list[Phase]:
    """In proportion, with room for something new in each; `again` of what phases have is not counted twice."""
    allowed += again
    least = [min(phase.experiments, _least(phase.name)) for phase in phases]
    needed = sum(map(math.prod, zip(least, costs, strict=True)))
    total = sum(phase.experiments * cost for phase, cost in zip(phases, costs, strict=True))
    if needed > allowed:
        least_of_all, left = needed - again, allowed - again
        raise UserError(f"{key}: choosing takes {least_of_all} at least, but {left} are left for it: allow more")
    if total <= allowed:
        return list(phases)
    share = (allowed - needed) / (total - needed)
    return [
        phase.model_copy(
            update={
                "experiments": few + math.floor((phase.experiments - few) * share),
                "wanted": None if phase.open_ended else phase.wanted or phase.experiments,
            }
        )
        for phase, few in zip(phases, least, strict=True)
    ]
