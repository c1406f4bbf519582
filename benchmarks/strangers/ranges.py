"""A date range for the baselines: the rows of our parts, their target on our scale, features in plain arrays.

The rows come from hpt's reader and split, so that all models see the same days. Its encoder is not used.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.data.load import columns_of, read_rows
from pipeline.data.raw import Columns
from pipeline.data.source import Source
from pipeline.dates import DateRange

Floats = NDArray[np.float64]

_TRANSFORMS = {None: np.asarray, "log": np.log, "log1p": np.log1p, "asinh": np.arcsinh}


@dataclass(frozen=True)
class Part:
    """The rows of a part as arrays."""

    codes: NDArray[np.int64]
    """`[N, C]`: rank of a value by its frequency in training, from 1; 0 if training has it less than twice."""
    numbers: Floats
    """`[N, D]`: NaN where missing or infinite."""
    texts: Sequence[str]
    """`[N]`, or empty without text columns."""
    target: Floats
    """`[N]`: transformed, and standardised by the training part."""


@dataclass(frozen=True)
class Range:
    """A date range in its parts, the same for every baseline."""

    train: Part
    valid: Part
    test: Part
    sizes: tuple[int, ...]
    """Number of codes of each categorical column, 0 included."""
    has_text: bool

    @cached_property
    def parts(self) -> tuple[Part, Part, Part]:
        return self.train, self.valid, self.test


def read(source: Source, date_range: DateRange, valid: float, test: float) -> Range:
    """Reads and splits a date range. `valid` and `test` are shares of its days.

    Raises ValueError if a part has no rows.
    """
    rows = read_rows(source, date_range)
    columns = columns_of(source)
    [target] = columns.targets
    values = _TRANSFORMS[target.transform](_numbers(rows.frame[target.name]))
    split = date_range.split(valid, test)
    frames, targets = [], []
    for part in (split.train, split.valid, split.test):
        inside = (rows.days >= np.datetime64(part.start)) & (rows.days < np.datetime64(part.end)) & np.isfinite(values)
        if not inside.any():
            raise ValueError(f"no rows in {part}")
        frames.append(rows.frame[inside])
        targets.append(values[inside])
    mean, deviation = targets[0].mean(), targets[0].std()
    vocabularies = [_vocabulary(_labels(frames[0][name])) for name in columns.categorical]
    train, valid_part, test_part = (
        _part(frame, (values - mean) / deviation, columns, vocabularies)
        for frame, values in zip(frames, targets, strict=True)
    )
    sizes = tuple(1 + len(vocabulary) for vocabulary in vocabularies)
    return Range(train, valid_part, test_part, sizes, has_text=bool(columns.text))


def _part(frame: pd.DataFrame, target: Floats, columns: Columns, vocabularies: list[dict[str, int]]) -> Part:
    codes = [
        [vocabulary.get(label, 0) for label in _labels(frame[name])]
        for name, vocabulary in zip(columns.categorical, vocabularies, strict=True)
    ]
    numbers = [_numbers(frame[name]) for name in columns.numeric]
    texts = frame[list(columns.text)].fillna("").astype(str).agg(" ".join, axis=1).tolist() if columns.text else []
    return Part(
        np.array(codes, dtype=np.int64).reshape(len(codes), len(frame)).T,
        np.array(numbers, dtype=np.float64).reshape(len(numbers), len(frame)).T,
        texts,
        target,
    )


def _labels(series: "pd.Series[Any]") -> list[str]:
    return series.astype(object).where(series.notna(), "missing").map(str).tolist()


def _vocabulary(labels: list[str]) -> dict[str, int]:
    frequent = [label for label, count in Counter(labels).most_common() if count > 1]
    return {label: 1 + rank for rank, label in enumerate(frequent)}


def _numbers(series: "pd.Series[Any]") -> Floats:
    values = np.array(pd.to_numeric(series, errors="coerce"), dtype=np.float64)
    return np.where(np.isfinite(values), values, np.nan)
