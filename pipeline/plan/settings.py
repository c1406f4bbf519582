"""Chooses the settings of a phase from a sweep's history: the planned ones, and those that the strategy adds.

Here, a setting names a value for every hyperparameter. `rounds.py` turns settings into trials.
"""

from collections.abc import Sequence

from pipeline.analysis import ranking, spending
from pipeline.analysis.history import History
from pipeline.search import STRATEGIES, SearchSpace, Tried
from pipeline.search.near import near
from pipeline.space import Assignment, identity_of, key
from pipeline.sweep import Phase, seed_of

_FEWEST_REPLICATED = 3
"""Settings that a replicating phase needs: the incumbent and two others, since fewer leave nothing to choose."""


def settings_of(history: History, phase: Phase) -> list[Assignment]:
    """All settings of a phase so far and those of its next round, the incumbent first; empty if it has nothing to do.

    Settings that are planned come first, unchanged and in their order.
    """
    if phase.judges:
        return _finalists(history, phase)

    # A phase that is over gets no more settings: one that was planned whole after another phase, or one that grew round
    # by round and is past.
    planned = history.assignments_of(phase)
    is_complete = phase.batch is None and phase.follows is not None and bool(planned)
    grows = phase.batch is not None or phase.replicates
    if is_complete or (grows and history.is_past(phase)):
        return planned
    if phase.replicates:
        return _replicated(history, phase)

    # Each phase begins with the incumbent and the best of the phase before.
    base = _base(history, phase, planned)
    first = [history.definition.incumbent]
    if identity_of(base) != identity_of(history.definition.incumbent):
        first.append(base)

    # New settings, as many as the round has room for.
    if phase.batch is None:
        return first + _suggestions(history, phase, base, first, phase.experiments - len(first))
    count = min(phase.batch, phase.experiments - len(planned))
    if history.definition.is_timed:
        count = int(min(count, spending.experiments_affordable(history, phase)))
        # The very first round always runs, and shows how long a training takes. A later phase that has no room for a
        # new setting would only repeat trainings.
        if history.rows and not planned and count <= len(first):
            return []
    if not planned:
        return first + _suggestions(history, phase, base, first, count - len(first))
    return planned + _suggestions(history, phase, base, planned, count)


def _finalists(history: History, phase: Phase) -> list[Assignment]:
    """The incumbent and the best settings of choosing, or those of a claim; empty if there is no time to judge.

    If nothing beats the incumbent, only the incumbent is trained: it is the answer, and people want its model and its
    score on fresh days.
    """
    if history.definition.claim:
        return [history.definition.incumbent, history.definition.claim.setting]
    if not history.has_begun(phase) and not spending.judging_fits(history):
        return []
    best = ranking.standings(history.definition, history.rows)[: phase.experiments - 1]
    if not best:
        return []
    if best[0].is_incumbent:
        return [history.definition.incumbent]
    finalists = [history.experiments[standing.experiment] for standing in best if not standing.is_incumbent]
    return [history.definition.incumbent, *(experiment.assignment for experiment in finalists)]


def _replicated(history: History, phase: Phase) -> list[Assignment]:
    """The incumbent and the best of the phase before; empty if these are too few, or if time has run out."""
    incumbent = history.definition.incumbent
    best = ranking.candidates(history.definition, history.rows, phase)[: phase.experiments]
    others = [standing.assignment for standing in best if identity_of(standing.assignment) != identity_of(incumbent)]
    settings = [incumbent, *others[: phase.experiments - 1]]
    if len(settings) < _FEWEST_REPLICATED or spending.experiments_affordable(history, phase) < len(settings):
        return []
    return settings


def _base(history: History, phase: Phase, planned: Sequence[Assignment]) -> Assignment:
    """The setting whose values a phase keeps where it does not search.

    Once the phase has begun, a retry does not change it.
    """
    incumbent = history.definition.incumbent
    if phase.follows is None:
        return incumbent
    best = [standing.assignment for standing in ranking.candidates(history.definition, history.rows, phase)]
    if planned:
        others = [experiment for experiment in history.experiments.values() if experiment.phase != phase.name]
        earlier = {identity_of(experiment.assignment) for experiment in others}
        begun_with = [assignment for assignment in planned[1:] if identity_of(assignment) in earlier]
        best = [assignment for assignment in best if assignment in begun_with] or begun_with
    return best[0] if best else incumbent


def _suggestions(
    history: History, phase: Phase, base: Assignment, settings: Sequence[Assignment], count: int
) -> list[Assignment]:
    """`count` new settings beside the phase's `settings`, as full assignments; fewer if the space has no more."""
    if count <= 0 or not phase.space:
        return []
    domains = near(phase.space, base, phase.near) if phase.near else phase.space
    try:
        space = SearchSpace(domains, phase.constraints, base)
    except ValueError:  # the values that earlier phases chose leave nothing that fulfils the constraints
        return []
    # One seed for all phases of a calibration, which compares the same experiments in each of them.
    seed = seed_of(history.definition.seed, "calibrate" if history.definition.calibrating else phase.name)
    suggest = STRATEGIES[phase.strategy]
    return [{**base, **values} for values in suggest(space, _tried(history, phase, base, settings), seed, count)]


def _tried(history: History, phase: Phase, base: Assignment, settings: Sequence[Assignment]) -> list[Tried]:
    """The tried settings that a strategy learns from, in the order of their numbers.

    These are the phase's own settings, and settings of comparable phases with the base's values where the phase does
    not search.
    """
    # Only a phase of several rounds learns from values.
    alike = [other for other in history.definition.choosing if _terms(other) == _terms(phase)]
    values = ranking.objective_values(history.definition, alike, history.rows) if phase.batch is not None else {}

    fixed = {name: key(value) for name, value in base.items() if name not in phase.space}
    of_phase = {identity_of(assignment) for assignment in settings}
    tried = [
        Tried(experiment.assignment, values.get(experiment.id))
        for experiment in history.experiments.values()
        if identity_of(experiment.assignment) in of_phase
        or (experiment.id in values and all(key(experiment.assignment[name]) == fixed[name] for name in fixed))
    ]
    numbered = {identity_of(experiment.assignment) for experiment in history.experiments.values()}
    return tried + [Tried(assignment) for assignment in settings if identity_of(assignment) not in numbered]


def _terms(phase: Phase) -> tuple[object, ...]:
    """Equal for phases whose scores can be compared."""
    return phase.ranges, phase.fidelity, phase.seeds
