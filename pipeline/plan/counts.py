"""Decides how many settings each phase tries, within the numbers of experiments and trials that the budget allows.

The budget's time and money are watched while a sweep runs (`analysis/spending.py`).
"""

import math
from collections.abc import Sequence

from pipeline.errors import UserError
from pipeline.plan.phases import REPLICATE, SpecAndTrainer, constraints_on, search_of, space_of
from pipeline.search import STRATEGIES, SearchSpace
from pipeline.search.search_space import constraint_text
from pipeline.space import Space
from pipeline.spec import Spec
from pipeline.spec.model import MOST_EXPERIMENTS, Budget, PhaseSpec, Search
from pipeline.sweep import Phase

EXPERIMENTS = 21
"""Experiments of a search whose spec gives no number: the incumbent and twenty others."""
AUTOMATIC_EXPERIMENTS = 40
"""Experiments of all phases of the automatic mode together, where neither `search` nor the budget gives a number."""
IN_TIME = 500
"""The most experiments of a search that time or money ends."""
SHARES = {"learning-rate": 0.3, "architecture": 0.45, "near-best": 0.25}
"""Share of the experiments per phase of the automatic mode; each share includes the incumbent."""

REPLICATED, SEEDS = 5, 3
"""Number of best settings that are replicated, which means trained again with other seeds, and seeds of each. If forty
settings train once on a month, the first is mostly the luckiest: on `flights`, other seeds made its error up to a third
larger, but not that of the second."""
_REPLICATED_AT_LEAST = 3
_ONE_REPLICATED_IN = 8
"""With few experiments, one in this many is replicated."""
_REPLICATING_TAKES_ONE_IN = 3
"""Replicating may take one in this many of all trials; where it would take more, it is left out."""

_SETTINGS_AT_ONCE, _TRIALS_AT_ONCE = 1000, 10_000
"""The most settings and trials of a round. Without them, a sweep could be too large to be planned."""

_COUNTING_STEPS = 100_000
"""The most steps to count the possible settings."""


def experiments_of(request: SpecAndTrainer, phase: PhaseSpec, space: Space) -> int:
    """Number of settings that a phase tries in its `space`, the incumbent included.

    Raises UserError if the space has fewer than the spec asks for, or only one.
    """
    # A phase that searches nothing: one that replicates, or has nothing to vary.
    if phase.name == REPLICATE:
        share = _of_all_phases(request.spec) // _ONE_REPLICATED_IN
        return min(REPLICATED, max(_REPLICATED_AT_LEAST, share)) + 1
    if not space:
        return 1

    # In automatic mode, each phase gets its share of the experiments, unless the spec gives the phase a number.
    spec, search = request.spec, search_of(request.spec, phase)
    possible = _possible(request, search, space)
    count = phase.search.experiments if phase.search else None
    if count is None and len(request.phases) > 1 and phase.name in SHARES:
        shares = [SHARES[each.name] for each in request.phases if each.name in SHARES and space_of(request, each)]
        share = round(_of_all_phases(spec) * SHARES[phase.name] / sum(shares))
        return int(min(possible, max(_fewest(phase.name), share)))

    # The number that the spec gives; else the whole grid, as many as fit into the budget, or the usual number.
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
                f"search.experiments: the grid is too large to count (over {_COUNTING_STEPS:,} steps): give a number"
            )
        if possible > MOST_EXPERIMENTS:
            raise UserError(f"search.experiments: the grid has over {MOST_EXPERIMENTS:,} settings: give a number")
        return int(possible)
    return int(min(possible, IN_TIME if is_open_ended(spec, phase) else EXPERIMENTS))


def is_open_ended(spec: Spec, phase: PhaseSpec) -> bool:
    """True if the budget ends the phase, because neither `search` nor a grid sets its number of experiments."""
    budget = spec.budget or Budget()
    count = (phase.search and phase.search.experiments) or spec.search.experiments
    if count or search_of(spec, phase).strategy == "grid":
        return False
    return budget.is_timed or budget.experiments is not None or budget.trials is not None


def _fewest(phase: str) -> int:
    """The fewest settings of a phase: the incumbent, the best of the phase before if there is one, and one new."""
    return 3 if phase in ("architecture", "near-best") else 2


