"""The phases of a spec: the space and the strategy of each.

The automatic mode follows the practice of tuning by hand: first the learning rate and its companions, then the rest at
that learning rate, then everything at once near the best. The number of settings of a phase is in `counts.py`, its
dates are in `calendar.py`, its settings from round to round in `settings.py`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from pipeline.errors import UserError
from pipeline.space import Assignment, Constraint, Domain, Hyperparameter, Interval, Scalar, Space, Values
from pipeline.spec import Spec, normalize
from pipeline.spec.model import PhaseSpec, Search

NEAR = 0.3
"""Share of each hyperparameter's range that the phase `near-best` searches, around the best setting."""
FASTER_WITHIN = 0.01
"""A setting that trains clearly faster is preferred to one that is better by less than this share."""
TRAIN = "train"
"""The only phase of a spec that tunes nothing."""
STEPS_A_PASS = 8
"""Ready-made batch sizes with fewer steps per pass over the training rows are left out: such trainings are mostly
noise, and all batch sizes above the number of rows are the same setting."""
REPLICATE = "replicate"
"""The last phase that chooses in automatic mode with short choosing: the best few train with more seeds."""

_PHASES = {
    "parameters": ("screen",),
    "learning-rate": ("learning-rate",),
    "automatic": ("learning-rate", "architecture", "near-best"),
    "nothing": (TRAIN,),
}
_STRATEGIES = {"learning-rate": "sobol", "architecture": "tpe", "near-best": "tpe"}


@dataclass(frozen=True)
class SpecAndTrainer:
    """A spec and the hyperparameters that its trainer declares."""

    spec: Spec
    hyperparameters: Mapping[str, Hyperparameter]

    @cached_property
    def incumbent(self) -> Assignment:
        return normalize.incumbent(self.spec, self.hyperparameters)

    @cached_property
    def phases(self) -> list[PhaseSpec]:
        """The phases that the spec names, else the phases of its `tune`."""
        if self.spec.phases:
            return self.spec.phases
        phases = [PhaseSpec.model_validate({"name": name}) for name in _PHASES[self.spec.tune]]
        if self.spec.tune == "automatic" and is_short(self.spec, phases[-1]) and self.spec.search.seeds_per_range == 1:
            # Not validated, since a spec may not name this phase: alone it would have nothing to replicate.
            phases.append(PhaseSpec.model_construct(name=REPLICATE))  # type: ignore[arg-type]
        return phases


def is_short(spec: Spec, phase: PhaseSpec) -> bool:
    """True if a phase chooses on little data and few epochs."""
    mode = phase.mode or spec.mode or ("short" if spec.tune == "automatic" else "full")
    return mode == "short"


def search_of(spec: Spec, phase: PhaseSpec) -> Search:
    """The search of a phase: its own, else the spec's; without a `strategy`, with the one that suits the phase.

    Raises UserError if it names a race that cannot run.
    """
    search = phase.search or spec.search
    if "strategy" not in search.model_fields_set and phase.name in _STRATEGIES:
        search = search.model_copy(update={"strategy": _STRATEGIES[phase.name]})
    if search.race and search.strategy in ("tpe", "gp"):
        raise UserError(
            f'search.race: compares settings that start together; "{search.strategy}" suggests them round by round'
        )
    if search.race and spec.budget and spec.budget.is_timed:
        raise UserError("search.race: a race cannot be kept inside hours, device-hours or money: leave one of them out")
    return search


def space_of(request: SpecAndTrainer, phase: PhaseSpec, training_rows: int | None = None) -> Space:
    """The space that a phase searches; empty if all of it is fixed, and in phases that try nothing new.

    `training_rows` are those of the phase's smallest range, if known: the ready-made batch sizes are cut to them.
    Raises UserError if nothing is left to search, or if the spec searches a hyperparameter that the phase does not.
    """
    spec = request.spec
    if phase.name in (TRAIN, REPLICATE):
        return {}
    parameters = phase.parameters or spec.parameters
    domains = {name: domain for name, domain in parameters.items() if isinstance(domain, Values | Interval)}
    if phase.name == "screen":
        if not domains:
            raise UserError("parameters: all of them are fixed: nothing to tune")
        return domains

    # The ready-made domains of the phase's hyperparameters, narrowed by what the spec says.
    ready = {
        name: hyperparameter.domain
        for name, hyperparameter in request.hyperparameters.items()
        if phase.name in ("near-best", hyperparameter.phase)
    }
    if training_rows is not None and "batch_size" in ready and not spec.trains_own_code:
        ready["batch_size"] = _batch_sizes_for(ready["batch_size"], request.incumbent["batch_size"], training_rows)
    if spec.tune == "learning-rate" and (others := [name for name in domains if name not in ready]):
        raise UserError(f'parameters.{others[0]}: `tune: "learning-rate"` searches {", ".join(ready)}; fix it instead')
    fixed = {**normalize.fixed_values(spec.parameters), **normalize.fixed_values(parameters)}
    space = {name: domains.get(name, domain) for name, domain in ready.items() if name not in fixed}
    if not space and phase.name == "learning-rate" and (spec.phases or spec.tune == "learning-rate"):
        raise UserError("parameters: no hyperparameter of the learning rate is left to tune")
    return space


def _batch_sizes_for(batch_sizes: Domain, incumbent: Scalar, training_rows: int) -> Domain:
    """The batch sizes with enough steps per pass, at least the two smallest; the incumbent's stays."""
    if not isinstance(batch_sizes, Values):
        return batch_sizes
    rising = sorted(value for value in batch_sizes.values if isinstance(value, int))
    fitting = {value for value in rising if math.ceil(training_rows / value) >= STEPS_A_PASS} | {*rising[:2], incumbent}
    return batch_sizes.model_copy(update={"values": tuple(v for v in batch_sizes.values if v in fitting)})


def constraints_on(space: Space, constraints: Sequence[Constraint]) -> tuple[Constraint, ...]:
    """The constraints on hyperparameters that a phase searches."""
    return tuple(constraint for constraint in constraints if constraint[0] in space or constraint[2] in space)
