"""Recognises the spelling of numbers and dates in columns of text, and rewrites them in the plain spelling.

All values of a column decide its form, or a key of `data` does (`decimal`, `date-format`). If two readings remain
possible, the error shows both. Values of another form stay as they are and are counted as lost.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import UserError

Order = Literal["day", "month"]
"""The part that comes first in a date like 03/04/2011."""

# Signs between thousands, blanks and apostrophes: a character class that its users complete and close.
_GROUP = r"[ '\x{a0}\x{202f}\x{2009}"
# Numbers like 1,234.5 and 1.234,5, perhaps in percent.
_POINT, _COMMA = (
    r"^\s*[+-]?(?:[1-9]\d{0,2}(?:"
    + _GROUP
    + thousands
    + r"]\d{3})+|\d+)?(?:"
    + decimal
    + r"\d*)?(?:[eE][+-]?\d+)?\s*%?\s*$"
    for thousands, decimal in ((",", r"\."), (r".", ","))
)
# Signs that no plain number has.
_UNUSUAL = r"[,%' \x{a0}\x{202f}\x{2009}]|\..*\."
_TRUTH = r"(?i)^\s*(?:true|false)\s*$"
_PERCENT = r"%\s*$"

_MONTH_NAMES = "jan feb mar apr may jun jul aug sep oct nov dec"
_MONTHS = {name: at for at, name in enumerate(_MONTH_NAMES.split(), 1)}
_REST = r"(?P<rest>(?:[T\s,]+\S.*)?)$"
# A date whose order of day and month must be decided.
_DAY_AND_MONTH = re.compile(r"^(?P<first>\d{1,2})(?P<sep>[-/ ])(?P<second>\d{1,2})(?P=sep)(?P<year>\d{4})" + _REST)
# Dates whose order is clear: the year is first, or the month is a name.
_CLEAR_DATES = (
    re.compile(r"^(?P<year>\d{4}) (?P<month>\d{1,2}) (?P<day>\d{1,2})" + _REST),
    re.compile(r"^(?P<day>\d{1,2})[-/. ]+(?P<name>[A-Za-z]{3,9})\.?[-/., ]+(?P<year>\d{4})" + _REST),
    re.compile(r"^(?P<name>[A-Za-z]{3,9})\.?[- ]+(?P<day>\d{1,2}),?[- ]+(?P<year>\d{4})" + _REST),
    re.compile(r"^(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})(?P<rest>\d{6})$"),
)


@dataclass(frozen=True)
class Numbers:
    """The spelling of numbers in a column."""

    decimal: str = "."
    is_percent: bool = False
    """True if a percent sign follows them: `12 %` is read as 12."""
    is_truth: bool = False
    """True if they are `true` and `false`, which are read as 1 and 0."""

    def describe(self) -> str:
        """The spelling in a few words."""
        if self.is_truth:
            return "true as 1, false as 0"
        words = ["decimal commas" if self.decimal == "," else "thousands set apart"] if not self.is_percent else []
        if self.is_percent:
            words = ["percent, as the number before the sign", *(["decimal commas"] if self.decimal == "," else [])]
        return ", ".join(words)

    def rewrite(self, column: pa.ChunkedArray) -> pa.ChunkedArray:
        """The column of text with its numbers spelt plainly, `1,234.5` as `1234.5`. Other values stay as they are."""
        if self.is_truth:
            is_true, is_truth = (pc.match_substring_regex(column, p) for p in (r"(?i)^\s*true\s*$", _TRUTH))
            return pc.if_else(is_truth, pc.if_else(is_true, "1", "0"), column)
        is_of_form = pc.match_substring_regex(column, _POINT if self.decimal == "." else _COMMA)
        if not self.is_percent:
            is_of_form = pc.and_(is_of_form, pc.invert(pc.match_substring_regex(column, _PERCENT)))
        plain = pc.replace_substring_regex(column, _GROUP + ("," if self.decimal == "." else ".") + "%]", "")
        if self.decimal == ",":
            plain = pc.replace_substring(plain, ",", ".")
        rewritten = pc.if_else(pc.fill_null(is_of_form, False), plain, column)
        if self.decimal == ".":
            return rewritten
        # Among decimal commas, `12.5` is of another form: the question mark keeps it from being read as a number.
        is_other = pc.and_(pc.invert(is_of_form), pc.match_substring_regex(column, r"^\s*[+-]?\d*\.\d*\s*$"))
        return pc.if_else(pc.fill_null(is_other, False), pc.binary_join_element_wise("?", column, ""), rewritten)


@dataclass
class NumberCount:
    """Counts the possible spellings of a column's values, a piece of the column at a time."""

    unusual: int = 0
    """Values that are no plain numbers, but have a comma, a percent sign, a blank or the like."""
    not_blank: int = 0
    point: int = 0
    """Values that are numbers with a decimal point."""
    comma: int = 0
    """Values that are numbers with a decimal comma."""
    doubtful: int = 0
    """Values like 1,234, which are numbers in both readings."""
    percent: int = 0
    zero: int = 0
    """Zeros, which people write without a percent sign also among percentages."""
    truth: int = 0
    """Values that are true or false."""
    example: str | None = None
    """A doubtful value."""
    has_comma: bool = False

    def add(self, column: pa.ChunkedArray) -> None:
        """Counts a piece of the column of text."""
        column = column.drop_null()
        self.not_blank += _count(pc.match_substring_regex(column, r"\S"))
        self.truth += _count(pc.match_substring_regex(column, _TRUTH))
        unusual = pc.match_substring_regex(column, _UNUSUAL)
        self.unusual += _count(unusual)
        point, comma = (pc.match_substring_regex(column, pattern) for pattern in (_POINT, _COMMA))
        marked = pc.match_substring_regex(column, r"[.,]")
        doubtful = pc.and_(pc.and_(point, comma), marked)
        self.point += _count(pc.and_(point, pc.match_substring_regex(column, r"\d")))
        self.comma += _count(pc.and_(comma, pc.match_substring_regex(column, r"\d")))
        self.percent += _count(pc.match_substring_regex(column, _PERCENT))
        self.zero += _count(pc.match_substring_regex(column, r"^\s*0+(?:[.,]0*)?\s*$"))
        self.doubtful += _count(doubtful)
        self.has_comma = self.has_comma or _count(pc.match_substring(column, ",")) > 0
        if self.example is None and _count(doubtful):
            self.example = str(column.filter(doubtful)[0])

    @property
    def decimal(self) -> str | None:
        """The decimal mark with which more values are numbers; None if both fit as many, and some as other numbers."""
        if self.point != self.comma:
            return "." if self.point > self.comma else ","
        return None if self.doubtful else "."

    def form(self, decimal: str) -> Numbers | None:
        """The form with this decimal mark; None if the column is plain."""
        if self.truth and self.truth == self.not_blank:
            return Numbers(is_truth=True)
        if not self.unusual and decimal == ".":
            return None
        numbers = self.point if decimal == "." else self.comma
        return Numbers(decimal, is_percent=bool(self.percent) and self.percent >= numbers - self.zero)


