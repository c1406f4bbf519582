"""Bases of values that are read from JSON and never change afterwards."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """Keys are spelt as the attributes are; any other key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Hyphenated(Frozen):
    """Keys have hyphens where attributes have underscores: `max-epochs` in JSON is `max_epochs` in Python."""

    model_config = ConfigDict(alias_generator=lambda name: name.replace("_", "-"))


class Recorded(Hyphenated):
    """A value that the program makes and writes itself, as in `sweep.json`: made by attribute, read by key."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)
