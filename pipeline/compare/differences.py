"""Lists the differences between sweeps as text: spec, space, date ranges, data, commit, image."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline import results
from pipeline.report.state import State
from pipeline.results import range_of

NOTHING = "—"
"""The cell of a sweep that lacks a property."""


def differences(states: Sequence[State]) -> dict[str, tuple[str, ...]]:
    """The properties in which sweeps differ: `{"seed": ("0", "1")}`, a value per sweep."""
    properties = [_properties(state) for state in states]
    names = dict.fromkeys(name for of_sweep in properties for name in of_sweep)
    by_name = {name: tuple(of_sweep.get(name, NOTHING) for of_sweep in properties) for name in names}
    # Sweeps that trained on other date ranges read other data: only data of the same range can differ.
    return {
        name: values
        for name, values in by_name.items()
        if len(set(values)) > 1
        and not (name.startswith("data read ") and len({value for value in values if value != NOTHING}) < 2)
    }


def _properties(state: State) -> dict[str, str]:
    """The frozen spec of a sweep, and the code and data of its rows: `{"training max-epochs": "30"}`."""
    definition = state.sweep.definition
    properties = {
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
        properties[f"{phase.name} date ranges"] = ", ".join(map(str, phase.ranges))
        properties |= _flat(phase.name, content)
        # A phase that judges searches nothing: its space is that of the phase before.
        if not phase.judges:
            space = {
                name: domain.model_dump(mode="json", exclude_defaults=True) for name, domain in phase.space.items()
            }
            properties |= _flat(f"{phase.name} space", space, deep=False)
    for row in results.trainings(state.rows):
        if row.get("data_fingerprint"):
            properties[f"data read in {range_of(row)}, {row.get('fidelity', 'full')}"] = str(row["data_fingerprint"])
    return properties


def _of_rows(state: State, column: str, otherwise: str | None) -> str:
    """The values of a column, `3f9c2a1, 77ab01e`: trials may have run other code than planned, and each other.

    `otherwise` is for a sweep whose rows have none.
    """
    values = dict.fromkeys(str(row[column]) for row in state.rows if row.get(column))
    return ", ".join(values) or otherwise or NOTHING


def _flat(name: str, content: Mapping[str, Any], *, deep: bool = True) -> dict[str, str]:
    """`{"training": {"max-epochs": 30}}` as `{"training max-epochs": "30"}`."""
    flat: dict[str, str] = {}
    for key, value in content.items():
        if deep and isinstance(value, dict):
            flat |= _flat(f"{name} {key}", value)
        else:
            flat[f"{name} {key}"] = results.to_cell(value)
    return flat