def number_forms(counts: Mapping[str, NumberCount], decimal_mark: str | None) -> dict[str, Numbers]:
    """The form of each column that is not plain. `decimal_mark` is the one that the user names, if any.

    Raises UserError, a line per column, if 1,234 may be 1234 or 1.234, and neither other values of the column nor
    other columns decide it.
    """
    marks = {name: decimal_mark or count.decimal for name, count in counts.items()}
    certain_marks = {mark for name, mark in marks.items() if mark and counts[name].has_comma and counts[name].unusual}
    forms, doubts = {}, []
    for name, count in counts.items():
        decimal = marks[name]
        if decimal is None and not count.has_comma and "," not in certain_marks:
            decimal = "."  # 1.234 is a plain number unless a column has decimal commas
        if decimal is None and count.has_comma and len(certain_marks) == 1:
            [decimal] = certain_marks
        if decimal is None:
            assert count.example is not None
            doubts.append(_doubt(name, count.example))
        elif form := count.form(decimal):
            forms[name] = form
    if doubts:
        raise UserError("\n".join(doubts))
    return forms


def _doubt(name: str, example: str) -> str:
    has_comma = "," in example
    whole = re.sub(r"[^\d.+-]", "", example.replace("," if has_comma else ".", ""))
    fraction = example.replace(",", ".")
    return (
        f'"{name}": "{example}" may be {whole} or {fraction}, and no other value tells: write '
        '"decimal": "." (the first) or "decimal": "," in data'
        if has_comma
        else f'"{name}": "{example}" may be {whole} or {fraction}, as other columns have decimal commas: write '
        '"decimal": "," (the first) or "decimal": "." in data'
    )


