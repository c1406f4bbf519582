"""Bounds and messages about the usability of rows and columns, shared by trials and surveys.

Nothing is read or counted here: `load.py` has the rows of a date range, `survey.py` the sums of all days.
"""

from collections.abc import Iterable

from pipeline.data.raw import share

ROWS_AT_LEAST = 200
"""Rows with a target that a date range needs. With fewer, its scores are mostly luck."""
REPORTED_FROM = 0.01
"""Losses are reported before a sweep starts if they are more than this share of the rows."""
_IDENTIFIES_FROM = 0.9
_VALUES_AT_LEAST = 20
# Words for a missing value.
_MISSING = frozenset(
    [
        *("na", "n/a", "n.a.", "nan", "null", "none", "nil", "-", "--", "?", ".", "missing"),
        *("#n/a", "<na>", "\\n", "#div/0!", "#value!"),
    ]
)


def is_constant(lowest: float, highest: float) -> bool:
    """True if the values differ only by rounding errors."""
    return highest - lowest <= 1e-12 * max(abs(lowest), abs(highest))


def is_identifier(distinct: int, values: int) -> bool:
    """True if a category has a different value in almost every row, like the number of an order or a customer."""
    return values >= _VALUES_AT_LEAST and distinct >= _IDENTIFIES_FROM * values


def missing_words(values: Iterable[object]) -> int:
    """Number of values that are words for a missing number."""
    return sum(str(value).strip().lower() in _MISSING for value in values)


def constant_target(name: str, value: float) -> str:
    """The message for a target that is the same in all training rows."""
    return (
        f'target "{name}" is {value:.6g} in every row to train on, so there is nothing to learn; '
        "choose other days or another target"
    )


def no_feature(names: Iterable[str]) -> str:
    """The message for training rows in which all features are missing."""
    quoted = ", ".join(f'"{name}"' for name in names)
    return f"no feature has a value in any row to train on ({quoted}); choose other days or columns"


def no_hour(name: str) -> str:
    """The message for training rows without a time of day, where the hour is a feature."""
    return f'no row to train on has a time of day in "{name}"; leave "hour" out of data.date-parts or choose other days'


def impossible_transform(transform: str | None, name: str, impossible: int, rows: int, example: float) -> str:
    """The message for target values on which the transform is undefined."""
    return (
        f'data.target-transform: "{transform}" is impossible for {share(impossible, rows)} values of "{name}", '
        f'for example {example:g}; "asinh" takes any number'
    )


def few_rows() -> str:
    """The message for a date range with fewer rows than `ROWS_AT_LEAST`."""
    return f"fewer than {ROWS_AT_LEAST} rows with a target, so scores are mostly luck"


def identifier(name: str, distinct: int, values: int) -> str:
    """The message for a category that `is_identifier`."""
    return (
        f'categorical column "{name}" has {distinct:,} different values in {values:,} rows: it looks like an id, '
        "which says nothing about new rows"
    )


def single_characters(name: str) -> str:
    """The message for a text column whose values have at most one character."""
    return f'text column "{name}" never has more than one character; values of a code are better "categorical"'


def wordless(name: str) -> str:
    """The message for a text column without words."""
    return f'text column "{name}" has no word in any row'


def infinite(name: str, count: int, rows: int, example: object) -> str:
    """The message for numbers that are infinite or too large for a float32. They count as missing."""
    return f'"{name}": {share(count, rows)} values are infinite or too large, for example "{example}"'


def no_numbers(name: str, count: int, rows: int, example: object) -> str:
    """The message for values in a column of numbers that are no numbers. They count as missing."""
    return f'"{name}": {share(count, rows)} values are no numbers, for example "{example}"'
