"""The `data` key of a spec: the built-in flights, or a user's own files.

Only the key is checked here. `load.py` reads the files, and finds missing ones. Neither pandas nor pyarrow is imported,
because `hpt validate` must answer at once.
"""

import codecs
import datetime
import difflib
import re
from typing import Annotated, Any, Literal

import pydantic
from pydantic import ConfigDict, Field
from pydantic_core import PydanticCustomError

from pipeline.base import Hyphenated
from pipeline.dates import DateRange
from pipeline.places import canonical, portable, project_file, resolved_in

Transform = Literal["log", "log1p", "asinh"]
DatePart = Literal["hour", "weekday", "month"]
FlightsTarget = Literal["air_time", "arr_delay"]
Name = Annotated[str, Field(min_length=1)]

BUILT_IN = ("flights",)
FLIGHTS_DAYS = DateRange(datetime.date(2013, 1, 1), datetime.date(2014, 1, 1))
# Parts of the error of a training without rows. `report/claims.py` recognises the error by them.
NO_ROWS = "the data have no rows in"
NO_ROWS_LEFT = "leaves no rows with a target in"


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError(f"{list(names)} names the same twice")
    return names


def _one_or_more(item: Any) -> Any:
    """Validator of a key that takes an item or a list of items, with both forms in the JSON Schema."""
    return pydantic.BeforeValidator(_as_tuple, json_schema_input_type=item | list[item])


def _one_name_or_several(names: str | tuple[str, ...]) -> str | tuple[str, ...]:
    if isinstance(names, str):
        return names
    if not names:
        raise ValueError("names no column")
    return names[0] if len(names) == 1 else _distinct(names)


def _with_a_day(text: str) -> str:
    try:
        third, fourth = (datetime.datetime(2011, 2, day).strftime(text) for day in (3, 4))
        datetime.datetime.strptime(third, text)
    except ValueError as error:
        raise ValueError(f'"{text}" is no format of dates ({error}); write one like "%d/%m/%Y %H:%M"') from None
    if third == fourth:
        raise ValueError(f'"{text}" has no day of the month; write a format like "%d/%m/%Y"')
    return text


def _known_encoding(name: str) -> str:
    try:
        codecs.lookup(name)
    except LookupError:
        raise ValueError(f'there is no encoding "{name}"; write one like "latin-1", "cp1252" or "utf-16"') from None
    return name


def _place(path: str) -> str:
    path = canonical(path)
    scheme, mark, bucket_and_key = path.partition("://")
    if mark and scheme != "gs":
        raise ValueError(f'"{scheme}://" cannot be read; name local files, or gs://bucket/folder/*.parquet')
    if mark and not re.fullmatch(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]/.*[^/]", bucket_and_key):
        raise ValueError(f'"{path}" names no objects of a bucket; write gs://bucket/folder/*.parquet')
    return path


_Names = Annotated[tuple[Name, ...], _one_or_more(str), pydantic.AfterValidator(_distinct)]


class FlightsSource(Hyphenated):
    """The built-in example data: every departure from New York in 2013."""

    source: Literal["flights"]
    target: Annotated[
        tuple[FlightsTarget, ...],
        _one_or_more(FlightsTarget),
        pydantic.AfterValidator(_distinct),
        Field(min_length=1, description="What to predict: the time in the air, or the noisy delay at arrival."),
    ] = ("air_time",)

    @property
    def as_of(self) -> datetime.date | None:
        """The day that counts as "today" for data that have ended; None for others."""
        return FLIGHTS_DAYS.end

    @property
    def covers(self) -> DateRange | None:
        """The days of the data; None if they must be read to know that."""
        return FLIGHTS_DAYS


