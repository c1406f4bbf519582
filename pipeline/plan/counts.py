"""How many settings the phases of a spec try, and what the counts of its budget leave of them.

Time and money are watched while a sweep runs (`analysis/spending.py`).
"""

import math
from collections.abc import Sequence

from pipeline.errors import UserError
from pipeline.plan.phases import REPLICATE, SpecAndTrainer, constraints_on, search_of, space_of
from pipeline.search import STRATEGIES, SearchSpace
from pipeline.search.search_space import written
from pipeline.space import Space
from pipeline.spec import Spec
from pipeline.spec.model import MOST_EXPERIMENTS, Budget, PhaseSpec, Search
from pipeline.sweep import Phase

EXPERIMENTS = 21
"""Experiments of a search that names no number: the incumbent and twenty others."""
AUTOMATIC_EXPERIMENTS = 40
"""Of all phases of the automatic mode together, where neither `search` nor the budget says how many."""
IN_TIME = 500
"""Experiments at most where it is time or money that ends the search."""
SHARES = {"learning-rate": 0.3, "architecture": 0.45, "near-best": 0.25}
"""What the phases of the automatic mode get of the experiments; each has the incumbent among its own."""

REPLICATED, SEEDS = 5, 3
"""How many of the best are replicated, and with how many seeds. Of forty settings that trained once on a month the
first is mostly the luckiest: on `flights` its error was up to a third larger with other seeds, that of the second was
not."""
_REPLICATED_AT_LEAST = 3
_ONE_REPLICATED_IN = 8
"""Of fewer experiments, fewer are replicated: one in so many."""
_REPLICATING_AT_MOST = 3
"""Where replicating would take more than one in so many of all trials, they are better spent otherwise."""

_SETTINGS_AT_ONCE, _TRIALS_AT_ONCE = 1000, 10_000
"""Of a round at most, so that no sweep is too large to be planned."""

_COUNTED = 100_000
"""Steps that finding out the number of possible settings may take."""


def experiments_of(request: SpecAndTrainer, phase: PhaseSpec, space: Space) -> int:
    """How many settings a phase tries, the incumbent included; `space` is what it searches.

    Raises UserError if there are not so many, or no choice at all.
    """
    # Phases that search nothing.
    if phase.name == REPLICATE:
        share = _of_all_phases(request.spec) // _ONE_REPLICATED_IN
        return min(REPLICATED, max(_REPLICATED_AT_LEAST, share)) + 1
    if not space:
        return 1

    # One of several phases gets its share, unless it says itself how many.
    spec, search = request.spec, search_of(request.spec, phase)
    possible = _possible(request, search, space)
    count = phase.search.experiments if phase.search else None
    if count is None and len(request.phases) > 1 and phase.name in SHARES:
        shares = [SHARES[one.name] for one in request.phases if one.name in SHARES and space_of(request, one)]
        share = round(_of_all_phases(spec) * SHARES[phase.name] / sum(shares))
        return int(min(possible, max(_fewest(phase.name), share)))

    # So many as the spec says; else all of a grid, what fits into the budget, or the usual number.
    count = count or spec.search.experiments
    if count is not None:
        if count > possible:
            raise UserError(
                f"search.experiments: {count} are asked for, but there are only {int(possible)}, the setting to beat "
                "included"
            )
        return count
    if search.strategy == "grid":
        if possible == math.inf:
            raise UserError(
                f"search.experiments: the grid is too large to be counted (over {_COUNTED:,} steps): say how many"
            )
        if possible > MOST_EXPERIMENTS:
            raise UserError(f"search.experiments: the grid has over {MOST_EXPERIMENTS:,} settings: say how many")
        return int(possible)
    return int(min(possible, IN_TIME if is_open_ended(spec, phase) else EXPERIMENTS))


def is_open_ended(spec: Spec, phase: PhaseSpec) -> bool:
    """Whether no number of experiments is given: time, money or another count of the budget ends the phase."""
    budget = spec.budget or Budget()
    count = (phase.search and phase.search.experiments) or spec.search.experiments
    if count or search_of(spec, phase).strategy == "grid":
        return False
    return budget.is_timed or budget.experiments is not None or budget.trials is not None


def _fewest(phase: str) -> int:
    """The incumbent, the best of the phase before where there is one, and one that is new."""
    return 3 if phase in ("architecture", "near-best") else 2


def _of_all_phases(spec: Spec) -> int:
    """Experiments of all phases of the automatic mode together."""
    budget = spec.budget or Budget()
    if budget.experiments and not spec.search.experiments:
        # Each phase after the first has the incumbent once more.
        return budget.experiments + len(SHARES) - 1
    return spec.search.experiments or budget.trials or (IN_TIME if budget.is_timed else AUTOMATIC_EXPERIMENTS)