@dataclass(frozen=True)
class Dates:
    """The spelling of days in the date column."""

    first: Order | None = None
    format: str | None = None
    """The user's `data.date-format`, for `strptime`."""

    def describe(self) -> str:
        """The spelling in a few words; empty if it is plain."""
        if self.format:
            return f'as "{self.format}"'
        return f"{self.first} first" if self.first else ""

    def rewrite(self, column: pa.ChunkedArray) -> pa.ChunkedArray:
        """The column of text with its days as `2011-01-16`, and any time after it. Other values stay as they are."""
        distinct = column.combine_chunks().dictionary_encode()
        if isinstance(distinct, pa.ChunkedArray):
            distinct = distinct.combine_chunks()
        texts = distinct.dictionary.to_pylist()
        rewritten = self._by_format(texts) if self.format else [self._plain(text) for text in texts]
        return pa.chunked_array([pa.array(rewritten, pa.string()).take(distinct.indices)])

    def _by_format(self, texts: list[str]) -> list[str | None]:
        assert self.format is not None
        has_time = re.search(r"%[HIMScXTRfs]", self.format) is not None
        # A format without a time covers only the day; the text after it is kept.
        split = [(text.strip(), "") if has_time else _split_after_day(text, self.format) for text in texts]
        parsed = pd.to_datetime(
            pd.Series([day for day, _ in split], dtype=object), format=self.format, errors="coerce"
        ).astype("datetime64[s]")
        days = parsed.dt.strftime("%Y-%m-%d %H:%M:%S" if has_time else "%Y-%m-%d")
        # The question mark keeps a value of another format from being read as some other date.
        return [
            f"{day} {after}".strip() if isinstance(day, str) else f"?{text}"
            for day, (_, after), text in zip(days, split, texts, strict=True)
        ]

    def _plain(self, text: str) -> str:
        stripped = text.strip()
        if self.first and (match := _DAY_AND_MONTH.match(stripped)):
            first, second = int(match["first"]), int(match["second"])
            month, day = (second, first) if self.first == "day" else (first, second)
            return _iso(match["year"], month, day, match["rest"], text)
        for spelling in _CLEAR_DATES:
            if match := spelling.match(stripped):
                parts = match.groupdict()
                month = int(parts["month"]) if "month" in parts else _MONTHS.get(parts["name"][:3].lower(), 0)
                return _iso(parts["year"], month, int(parts["day"]), parts["rest"], text)
        return text


def _split_after_day(text: str, day_format: str) -> tuple[str, str]:
    """The words of the day, as many as in its format, and the words after them."""
    words, count = text.split(), len(day_format.split())
    return " ".join(words[:count]), " ".join(words[count:])


def _iso(year: str, month: int, day: int, time: str, text: str) -> str:
    """The day in ISO format with the time after it; `text` if there is no such day."""
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return text
    time = time.strip(" ,T\t")
    return f"{year}-{month:02}-{day:02}" + (f" {time}" if time else "")


@dataclass
class DateCount:
    """Collects the possible spellings of a date column's values, a piece of the column at a time."""

    day_first: str | None = None
    """A value that is a date only with the day first."""
    month_first: str | None = None
    """A value that is a date only with the month first."""
    either: str | None = None
    """A value that is a date in both orders."""
    has_other_spellings: bool = False
    """True if there are values that `Dates` rewrites for any order, like 16 Jan 2011."""
    has_equal_numbers: bool = False
    """True if one of these values has the same number as day and month, like 03/03/2011."""

    def add(self, column: pa.ChunkedArray) -> None:
        """Looks at a piece of the column of text."""
        for value in pc.unique(column.drop_null()).to_pylist():
            text = value.strip()
            if match := _DAY_AND_MONTH.match(text):
                first, second = int(match["first"]), int(match["second"])
                if first > 12 >= second:
                    self.day_first = self.day_first or text
                elif second > 12 >= first:
                    self.month_first = self.month_first or text
                elif first != second:
                    self.either = self.either or text
                else:
                    self.has_other_spellings = self.has_equal_numbers = True
            elif not self.has_other_spellings and any(spelling.match(text) for spelling in _CLEAR_DATES):
                self.has_other_spellings = True

    def form(self, name: str) -> Dates | None:
        """The form; None if the days are plain. Raises UserError if day and month cannot be told apart."""
        if self.day_first and self.month_first:
            raise UserError(
                f'"{name}": "{self.day_first}" has the day first and "{self.month_first}" the month: write the '
                'order that is meant in data, "date-format": "%d/%m/%Y" or "%m/%d/%Y"; other dates count as lost'
            )
        if self.day_first or self.month_first:
            return Dates("day" if self.day_first else "month")
        if self.either:
            match = _DAY_AND_MONTH.match(self.either)
            assert match
            sep, year = match["sep"], match["year"]
            first, second = int(match["first"]), int(match["second"])
            readings = f"{year}-{second:02}-{first:02} or {year}-{first:02}-{second:02}"
            raise UserError(
                f'"{name}": "{self.either}" may be {readings}, and no other value tells: write '
                f'"date-format": "%d{sep}%m{sep}%Y" (day first) or "%m{sep}%d{sep}%Y" in data'
            )
        return Dates("day" if self.has_equal_numbers else None) if self.has_other_spellings else None


def described(dates: Dates | None, numbers: Mapping[str, Numbers], date: str) -> Iterable[str]:
    """A line for each recognised form."""
    if dates and dates.describe():
        yield f'"{date}" is read {dates.describe()}'
    for name, form in numbers.items():
        yield f'"{name}" is read with {form.describe()}'


def as_text(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """The column as plain text; None if its type is no text."""
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return column if pa.types.is_string(kind) else column.cast(pa.string())
    return None


def _count(mask: pa.ChunkedArray) -> int:
    return int(np.asarray(pc.sum(mask).as_py() or 0))
