"""Brings a spec into the form that planning uses: real numbers are reals, the incumbent is complete.

Hyperparameters are passed in: nothing here runs a trainer or looks at the calendar.
"""

from collections.abc import Mapping
from typing import Any

from pipeline.errors import UserError
from pipeline.space import Assignment, DomainOrFixed, Hyperparameter, Interval, Values, as_reals
from pipeline.spec.model import Spec


def as_written(spec: Spec) -> dict[str, Any]:
    """The JSON of a spec, without defaults that its author left out."""
    return spec.model_dump(mode="json", by_alias=True, exclude_unset=True)


def with_reals(spec: Spec, hyperparameters: Mapping[str, Hyperparameter]) -> Spec:
    """The same spec, with integers turned into reals for every hyperparameter that is real.

    Raises UserError if two values of a list become equal.
    """
    reals = {name for name, hyperparameter in hyperparameters.items() if isinstance(hyperparameter.default, float)}

    def converted(path: str, values: Mapping[str, DomainOrFixed]) -> dict[str, Any]:
        result = {}
        for name, value in values.items():
            try:
                result[name] = as_reals(value) if name in reals else value
            except ValueError:
                raise UserError(f"{path}.{name}: names a value twice, once as an integer") from None
        return result

    phases = spec.phases and [
        phase.model_copy(update={"parameters": converted(f"phases.{at}.parameters", phase.parameters)})
        if phase.parameters
        else phase
        for at, phase in enumerate(spec.phases)
    ]
    parameters = converted("parameters", spec.parameters)
    incumbent = converted("incumbent", spec.incumbent)
    return spec.model_copy(update={"parameters": parameters, "incumbent": incumbent, "phases": phases})


def incumbent(spec: Spec, hyperparameters: Mapping[str, Hyperparameter]) -> Assignment:
    """The setting that a winner must beat: the defaults, changed by the spec's `incumbent` and its fixed values."""
    defaults = {name: hyperparameter.default for name, hyperparameter in hyperparameters.items()}
    return {**defaults, **spec.incumbent, **fixed_values(spec.parameters)}


def fixed_values(parameters: Mapping[str, DomainOrFixed]) -> Assignment:
    """The `parameters` that have one fixed value, and are not searched."""
    return {name: value for name, value in parameters.items() if not isinstance(value, Values | Interval)}