class FilesSource(Hyphenated):
    """A user's own Parquet or CSV files."""

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": [key]} for key in ("text", "categorical", "numeric", "date-parts")]},
    )

    path: Annotated[Name, pydantic.AfterValidator(_place)] = Field(
        description="Parquet or CSV files, `*` and `**` allowed; in gs://, or relative to the folder of hpt.toml, "
        "without one to the current directory."
    )
    date: Annotated[Name | tuple[Name, ...], pydantic.AfterValidator(_one_name_or_several)] = Field(
        description="The column with the day (or time) of a row; a list of columns that have it together, in order: "
        '`["year", "month", "day"]`.'
    )
    text: _Names = Field((), description="Columns of words, which become tokens.")
    categorical: _Names = Field((), description="Columns of which each value becomes one token.")
    numeric: _Names = Field((), description="Columns of numbers, which become dense features.")
    date_parts: Annotated[tuple[DatePart, ...], _one_or_more(DatePart), pydantic.AfterValidator(_distinct)] = Field(
        (), description="Parts of the date, as it is written, which become features too."
    )
    target: _Names = Field(min_length=1, description="The column, or columns, to predict.")
    target_transform: Transform | None = Field(None, description="Applied to the targets before they are learnt.")
    date_format: Annotated[str, Field(pattern="%"), pydantic.AfterValidator(_with_a_day)] | None = Field(
        None, description="How dates are written, like `%d/%m/%Y %H:%M`; left out, it is recognised."
    )
    decimal: Literal[".", ","] | None = Field(
        None, description="The mark before decimals; the other one separates thousands. Left out, it is recognised."
    )
    separator: Annotated[str, Field(min_length=1, max_length=1)] | None = Field(
        None, description="The character between the values of a CSV file; left out, it is recognised."
    )
    encoding: Annotated[Name, pydantic.AfterValidator(_known_encoding)] | None = Field(
        None, description="The encoding of CSV files, like `latin-1`; left out, it is recognised."
    )
    may_lose: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None,
        description="Share of rows, or of a column's numbers, that is expected to be unusable; with more, no sweep "
        "starts. Left out, that is 0.2.",
    )

    @pydantic.model_validator(mode="after")
    def _features_are_possible(self) -> "FilesSource":
        features = {*self.text, *self.categorical, *self.numeric}
        if not features and not self.date_parts:
            raise ValueError(
                'nothing to predict from: name columns in "text", "categorical" or "numeric", or parts of the date in '
                '"date-parts"'
            )
        for target in self.target:
            if target in features:
                raise ValueError(f'"{target}" is a target and a feature: a model would only copy it')
        dates = (self.date,) if isinstance(self.date, str) else self.date
        if reused := [name for name in dates if name in self.target or (name in features and len(dates) == 1)]:
            raise ValueError(
                f'"{reused[0]}" is the date column, so it can be neither a feature nor a target; "date-parts" makes '
                "features of its hour, weekday and month"
            )
        return self

    @pydantic.model_serializer(mode="wrap")
    def _without_unused_keys(self, handler: pydantic.SerializerFunctionWrapHandler) -> dict[str, Any]:
        # The ledger hashes this JSON. With a new key in it, the date ranges of older sweeps would be forgotten.
        written: dict[str, Any] = handler(self)
        for key in ("date_parts", "date_format", "decimal", "separator", "encoding", "may_lose"):
            if not getattr(self, key):
                for name in (key, key.replace("_", "-")):
                    written.pop(name, None)
        return written

    @property
    def date_name(self) -> str:
        """Name of the date column in frames. For a date of several columns, their names joined by blanks."""
        return self.date if isinstance(self.date, str) else " ".join(self.date)

    @property
    def as_of(self) -> datetime.date | None:
        """The day that counts as "today" for data that have ended; None for others."""
        return None

    @property
    def covers(self) -> DateRange | None:
        """The days of the data; None if they must be read to know that."""
        return None


Source = FlightsSource | FilesSource


def _as_object(value: Any) -> Any:
    if isinstance(value, str):
        if value in BUILT_IN:
            return {"source": value}
        similar = difflib.get_close_matches(value, BUILT_IN, n=1)
        hint = f'did you mean "{similar[0]}"?' if similar else 'possible is "flights".'
        raise PydanticCustomError(
            "data_source",
            'there are no built-in data "{value}": {hint} For your own files write {"path": …, "date": …, "target": …}',
            {"value": value, "hint": hint},
        )
    if isinstance(value, Source) or (isinstance(value, dict) and ("source" in value or "path" in value)):
        return value
    raise PydanticCustomError(
        "data_source", 'must be "flights", {"source": "flights", …} or {"path": …, "date": …, "target": …}'
    )


def tag(value: Any) -> str:
    """The kind of source that a person meant, so that only mistakes in its keys are listed."""
    is_built_in = isinstance(value, FlightsSource) or (isinstance(value, dict) and "source" in value)
    return "flights" if is_built_in else "files"


DataSource = Annotated[
    Annotated[FlightsSource, pydantic.Tag("flights")] | Annotated[FilesSource, pydantic.Tag("files")],
    pydantic.Discriminator(tag),
    pydantic.BeforeValidator(_as_object, json_schema_input_type=Literal["flights"] | FlightsSource | FilesSource),
]
"""The type of a spec's `data`."""


def with_portable_path(source: Source | None) -> Source | None:
    """The source with a path into this checkout made relative to it. Older sweeps have absolute paths."""
    if not isinstance(source, FilesSource):
        return source
    return source.model_copy(update={"path": portable(source.path)})


def with_all_known_paths(source: Source | None) -> list[Source | None]:
    """The source, and copies with the other paths by which sweeps in this checkout have named the same files."""
    if not isinstance(source, FilesSource):
        return [source]
    file = project_file()
    absolute = resolved_in(file.parent, source.path) if file else source.path
    paths = dict.fromkeys((source.path, portable(source.path), absolute))
    return [source.model_copy(update={"path": path}) for path in paths]
