"""The spec to run next, `best.json`: the same spec with the best setting as incumbent and new domains.

`analysis/suggestion.py` chooses the domains.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.analysis.suggestion import suggest
from pipeline.report.experiments import PhaseSearch
from pipeline.report.limits import limits
from pipeline.report.summary import Summary
from pipeline.search.search_space import SearchSpace
from pipeline.space import Assignment, Domain, Space
from pipeline.sweep import Definition
from pipeline.training import architectures

_MOST_COUNTED = 100_000
"""Settings of a space are counted up to this number."""


@dataclass(frozen=True)
class NextSpec:
    """A spec to run next, and the reasons for its changes."""

    spec: dict[str, Any]
    reasons: Mapping[str, str]
    """A sentence for each hyperparameter, or key of the spec, that changed."""
    note: str
    """The reason why no domain changed; empty if any did."""


def next_spec(summary: Summary, searches: Sequence[PhaseSearch]) -> NextSpec | None:
    """The spec to run next; None without a best setting to start from."""
    if summary.best is None:
        return None

    # The same spec, with the best setting as the incumbent and longer trainings if they need it.
    definition, best = summary.definition, summary.best.assignment
    data = definition.data
    data_key = {"data": data.model_dump(mode="json", by_alias=True, exclude_unset=True)} if data is not None else {}
    spec = copy.deepcopy(data_key | definition.spec | {"incumbent": best})
    longer = {} if definition.calibrating else _lengthen_trainings(spec, summary)
    if definition.calibrating or not searches:
        return NextSpec(spec, longer, "")

    # New domains.
    widest = _widest_domains(definition)
    suggestions = [suggest(search.experiments, widest) for search in searches]
    reasons = {name: reason for suggestion in suggestions for name, reason in suggestion.reasons.items()}
    domains = {name: domain for suggestion in suggestions for name, domain in suggestion.domains.items()}
    for name in reasons:
        _write_domain(spec, name, domains.get(name), best)

    # Constraints and search that fit these domains. A hyperparameter with a reason but no domain is fixed.
    searched = {name for phase in definition.choosing for name in phase.space} - (reasons.keys() - domains.keys())
    if "constraints" in spec:
        spec["constraints"] = [
            constraint for constraint in spec["constraints"] if constraint[0] in searched or constraint[2] in searched
        ]
    if all(phase.strategy != "grid" for phase in definition.choosing):
        # The same seed would draw the same settings.
        spec["search"] = spec.get("search", {}) | {"seed": definition.seed + 1}
    if len(definition.choosing) == 1:
        _limit_experiments(spec, domains, summary, best)
    return NextSpec(spec, longer | reasons, "" if reasons else suggestions[-1].note)


def _widest_domains(definition: Definition) -> Space:
    """The widest domain of each hyperparameter that the architecture, or the team's trainer, allows."""
    if definition.own:
        declared = definition.own.hyperparameters
    elif definition.architecture in architectures.names():
        declared = architectures.hyperparameters(definition.architecture)
    else:  # the architecture was renamed or removed
        declared = {}
    return {name: hyperparameter.limits or hyperparameter.domain for name, hyperparameter in declared.items()}


def _lengthen_trainings(spec: dict[str, Any], summary: Summary) -> dict[str, str]:
    """Doubles each limit of epochs that ended most of the answer's trainings while they still improved.

    Returns the reasons by key of the spec.
    """
    assert summary.best is not None
    rows = [row for row in summary.rows if row["experiment"] == summary.best.experiment]
    reasons = {}
    for limit in limits(summary.definition, rows):
        if 2 * limit.improving <= limit.trainings:
            continue
        for key in limit.keys:
            group, name = key.split(".")
            values = spec.get(group)
            spec[group] = (values if isinstance(values, dict) else {}) | {name: 2 * limit.epochs}
            reasons[key] = f"{limit.improving} of {limit.trainings} trainings ended at {limit.epochs}, still improving"
    return reasons


def _write_domain(spec: dict[str, Any], name: str, domain: Domain | None, best: Assignment) -> None:
    """Writes a domain into the spec: into the phases that name the hyperparameter, else into `parameters`.

    None fixes the hyperparameter at its best value.
    """
    value = best[name] if domain is None else domain.model_dump(mode="json")
    if isinstance(value, dict):
        value = {key: item for key, item in value.items() if item is not None and item is not False}
    places = [phase["parameters"] for phase in spec.get("phases") or () if name in (phase.get("parameters") or ())]
    for place in places:
        if domain is None:
            del place[name]
        else:
            place[name] = value
    if not places or domain is None or name in spec.get("parameters", {}):
        spec.setdefault("parameters", {})[name] = value


def _limit_experiments(spec: dict[str, Any], domains: Space, summary: Summary, best: Assignment) -> None:
    """Lowers `search.experiments` to the number of settings in the new space."""
    phase = summary.definition.choosing[0]
    experiments = spec.get("search", {}).get("experiments")
    if experiments is None:
        return
    space = {name: domain for name, domain in domains.items() if name in phase.space}
    count = SearchSpace(space, phase.constraints, best).count(_MOST_COUNTED)
    if count is not None and count < experiments:
        spec["search"] = spec["search"] | {"experiments": count}
