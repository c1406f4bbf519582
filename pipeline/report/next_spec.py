"""The spec to run next: the same from the best setting on, with its domains as `analysis/suggestion.py` has them."""

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

_COUNTED = 100_000
"""Settings up to which a space is counted."""


@dataclass(frozen=True)
class NextSpec:
    """A spec to run next, and why it is what it is."""

    spec: dict[str, Any]
    reasons: Mapping[str, str]
    """Why a hyperparameter's domain changed, a sentence for each that did."""
    note: str
    """Why none did."""


def next_spec(summary: Summary, searches: Sequence[PhaseSearch]) -> NextSpec | None:
    """The spec to run next; None where there is no best setting to start from."""
    if summary.best is None:
        return None
    definition, best = summary.definition, summary.best.assignment
    data = definition.data
    read = {"data": data.model_dump(mode="json", by_alias=True, exclude_unset=True)} if data is not None else {}
    spec = copy.deepcopy(read | definition.spec | {"incumbent": best})
    longer = {} if definition.calibrating else _lengthen(spec, summary)
    if definition.calibrating or not searches:
        return NextSpec(spec, longer, "")
    limits = _limits(definition)
    suggestions = [suggest(search.experiments, limits) for search in searches]
    reasons = {name: why for suggestion in suggestions for name, why in suggestion.reasons.items()}
    domains = {name: domain for suggestion in suggestions for name, domain in suggestion.domains.items()}
    for name in reasons:
        _write_domain(spec, name, domains.get(name), best)
    searched = {name for phase in definition.choosing for name in phase.space} - (reasons.keys() - domains.keys())
    if "constraints" in spec:
        spec["constraints"] = [one for one in spec["constraints"] if one[0] in searched or one[2] in searched]
    if all(phase.strategy != "grid" for phase in definition.choosing):
        # The same seed would draw the same settings.
        spec["search"] = spec.get("search", {}) | {"seed": definition.seed + 1}
    if len(definition.choosing) == 1:
        _limit_experiments(spec, domains, summary, best)
    return NextSpec(spec, longer | reasons, "" if reasons else suggestions[-1].note)


def _limits(definition: Definition) -> Space:
    if definition.own:
        declared = definition.own.hyperparameters
    elif definition.architecture in architectures.names():
        declared = architectures.hyperparameters(definition.architecture)
    else:  # it has another name by now, or is gone
        declared = {}
    return {name: hyperparameter.limits or hyperparameter.domain for name, hyperparameter in declared.items()}


def _lengthen(spec: dict[str, Any], summary: Summary) -> dict[str, str]:
    """Lets trainings last twice as long where most of the answer's ended while still improving; the reasons."""
    assert summary.best is not None
    rows = [row for row in summary.rows if row["experiment"] == summary.best.experiment]
    reasons = {}
    for limit in limits(summary.definition, rows):
        if 2 * limit.ended <= limit.trainings:
            continue
        for key in limit.keys:
            group, name = key.split(".")
            written = spec.get(group)
            spec[group] = (written if isinstance(written, dict) else {}) | {name: 2 * limit.epochs}
            reasons[key] = f"{limit.ended} of {limit.trainings} trainings ended at {limit.epochs}, still improving"
    return reasons


def _write_domain(spec: dict[str, Any], name: str, domain: Domain | None, best: Assignment) -> None:
    """Writes a domain where the spec names the hyperparameter, in a phase of its own or in all; None fixes it."""
    written = best[name] if domain is None else domain.model_dump(mode="json")
    if isinstance(written, dict):
        written = {key: value for key, value in written.items() if value is not None and value is not False}
    places = [phase["parameters"] for phase in spec.get("phases") or () if name in (phase.get("parameters") or ())]
    for place in places:
        if domain is None:
            del place[name]
        else:
            place[name] = written
    if not places or domain is None or name in spec.get("parameters", {}):
        spec.setdefault("parameters", {})[name] = written


def _limit_experiments(spec: dict[str, Any], domains: Space, summary: Summary, best: Assignment) -> None:
    """Asks for no more experiments than the new space has."""
    phase = summary.definition.choosing[0]
    experiments = spec.get("search", {}).get("experiments")
    if experiments is None:
        return
    space = {name: domain for name, domain in domains.items() if name in phase.space}
    count = SearchSpace(space, phase.constraints, best).count(_COUNTED)
    if count is not None and count < experiments:
        spec["search"] = spec["search"] | {"experiments": count}