def _possible(request: SpecAndTrainer, search: Search, space: Space) -> float:
    """How many different settings there are, the incumbent included; infinite if there are too many to count.

    Raises UserError if there is none, or only one.
    """
    spec, incumbent = request.spec, request.incumbent
    if search.strategy == "grid":
        for name, domain in space.items():
            if not math.isfinite(domain.size):
                raise UserError(
                    f"parameters.{name}: a grid needs an end of values: give the range a step, or list values"
                )
    constraints = constraints_on(space, spec.constraints)
    try:
        allowed = SearchSpace(space, constraints, incumbent)
    except ValueError as error:
        key = f"parameters.{error}" if str(error).split(":")[0] in space else f"constraints: {error}"
        raise UserError(key) from None

    # Too many to count is no answer yet: the constraints may still leave nothing.
    count = allowed.count(_COUNTED)
    if count is None and not allowed.is_plain and not STRATEGIES["random"](allowed, [], 0, 1):
        count = 0
    if count == 0:
        raise UserError(f"constraints: nothing in `parameters` fulfils {', '.join(map(written, constraints))}")
    if count == 1 and spec.trains_own_code and not spec.parameters:
        raise UserError(
            'hyperparameters: none of them has anything to search: give one a "domain", or name it in `parameters`'
        )
    if count == 1:
        raise UserError(
            "parameters: they allow one setting only, so there is nothing to choose; to compare it with the defaults, "
            "list both values"
        )
    if count is None:
        return math.inf
    is_inside = allowed.allows(incumbent) and all(incumbent[name] in space[name] for name in allowed.active(incumbent))
    return count if is_inside else count + 1


def in_rounds_of(experiments: int, trials_each: int) -> int | None:
    """Settings of a round where nothing is learnt from the rounds before; None: all of them in one."""
    at_once = max(1, min(_SETTINGS_AT_ONCE, _TRIALS_AT_ONCE // trials_each))
    return at_once if experiments > at_once else None


def is_part_of_its_grid(request: SpecAndTrainer, phase: Phase) -> bool:
    """Whether a phase that goes through a grid tries fewer settings than that has."""
    if phase.strategy != "grid" or phase.near is not None:
        return False
    space = SearchSpace(phase.space, phase.constraints, request.incumbent)
    count = space.count(_COUNTED)
    # The incumbent, which may be one of them, is counted among the experiments.
    return count is None or phase.experiments < count


def within_budget(budget: Budget | None, choosing: Sequence[Phase], judging: Sequence[Phase]) -> list[Phase]:
    """The phases that choose, with as many experiments as the budget's counts allow; `wanted` has how many they were.

    Raises UserError if there is no room for one experiment beside the incumbent.
    """
    phases = list(choosing)
    if budget is None:
        return phases

    # Replicating tries nothing new; it is left out where the trials have no room for it.
    if phases[-1].name == REPLICATE:
        searching, last = phases[:-1], phases[-1]
        cost = last.experiments * _trials_each(last)
        if budget.trials is None or budget.trials > _REPLICATING_AT_MOST * cost:
            rest = budget.model_copy(update={"trials": budget.trials and budget.trials - cost})
            return [*within_budget(rest, searching, judging), last]
        return within_budget(budget, searching, judging)

    if budget.experiments is not None:
        # Each phase after the first has the incumbent once more.
        again = len(phases) - 1
        phases = _reduced("budget.experiments", budget.experiments, phases, [1] * len(phases), again)
    if budget.trials is not None:
        to_judge = sum(phase.experiments * _trials_each(phase) for phase in judging)
        if budget.trials <= to_judge:
            raise UserError(
                f"budget.trials: judging the winner alone takes {to_judge} of {budget.trials}: allow more, or ask for "
                "fewer confirm.ranges"
            )
        phases = _reduced("budget.trials", budget.trials - to_judge, phases, [*map(_trials_each, phases)])
    return phases


def _trials_each(phase: Phase) -> int:
    """Trials of one experiment."""
    return len(phase.ranges) * phase.seeds


def _reduced(key: str, allowed: int, phases: Sequence[Phase], costs: Sequence[int], again: int = 0) -> list[Phase]:
    """The phases, reduced in proportion so that they cost what is allowed, with room for something new in each.

    `costs` are those of one experiment, per phase; `again` of what phases have is not counted twice.
    """
    fewest = [min(phase.experiments, _fewest(phase.name)) for phase in phases]
    needed = sum(map(math.prod, zip(fewest, costs, strict=True))) - again
    total = sum(phase.experiments * cost for phase, cost in zip(phases, costs, strict=True)) - again
    if needed > allowed:
        raise UserError(f"{key}: choosing takes {needed} at least, but {allowed} are left for it: allow more")
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
        for phase, few in zip(phases, fewest, strict=True)
    ]