def _of_all_phases(spec: Spec) -> int:
    """Experiments of all phases of the automatic mode together."""
    budget = spec.budget or Budget()
    if budget.experiments and not spec.search.experiments:
        # The budget counts the incumbent once, although it is an experiment of every phase.
        return budget.experiments + len(SHARES) - 1
    return spec.search.experiments or budget.trials or (IN_TIME if budget.is_timed else AUTOMATIC_EXPERIMENTS)


def _possible(request: SpecAndTrainer, search: Search, space: Space) -> float:
    """Number of different settings, the incumbent included; infinite if there are too many to count.

    Raises UserError if there is none, or only one.
    """
    spec, incumbent = request.spec, request.incumbent
    if search.strategy == "grid":
        for name, domain in space.items():
            if not math.isfinite(domain.size):
                raise UserError(
                    f"parameters.{name}: a grid needs a finite set of values: give the range a step, or list values"
                )
    constraints = constraints_on(space, spec.constraints)
    try:
        allowed = SearchSpace(space, constraints, incumbent)
    except ValueError as error:
        key = f"parameters.{error}" if str(error).split(":")[0] in space else f"constraints: {error}"
        raise UserError(key) from None

    # Where counting takes too many steps, the constraints may still allow no setting at all: look for one.
    count = allowed.count(_COUNTING_STEPS)
    if count is None and not allowed.is_plain and not STRATEGIES["random"](allowed, [], 0, 1):
        count = 0
    if count == 0:
        raise UserError(f"constraints: nothing in `parameters` fulfils {', '.join(map(constraint_text, constraints))}")
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
    """Settings per round of a search that learns nothing from earlier rounds; None: all in one round."""
    at_once = max(1, min(_SETTINGS_AT_ONCE, _TRIALS_AT_ONCE // trials_each))
    return at_once if experiments > at_once else None


def is_part_of_its_grid(request: SpecAndTrainer, phase: Phase) -> bool:
    """True if the phase searches a grid and tries only a part of it."""
    if phase.strategy != "grid" or phase.near is not None:
        return False
    space = SearchSpace(phase.space, phase.constraints, request.incumbent)
    count = space.count(_COUNTING_STEPS)
    # The phase's experiments include the incumbent, which may lie on the grid.
    return count is None or phase.experiments < count


def within_budget(budget: Budget | None, choosing: Sequence[Phase], judging: Sequence[Phase]) -> list[Phase]:
    """The phases that choose, with as many experiments as the budget's counts allow.

    The field `wanted` of a phase keeps the number before the cut. Raises UserError if there is no room for one
    experiment beside the incumbent.
    """
    phases = list(choosing)
    if budget is None:
        return phases

    # Replicating tries nothing new, so it is left out where it would take too many of the trials.
    if phases[-1].name == REPLICATE:
        searching, last = phases[:-1], phases[-1]
        cost = last.experiments * _trials_each(last)
        if budget.trials is None or budget.trials > _REPLICATING_TAKES_ONE_IN * cost:
            remaining = budget.model_copy(update={"trials": budget.trials and budget.trials - cost})
            return [*within_budget(remaining, searching, judging), last]
        return within_budget(budget, searching, judging)

    if budget.experiments is not None:
        # The budget counts the incumbent once, although it is an experiment of every phase.
        repeated = len(phases) - 1
        phases = _reduced("budget.experiments", budget.experiments, phases, [1] * len(phases), repeated)
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


def _reduced(key: str, allowed: int, phases: Sequence[Phase], costs: Sequence[int], repeated: int = 0) -> list[Phase]:
    """The phases, reduced in proportion until they cost at most `allowed`; each keeps room for a new setting.

    `costs` holds, per phase, the cost of one experiment. `repeated` is the number of experiments that the sum over the
    phases counts too often. `key` of the spec sets the limit.
    """
    fewest = [min(phase.experiments, _fewest(phase.name)) for phase in phases]
    needed = sum(map(math.prod, zip(fewest, costs, strict=True))) - repeated
    total = sum(phase.experiments * cost for phase, cost in zip(phases, costs, strict=True)) - repeated
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
