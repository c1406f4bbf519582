"""The place of a mistake in a spec, and the keys that are possible there.

Pydantic locates a mistake by steps like `("parameters", "x", "range", "low")`. Here `range` is no key of the spec, but
names the member of a union that pydantic tried. The types of `model.py` tell such steps from keys.
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
    """The steps of a location that stand in the spec."""
    types = _types_along(location)
    result: list[str | int] = []
    for step, above in zip(location, types, strict=False):
        if _is_scalar(above):
            break  # the step names the type that pydantic tried, like `int`: no key of the spec
        # A spec lists values without the key `values` that the model has for them.
        if step not in _tagged(above) and not (step == "values" and Values in _alternatives(above)):
            result.append(step)
    return tuple(result)


def is_of_a_value(location: Location) -> bool:
    """True if the mistake concerns a single value; pydantic reports it once per type that the value may have."""
    return any(_is_scalar(type_) for type_ in _types_along(location[:-1]))


def keys(location: Location) -> list[str]:
    """The keys that a spec may have at a location."""
    *_, last = _types_along(location)
    return [field.alias or name for name, field in _fields(last)]


def _types_along(location: Location) -> list[Any]:
    """The type of the whole spec, then the type that each step leads to."""
    types: list[Any] = [Spec]
    for step in location:
        types.append(_type_below(types[-1], step))
    return types


def _type_below(type_: Any, step: str | int) -> Any:
    """The type that `step` leads to; `Any` where only pydantic knows it, as inside a scalar."""
    if step in (forms := _tagged(type_)):
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


def _tagged(type_: Any) -> dict[str, Any]:
    """Members of a tagged union by tag; pydantic counts the tags as steps of a location."""
    if get_origin(type_) is Annotated:
        tags = [item.tag for item in get_args(type_)[1:] if isinstance(item, pydantic.Tag)]
        return {tags[0]: get_args(type_)[0]} if tags else _tagged(get_args(type_)[0])
    if get_origin(type_) in (Union, UnionType):
        return {tag: tagged for member in get_args(type_) for tag, tagged in _tagged(member).items()}
    return {}


def _alternatives(type_: Any) -> list[Any]:
    """The types that a value may have, without annotations; empty for a tagged union, where a tag decides."""
    if get_origin(type_) is Annotated:
        return _alternatives(get_args(type_)[0])
    if get_origin(type_) in (Union, UnionType):
        return (
            []
            if _tagged(type_)
            else [alternative for member in get_args(type_) for alternative in _alternatives(member)]
        )
    return [type_]


def _is_scalar(type_: Any) -> bool:
    """True for a union of the types of JSON's single values."""
    alternatives = _alternatives(type_)
    return len(alternatives) > 2 and all(
        alternative in (bool, int, float, str, NoneType) for alternative in alternatives
    )
