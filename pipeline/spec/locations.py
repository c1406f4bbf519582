"""Where in a spec a mistake stands, and which keys are possible there.

Pydantic locates a mistake by steps like `("parameters", "x", "range", "low")`, where `range` says which form of a union
a person used. The types of `model.py` tell these steps from those that stand in the spec.
"""

from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import pydantic
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pipeline.space import Values
from pipeline.spec.model import Spec

Location = tuple[str | int, ...]


def path(location: Location) -> str:
    """`parameters.x.low`: only the steps that stand in the spec."""
    return ".".join(map(str, steps(location))) or "the spec"


def steps(location: Location) -> Location:
    """Those of a location that stand in the spec."""
    types = _types_along(location)
    found: list[str | int] = []
    for step, above in zip(location, types, strict=False):
        if _is_scalar(above):
            break  # the types that a value might have had
        # A list of values is written without the key that it gets as a model.
        if step not in _forms(above) and not (step == "values" and Values in _alternatives(above)):
            found.append(step)
    return tuple(found)


def is_of_a_value(location: Location) -> bool:
    """Whether a mistake is one of a single value, which pydantic tells once for each type that it may have."""
    return any(_is_scalar(type_) for type_ in _types_along(location[:-1]))


def keys(location: Location) -> list[str]:
    """The keys that a spec may have there."""
    *_, last = _types_along(location)
    return [field.alias or name for name, field in _fields(last)]


def _types_along(location: Location) -> list[Any]:
    """The type of the whole spec, and of what lies after each step."""
    types: list[Any] = [Spec]
    for step in location:
        types.append(_type_below(types[-1], step))
    return types


def _type_below(type_: Any, step: str | int) -> Any:
    """The type of what `step` leads to; `Any` where only pydantic knows, as inside of a scalar."""
    if step in (forms := _forms(type_)):
        return forms[str(step)]
    for name, field in _fields(type_):
        if step in (name, field.alias):
            return field.annotation
    for alternative in _alternatives(type_):
        if get_origin(alternative) in (dict, list, tuple):
            return get_args(alternative)[-1 if get_origin(alternative) is dict else 0]
    return Any


def _fields(type_: Any) -> Iterator[tuple[str, FieldInfo]]:
    for alternative in _alternatives(type_):
        if isinstance(alternative, type) and issubclass(alternative, BaseModel):
            yield from alternative.model_fields.items()


def _forms(type_: Any) -> dict[str, Any]:
    """The members of a tagged union by their tags, which pydantic takes for steps of a location."""
    if get_origin(type_) is Annotated:
        tags = [item.tag for item in get_args(type_)[1:] if isinstance(item, pydantic.Tag)]
        return {tags[0]: get_args(type_)[0]} if tags else _forms(get_args(type_)[0])
    if get_origin(type_) in (Union, UnionType):
        return {tag: form for member in get_args(type_) for tag, form in _forms(member).items()}
    return {}


def _alternatives(type_: Any) -> list[Any]:
    """The types that a value may have, without annotations; none of a tagged union, whose form must be known first."""
    if get_origin(type_) is Annotated:
        return _alternatives(get_args(type_)[0])
    if get_origin(type_) in (Union, UnionType):
        return [] if _forms(type_) else [one for member in get_args(type_) for one in _alternatives(member)]
    return [type_]


def _is_scalar(type_: Any) -> bool:
    """Whether it is a union of the types that JSON's single values have."""
    alternatives = _alternatives(type_)
    return len(alternatives) > 2 and all(one in (bool, int, float, str, NoneType) for one in alternatives)
