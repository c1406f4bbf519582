"""Whether rows can be trained on, and which columns say little: bounds and sentences, in a trial as before it.

Nothing is read or counted here: `load.py` has the rows of one range, `survey.py` the sums of all days.
"""

from collections.abc import Iterable

from pipeline.data.raw import share

ROWS_AT_LEAST = 200
"""Rows with a target in a date range, below which its scores are mostly luck."""
SHARE_SAID = 0.01
"""Rows are dropped silently up to this share of them; beyond it, people are told before a sweep starts."""
_IDENTIFIES_FROM = 0.9
_VALUES_AT_LEAST = 20
_MISSING = frozenset(
    [
        *("na", "n/a", "n.a.", "nan", "null", "none", "nil", "-", "--", "?", ".", "missing"),
        *("#n/a", "<na>", "\\n", "#div/0!", "#value!"),
    ]
)


def is_constant(lowest: float, highest: float) -> bool:
    """Whether values between these differ by nothing but rounding errors."""
    return highest - lowest <= 1e-12 * max(abs(lowest), abs(highest))


def is_identifier(distinct: int, values: int) -> bool:
    """Whether a category differs in almost every row, as numbers of orders and people do."""
    return values >= _VALUES_AT_LEAST and distinct >= _IDENTIFIES_FROM * values


def said_missing(values: Iterable[object]) -> int:
    """How many of the values are words by which people write that a number is missing."""
    return sum(str(value).strip().lower() in _MISSING for value in values)


def constant_target(name: str, value: float) -> str:
    """Of a target that is the same in all training rows."""
    return (
        f'target "{name}" is {value:.6g} in every row to train on, so there is nothing to learn; '
        "choose other days or another target"
    )


def no_feature(names: Iterable[str]) -> str:
    """Of features that are all missing in all training rows."""
    quoted = ", ".join(f'"{name}"' for name in names)
    return f"no feature has a value in any row to train on ({quoted}); choose other days or columns"


def no_hour(name: str) -> str:
    """Of dates without a time of day in all training rows, where the hour is to be a feature."""
    return f'no row to train on has a time of day in "{name}"; leave "hour" out of data.date-parts or choose other days'


def impossible_transform(transform: str | None, name: str, impossible: int, rows: int, example: float) -> str:
    """Of a transform that has no value for some of a target's."""
    return (
        f'data.target-transform: "{transform}" is impossible for {share(impossible, rows)} values of "{name}", '
        f'for example {example:g}; "asinh" takes any number'
    )


def few_rows() -> str:
    """Of a date range with less than `ROWS_AT_LEAST`."""
    return f"fewer than {ROWS_AT_LEAST} rows with a target, so scores are mostly luck"


def identifier(name: str, distinct: int, values: int) -> str:
    """Of a category that `is_identifier`."""
    return (
        f'categorical column "{name}" has {distinct:,} different values in {values:,} rows: it looks like an id, '
        "which says nothing about new rows"
    )


def single_characters(name: str) -> str:
    """Of a text whose longest value is a character."""
    return f'text column "{name}" never has more than one character; values of a code are better "categorical"'


def wordless(name: str) -> str:
    """Of a text of punctuation."""
    return f'text column "{name}" has no word in any row'


def infinite(name: str, count: int, rows: int, example: object) -> str:
    """Of numbers that no float32 holds; they count as missing."""
    return f'"{name}": {share(count, rows)} values are infinite or too large, for example "{example}"'


def no_numbers(name: str, count: int, rows: int, example: object) -> str:
    """Of values in a column of numbers that are none; they count as missing."""
    return f'"{name}": {share(count, rows)} values are no numbers, for example "{example}"'
