"""Base classes of immutable values that are read from JSON."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A value whose JSON keys are its attributes. An unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Hyphenated(Frozen):
    """A value whose JSON keys have hyphens for underscores: `max-epochs` in JSON is `max_epochs` in Python."""

    model_config = ConfigDict(alias_generator=lambda name: name.replace("_", "-"))


class Recorded(Hyphenated):
    """A value that the program itself writes, as in `sweep.json`. It is built by attribute and read by key."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)
