"""How numbers and dates are spelt in columns of text: recognised over all values, then rewritten as everybody does.

A form is taken where the values leave no doubt, or where a key of `data` says it (`decimal`, `date-format`). What stays
in doubt is an error with both readings. Values that are not of the form stay as they are, so that they can be counted.
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
"""Which of the two comes first in a date like 03/04/2011."""

_GROUP = r"[ '\x{a0}\x{202f}\x{2009}"
_POINT, _COMMA = (
    r"^\s*[+-]?(?:[1-9]\d{0,2}(?:"
    + _GROUP
    + thousands
    + r"]\d{3})+|\d+)?(?:"
    + decimal
    + r"\d*)?(?:[eE][+-]?\d+)?\s*%?\s*$"
    for thousands, decimal in ((",", r"\."), (r".", ","))
)
_UNUSUAL = r"[,%' \x{a0}\x{202f}\x{2009}]|\..*\."
_TRUTH = r"(?i)^\s*(?:true|false)\s*$"
_PERCENT = r"%\s*$"

_MONTH_NAMES = "jan feb mar apr may jun jul aug sep oct nov dec"
_MONTHS = {name: at for at, name in enumerate(_MONTH_NAMES.split(), 1)}
_REST = r"(?P<rest>(?:[T\s,]+\S.*)?)$"
_NUMBERS = re.compile(r"^(?P<first>\d{1,2})(?P<sep>[-/ ])(?P<second>\d{1,2})(?P=sep)(?P<year>\d{4})" + _REST)
_SPELT = (
    re.compile(r"^(?P<year>\d{4}) (?P<month>\d{1,2}) (?P<day>\d{1,2})" + _REST),
    re.compile(r"^(?P<day>\d{1,2})[-/. ]+(?P<name>[A-Za-z]{3,9})\.?[-/., ]+(?P<year>\d{4})" + _REST),
    re.compile(r"^(?P<name>[A-Za-z]{3,9})\.?[- ]+(?P<day>\d{1,2}),?[- ]+(?P<year>\d{4})" + _REST),
    re.compile(r"^(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})(?P<rest>\d{6})$"),
)


@dataclass(frozen=True)
class Numbers:
    """How a column spells its numbers."""

    decimal: str = "."
    is_percent: bool = False
    is_truth: bool = False

    def describe(self) -> str:
        """In a few words."""
        if self.is_truth:
            return "true as 1, false as 0"
        words = ["decimal commas" if self.decimal == "," else "thousands set apart"] if not self.is_percent else []
        if self.is_percent:
            words = ["percent, as the number before the sign", *(["decimal commas"] if self.decimal == "," else [])]
        return ", ".join(words)

    def rewrite(self, column: pa.ChunkedArray) -> pa.ChunkedArray:
        """The column with its numbers as everybody reads them, `1,234.5` as `1234.5`; other values as they are."""
        if self.is_truth:
            is_one, is_truth = (pc.match_substring_regex(column, p) for p in (r"(?i)^\s*true\s*$", _TRUTH))
            return pc.if_else(is_truth, pc.if_else(is_one, "1", "0"), column)
        is_of_form = pc.match_substring_regex(column, _POINT if self.decimal == "." else _COMMA)
        if not self.is_percent:
            is_of_form = pc.and_(is_of_form, pc.invert(pc.match_substring_regex(column, _PERCENT)))
        plain = pc.replace_substring_regex(column, _GROUP + ("," if self.decimal == "." else ".") + "%]", "")
        if self.decimal == ",":
            plain = pc.replace_substring(plain, ",", ".")
        rewritten = pc.if_else(pc.fill_null(is_of_form, False), plain, column)
        if self.decimal == ".":
            return rewritten
        # `12.5` among decimal commas would still pass for a number: it is of another form, and counts as lost.
        is_other = pc.and_(pc.invert(is_of_form), pc.match_substring_regex(column, r"^\s*[+-]?\d*\.\d*\s*$"))
        return pc.if_else(pc.fill_null(is_other, False), pc.binary_join_element_wise("?", column, ""), rewritten)


@dataclass
class NumberCount:
    """Counts how the values of a column may be spelt; fed with one piece after another."""

    unusual: int = 0
    written: int = 0
    point: int = 0
    comma: int = 0
    doubtful: int = 0
    percent: int = 0
    zero: int = 0
    """Zeros without a sign, which people leave out of percent."""
    truth: int = 0
    example: str | None = None
    has_comma: bool = False

    def add(self, column: pa.ChunkedArray) -> None:
        """A piece of the column, as text."""
        column = column.drop_null()
        self.written += _count(pc.match_substring_regex(column, r"\S"))
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
        """The mark that reads more of the values; None where both read all alike, but not as the same numbers."""
        if self.point != self.comma:
            return "." if self.point > self.comma else ","
        return None if self.doubtful else "."

    def form(self, decimal: str) -> Numbers | None:
        """The form with this decimal mark; None if the column is plain."""
        if self.truth and self.truth == self.written:
            return Numbers(is_truth=True)
        if not self.unusual and decimal == ".":
            return None
        numbers = self.point if decimal == "." else self.comma
        return Numbers(decimal, is_percent=bool(self.percent) and self.percent >= numbers - self.zero)


def number_forms(counts: Mapping[str, NumberCount], given: str | None) -> dict[str, Numbers]:
    """The form of each column that is not plain.

    Raises UserError, a line per column, where 1,234 may be 1234 or 1.234, and neither the column's other values nor
    those of others tell.
    """
    decided = {name: given or count.decimal for name, count in counts.items()}
    clear = {
        decimal for name, decimal in decided.items() if decimal and counts[name].has_comma and counts[name].unusual
    }
    forms, doubts = {}, []
    for name, count in counts.items():
        decimal = decided[name]
        if decimal is None and not count.has_comma and "," not in clear:
            decimal = "."  # 1.234 is a plain number, as long as nothing speaks for commas
        if decimal is None and count.has_comma and len(clear) == 1:
            [decimal] = clear
        if decimal is None:
            assert count.example is not None
            doubts.append(_doubt(name, count.example))
        elif form := count.form(decimal):
            forms[name] = form
    if doubts:
        raise UserError("\n".join(doubts))
    return forms


def _doubt(name: str, example: str) -> str:
    one, other = (re.sub(r"[^\d.+-]", "", text) for text in (example.replace(",", ""), example.replace(".", "")))
    whole, fraction = (one, example.replace(",", ".")) if "," in example else (other, example)
    return (
        f'"{name}": "{example}" may be {whole} or {fraction}, and no other value tells: write '
        '"decimal": "." (the first) or "decimal": "," in data'
        if "," in example
        else f'"{name}": "{example}" may be {whole} or {fraction}, as other columns have decimal commas: write '
        '"decimal": "," (the first) or "decimal": "." in data'
    )


@dataclass(frozen=True)
class Dates:
    """How the date column spells its days."""

    first: Order | None = None
    format: str | None = None
    """Of `data.date-format`, as `strptime` reads it."""

    def describe(self) -> str:
        """In a few words."""
        if self.format:
            return f'as "{self.format}"'
        return f"{self.first} first" if self.first else ""

    def rewrite(self, column: pa.ChunkedArray) -> pa.ChunkedArray:
        """The column of text with its days as `2011-01-16`, and what follows a day behind it; others as they are."""
        distinct = column.combine_chunks().dictionary_encode()
        if isinstance(distinct, pa.ChunkedArray):
            distinct = distinct.combine_chunks()
        texts = distinct.dictionary.to_pylist()
        spelt = self._by_format(texts) if self.format else [self._plain(text) for text in texts]
        return pa.chunked_array([pa.array(spelt, pa.string()).take(distinct.indices)])

    def _by_format(self, texts: list[str]) -> list[str | None]:
        assert self.format is not None
        has_time = re.search(r"%[HIMScXTRfs]", self.format) is not None
        # A format of the day alone is of the day alone: what follows is kept.
        split = [(text.strip(), "") if has_time else _halves(text, self.format) for text in texts]
        parsed = pd.to_datetime(
            pd.Series([day for day, _ in split], dtype=object), format=self.format, errors="coerce"
        ).astype("datetime64[s]")
        days = parsed.dt.strftime("%Y-%m-%d %H:%M:%S" if has_time else "%Y-%m-%d")
        # One that is not of the format must not be read in another way.
        return [
            f"{day} {rest}".strip() if isinstance(day, str) else f"?{text}"
            for day, (_, rest), text in zip(days, split, texts, strict=True)
        ]

    def _plain(self, text: str) -> str:
        written = text.strip()
        if self.first and (match := _NUMBERS.match(written)):
            first, second = int(match["first"]), int(match["second"])
            month, day = (second, first) if self.first == "day" else (first, second)
            return _iso(match["year"], month, day, match["rest"], text)
        for spelling in _SPELT:
            if match := spelling.match(written):
                parts = match.groupdict()
                month = int(parts["month"]) if "month" in parts else _MONTHS.get(parts["name"][:3].lower(), 0)
                return _iso(parts["year"], month, int(parts["day"]), parts["rest"], text)
        return text


def _halves(text: str, form: str) -> tuple[str, str]:
    """What a format of a day is about, and what follows it."""
    words = text.split()
    if len(words) <= (count := len(form.split())):
        return " ".join(words), ""
    return " ".join(words[:count]), " ".join(words[count:])


def _iso(year: str, month: int, day: int, rest: str, otherwise: str) -> str:
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return otherwise
    rest = rest.strip(" ,T\t")
    return f"{year}-{month:02}-{day:02}" + (f" {rest}" if rest else "")


@dataclass
class DateCount:
    """Counts how the values of a date column may be spelt."""

    day_first: str | None = None
    """A value that only makes sense with the day first."""
    month_first: str | None = None
    either: str | None = None
    others: bool = False
    """Whether there are spellings that `Dates` rewrites, whatever the order."""
    same: bool = False
    """Whether in a date among them the day and the month are one number."""

    def add(self, column: pa.ChunkedArray) -> None:
        """A piece of the column, as text."""
        for text in pc.unique(column.drop_null()).to_pylist():
            written = text.strip()
            if match := _NUMBERS.match(written):
                first, second = int(match["first"]), int(match["second"])
                if first > 12 >= second:
                    self.day_first = self.day_first or written
                elif second > 12 >= first:
                    self.month_first = self.month_first or written
                elif first != second:
                    self.either = self.either or written
                else:
                    self.others = self.same = True
            elif not self.others and any(spelling.match(written) for spelling in _SPELT):
                self.others = True

    def form(self, name: str) -> Dates | None:
        """The form; None if the days are plain. Raises UserError if day and month cannot be told apart."""
        if self.day_first and self.month_first:
            raise UserError(
                f'"{name}": "{self.day_first}" has the day first and "{self.month_first}" the month: write the one '
                'that is meant in data, "date-format": "%d/%m/%Y" or "%m/%d/%Y"; the others count as lost'
            )
        if self.day_first or self.month_first:
            return Dates("day" if self.day_first else "month")
        if self.either:
            match = _NUMBERS.match(self.either)
            assert match
            sep, year = match["sep"], match["year"]
            first, second = int(match["first"]), int(match["second"])
            readings = f"{year}-{second:02}-{first:02} or {year}-{first:02}-{second:02}"
            raise UserError(
                f'"{name}": "{self.either}" may be {readings}, and no other value tells: write '
                f'"date-format": "%d{sep}%m{sep}%Y" (day first) or "%m{sep}%d{sep}%Y" in data'
            )
        return Dates("day" if self.same else None) if self.others else None


def described(dates: Dates | None, numbers: Mapping[str, Numbers], date: str) -> Iterable[str]:
    """A line for each form that was recognised."""
    if dates and dates.describe():
        yield f'"{date}" is read {dates.describe()}'
    for name, form in numbers.items():
        yield f'"{name}" is read with {form.describe()}'


def as_text(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """The column as text, if it holds any; None for numbers, times and others."""
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return column if pa.types.is_string(kind) else column.cast(pa.string())
    return None


def _count(mask: pa.ChunkedArray) -> int:
    return int(np.asarray(pc.sum(mask).as_py() or 0))
