"""What differs between sweeps: spec, space, date ranges, data, commit, image; as text, for people."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline import results
from pipeline.report.state import State
from pipeline.results import range_of

NOTHING = "—"
"""What a table shows where there is nothing to show."""


def differences(states: Sequence[State]) -> dict[str, tuple[str, ...]]:
    """What the sweeps were asked and found, where they differ: a value per sweep."""
    facts = [_facts(state) for state in states]
    # What data a sweep read says something only where another one read the same range.
    names = dict.fromkeys(name for of_sweep in facts for name in of_sweep)
    by_name = {name: tuple(of_sweep.get(name, NOTHING) for of_sweep in facts) for name in names}
    return {
        name: values
        for name, values in by_name.items()
        if len(set(values)) > 1
        and not (name.startswith("data read ") and len({value for value in values if value != NOTHING}) < 2)
    }


def _facts(state: State) -> dict[str, str]:
    """What a sweep was asked and what it found, by name, as text."""
    definition = state.sweep.definition
    facts = {
        "commit": _of_rows(state, "git_commit", definition.git_commit),
        "image": _of_rows(state, "image", definition.image),
        "architecture": definition.architecture,
        **_flat("data", definition.data.model_dump(mode="json", by_alias=True) if definition.data else {}),
        **_flat("own", definition.own.model_dump(mode="json", by_alias=True) if definition.own else {}),
        "as-of": str(definition.as_of),
        "seed": str(definition.seed),
        **_flat("objective", definition.objective.model_dump(mode="json", by_alias=True)),
        **_flat("training", definition.training.model_dump(mode="json", by_alias=True)),
        **_flat("incumbent", definition.incumbent),
    }
    for phase in definition.of_settings:
        content = phase.model_dump(mode="json", by_alias=True, exclude={"name", "space", "ranges"})
        facts[f"{phase.name} date ranges"] = ", ".join(map(str, phase.ranges))
        facts |= _flat(phase.name, content)
        # What judges searches nothing: its space is that of the phase before.
        if not phase.judges:
            space = {
                name: domain.model_dump(mode="json", exclude_defaults=True) for name, domain in phase.space.items()
            }
            facts |= _flat(f"{phase.name} space", space, deep=False)
    for row in results.trainings(state.rows):
        if row.get("data_fingerprint"):
            facts[f"data read in {range_of(row)}, {row.get('fidelity', 'full')}"] = str(row["data_fingerprint"])
    return facts


def _of_rows(state: State, column: str, otherwise: str | None) -> str:
    """What really ran may differ from what was planned, and between trials."""
    seen = dict.fromkeys(str(row[column]) for row in state.rows if row.get(column))
    return ", ".join(seen) or otherwise or NOTHING


def _flat(name: str, content: Mapping[str, Any], *, deep: bool = True) -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in content.items():
        if deep and isinstance(value, dict):
            flat |= _flat(f"{name} {key}", value)
        else:
            flat[f"{name} {key}"] = results.to_cell(value)
    return flat
