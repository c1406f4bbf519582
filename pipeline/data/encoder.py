"""Encodes raw columns as tokens and dense numbers, and converts predictions back to the units of the targets.

An encoder is fitted once, on the training part, and is saved with the model as JSON. It reads no files.

The tokens of a row are, in this order: one for each categorical column; one for each part of a date; the words of the
text columns; padding. A row without any token gets `UNKNOWN`, so that no row is all padding. Its dense numbers are
those of the numeric columns, then sine and cosine of each part of a date.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.data import date_parts
from pipeline.data.inputs import PADDING, UNKNOWN, Inputs
from pipeline.data.raw import WORD, Columns, Target, missing_columns, numbers
from pipeline.data.source import Transform
from pipeline.errors import UserError

_FIRST_FREE = 2  # after PADDING and UNKNOWN
WORDS_PER_ROW = 200
# A value that the training part shows once becomes UNKNOWN there, so that UNKNOWN is trained.
SEEN_AT_LEAST = 2
VOCABULARY_AT_MOST = 50_000  # words, and values of each categorical column
BOUND = 3.0
"""Bound of dense features, in units of their column's spread."""
NORMAL_QUARTILES = 1.349
"""Distance between the quartiles of a normal distribution, in standard deviations."""


@dataclass(frozen=True)
class Scale:
    """Standardises numbers with a mean and a standard deviation."""

    mean: float
    deviation: float

    @classmethod
    def fitted(cls, values: NDArray[np.float64]) -> "Scale":
        """The scale of the values that are not NaN. The deviation of a constant is 1; without values, the mean is 0."""
        values = values[~np.isnan(values)]
        if not len(values):
            return cls(0.0, 1.0)
        mean, deviation = float(values.mean()), float(values.std())
        # Rounding errors give a constant column a tiny deviation.
        return cls(mean, deviation if deviation > 1e-9 * float(np.abs(values).max()) else 1.0)

    def apply(self, values: NDArray[np.float64]) -> NDArray[np.float32]:
        """Standardised values."""
        with np.errstate(over="ignore"):
            return self.apply64(values).astype(np.float32)

    def apply64(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Standardised values in double precision; infinite where they overflow."""
        with np.errstate(over="ignore"):
            return (values - self.mean) / self.deviation

    def undo(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """The values before they were standardised."""
        return values.astype(np.float64) * self.deviation + self.mean


@dataclass(frozen=True)
class Number:
    """Encodes a numeric column as one or two dense features: its value, and a flag for missing values."""

    scale: Scale
    bounded: bool = True
    """True if values are bent smoothly into ±`BOUND`, so that an outlier does not dominate a prediction."""
    flagged: bool = False
    """True if a second feature is 1 where the value is missing. The first feature is then 0."""

    @classmethod
    def fitted(cls, values: NDArray[np.float64]) -> "Number":
        """Fits the scale to the training part's values `[N]`, NaN where one is missing.

        The scale is the spread of the middle half of the values, which heavy tails do not move. It and the smooth bound
        are from Holzmüller, Grinsztajn, Steinwart 2024, "Better by Default: Strong Pre-Tuned MLPs and Boosted Trees on
        Tabular Data".
        """
        present = values[~np.isnan(values)]
        flagged = 0 < len(present) < len(values)
        scale = Scale.fitted(present)
        if len(present):
            low, median, high = map(float, np.quantile(present, [0.25, 0.5, 0.75]))
            # If half of the values are the same, the middle half has no spread: the standard deviation is used.
            spread = (high - low) / NORMAL_QUARTILES
            scale = Scale(median, spread if spread > 1e-9 * float(np.abs(present).max()) else scale.deviation)
        return cls(scale, flagged=flagged)

    @property
    def width(self) -> int:
        """Number of dense features."""
        return 2 if self.flagged else 1

    def apply(self, values: NDArray[np.float64]) -> NDArray[np.float32]:
        """Features `[N, width]` of values `[N]`. They are always finite."""
        missing = np.isnan(values)
        with np.errstate(over="ignore"):
            scaled = self.scale.apply64(values)
            if self.bounded:
                scaled = scaled / np.hypot(1, scaled / BOUND)
            features = [np.nan_to_num(scaled, nan=0.0).astype(np.float32)]
        if self.flagged:
            features.append(missing.astype(np.float32))
        return np.stack(features, axis=1)


@dataclass(frozen=True)
class Encoder:
    """Vocabularies and scales of the columns, fitted on the training part."""

    columns: Columns
    words: tuple[str, ...]
    words_per_row: int
    categories: tuple[tuple[str | None, ...], ...]
    """For each categorical column, then each part of a date, the values that have a token; None is "missing"."""
    numbers: tuple[Number, ...]
    """The encoding of each numeric column."""
    target_scales: tuple[Scale, ...]

    @classmethod
    def fit(cls, train: pd.DataFrame, columns: Columns) -> "Encoder":
        """Fits vocabularies and scales to the raw rows of the training part."""
        texts = _texts(train, columns.text)
        return cls(
            columns=columns,
            words=tuple(_frequent(Counter(chain.from_iterable(texts)).items())),
            words_per_row=max(1, max(map(len, texts))) if texts else 0,
            categories=tuple(map(_categories, _categorical(train, columns))),
            numbers=tuple(Number.fitted(numbers(train[name])) for name in columns.numeric),
            target_scales=tuple(
                Scale.fitted(transformed(numbers(train[target.name]), target.transform)) for target in columns.targets
            ),
        )

    @property
    def inputs(self) -> Inputs:
        """The sizes of the arrays that `encode` returns."""
        return Inputs(
            vocabulary=_FIRST_FREE + len(self.words) + sum(map(len, self.categories)),
            length=len(self.categories) + self.words_per_row,
            dense=sum(number.width for number in self.numbers) + 2 * len(self.columns.date_parts),
            targets=len(self.columns.targets),
            categorical=len(self.categories),
        )

    def encode(self, frame: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Tokens `[N, L]` and dense numbers `[N, D]` of N raw rows, which may lack the targets.

        Raises UserError if a feature's column is missing.
        """
        if lines := missing_columns(self.columns.features, list(map(str, frame.columns)), "the frame"):
            raise UserError(lines)
        # Tokens: categories and parts of dates, then words.
        tokens = np.full((len(frame), self.inputs.length), PADDING, dtype=np.int64)
        first = _FIRST_FREE + len(self.words)
        categorical = _categorical(frame, self.columns)
        for position, (series, values) in enumerate(zip(categorical, self.categories, strict=True)):
            codes, labels = labels_of(series)
            ids = _lookup(labels, values, first)
            tokens[:, position] = ids[codes]
            first += len(values)
        if self.words_per_row:
            self._put_words(tokens[:, len(self.categories) :], _texts(frame, self.columns.text))
        if tokens.shape[1]:
            tokens[(tokens == PADDING).all(axis=1), 0] = UNKNOWN
        # Dense numbers: numeric columns, then parts of dates.
        features = [
            number.apply(numbers(frame[name])) for name, number in zip(self.columns.numeric, self.numbers, strict=True)
        ]
        parts = categorical[len(self.columns.categorical) :]
        for series, (_, part) in zip(parts, self.columns.date_parts, strict=True):
            features.append(date_parts.on_circle(series, part))
        empty = np.zeros((len(frame), 0), dtype=np.float32)
        return tokens, np.concatenate([empty, *features], axis=1)

    def _put_words(self, tokens: NDArray[np.int64], texts: list[list[str]]) -> None:
        texts = [words[: self.words_per_row] for words in texts]
        lengths = np.array([len(words) for words in texts], dtype=np.int64)
        codes, words = pd.factorize(np.array([*chain.from_iterable(texts)], dtype=object))
        ids = _lookup(words.tolist(), self.words, _FIRST_FREE)
        # The codes are in the order in which a mask is filled: row by row, left to right.
        tokens[np.arange(tokens.shape[1]) < lengths[:, None]] = ids[codes]

    def targets(self, frame: pd.DataFrame) -> NDArray[np.float32]:
        """Targets `[N, T]`, transformed and standardised; NaN where one is missing.

        Raises UserError if a target's column is missing.
        """
        if lines := missing_columns(self.target_names, list(map(str, frame.columns)), "the frame"):
            raise UserError(lines)
        standardised = [
            scale.apply(transformed(numbers(frame[target.name]), target.transform))
            for target, scale in zip(self.columns.targets, self.target_scales, strict=True)
        ]
        return np.stack(standardised, axis=1)

    @property
    def target_names(self) -> tuple[str, ...]:
        """Names of the targets, in the order of the axis T."""
        return tuple(target.name for target in self.columns.targets)

    def original_units(self, predictions: NDArray[Any]) -> pd.DataFrame:
        """Standardised predictions `[N, T]` in the units of the targets, a column for each target.

        For a transformed target they are nearer to the median of the target than to its mean.
        """
        columns = {}
        for position, (target, scale) in enumerate(zip(self.columns.targets, self.target_scales, strict=True)):
            columns[target.name] = _untransformed(scale.undo(predictions[:, position]), target.transform)
        return pd.DataFrame(columns)

    def to_json(self) -> dict[str, Any]:
        """The encoder as plain JSON types, for `from_json`."""
        columns = asdict(self.columns)
        if not self.columns.date_parts:  # keeps the JSON of models without parts of dates as it was
            del columns["date_parts"]
        # No asdict for the whole: it would copy vocabularies word by word, once for every model.
        return {
            "columns": columns,
            "words": list(self.words),
            "words_per_row": self.words_per_row,
            "categories": list(map(list, self.categories)),
            "numbers": list(map(asdict, self.numbers)),
            "target_scales": list(map(asdict, self.target_scales)),
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Encoder":
        """The encoder that `to_json` wrote. Raises KeyError, TypeError or ValueError if `content` is no encoder."""
        columns = content["columns"]
        return cls(
            columns=Columns(
                targets=tuple(Target(**target) for target in columns["targets"]),
                **{kind: tuple(columns[kind]) for kind in ("text", "categorical", "numeric")},
                date_parts=tuple((name, part) for name, part in columns.get("date_parts", ())),
            ),
            words=tuple(content["words"]),
            words_per_row=content["words_per_row"],
            categories=tuple(map(tuple, content["categories"])),
            numbers=tuple(_numbers(content)),
            target_scales=tuple(Scale(**scale) for scale in content["target_scales"]),
        )


def _numbers(content: dict[str, Any]) -> Iterator[Number]:
    """The encodings of numeric columns. Old models have `numeric_scales` in place of `numbers`."""
    for scale in content.get("numeric_scales", ()):
        yield Number(Scale(**scale), bounded=False)
    for number in content.get("numbers", ()):
        yield Number(Scale(**number["scale"]), number["bounded"], number["flagged"])


def transformed(values: NDArray[np.float64], transform: Transform | None) -> NDArray[np.float64]:
    """The transformed values; NaN or infinite where the transform is undefined."""
    if transform is None:
        return values
    with np.errstate(divide="ignore", invalid="ignore"):
        return {"log": np.log, "log1p": np.log1p, "asinh": np.arcsinh}[transform](values)


def _untransformed(values: NDArray[np.float64], transform: Transform | None) -> NDArray[np.float64]:
    if transform is None:
        return values
    with np.errstate(over="ignore"):
        return {"log": np.exp, "log1p": np.expm1, "asinh": np.sinh}[transform](values)


def _frequent(counts: Iterable[tuple[Any, int]]) -> list[Any]:
    """The values that occur often enough, most frequent first. The value itself decides a tie."""
    frequent = [(value, count) for value, count in counts if count >= SEEN_AT_LEAST]
    frequent.sort(key=lambda pair: (-pair[1], pair[0] is None, pair[0] or ""))
    return [value for value, _ in frequent[:VOCABULARY_AT_MOST]]


def labels_of(series: "pd.Series[Any]") -> tuple[NDArray[np.int64], list[str | None]]:
    """For each row the index of its label, and the labels: the distinct values as strings, then None for "missing".

    A missing value has the index -1, and so the last label.
    """
    if series.dtype == object:  # False and 0 are equal in Python, and so to factorize
        series = series.map(_label, na_action="ignore")
    codes, uniques = pd.factorize(series)
    return codes, [*map(_label, uniques.tolist()), None]


def _label(value: Any) -> str:
    # pandas turns whole numbers into floats if a value is missing: 5 and 5.0 are the same category.
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _categorical(frame: pd.DataFrame, columns: Columns) -> "list[pd.Series[Any]]":
    """The values with one token per row: the categorical columns, then the parts of dates."""
    parts = (date_parts.values_of(frame[name], part) for name, part in columns.date_parts)
    return [*(frame[name] for name in columns.categorical), *parts]


def _categories(series: "pd.Series[Any]") -> tuple[str | None, ...]:
    codes, labels = labels_of(series)
    counts: Counter[str | None] = Counter()
    # The remainder makes the last index of -1.
    for label, count in zip(labels, np.bincount(codes % len(labels), minlength=len(labels)), strict=True):
        counts[label] += int(count)
    return tuple(_frequent(counts.items()))


def _lookup(values: Iterable[str | None], vocabulary: tuple[str | None, ...], first: int) -> NDArray[np.int64]:
    """The token of each value: `first` for the first value of the vocabulary, UNKNOWN for a value outside it."""
    ids = {value: first + position for position, value in enumerate(vocabulary)}
    return np.array([ids.get(value, UNKNOWN) for value in values], dtype=np.int64)


def _texts(frame: pd.DataFrame, columns: tuple[str, ...]) -> list[list[str]]:
    """The words of each row's text columns, in lower case, column by column. Empty without such columns."""
    if not columns:
        return []
    as_strings = []
    for name in columns:
        codes, labels = labels_of(frame[name])
        texts = [label or "" for label in labels]
        as_strings.append([texts[code] for code in codes])
    return [WORD.findall(" ".join(row).lower())[:WORDS_PER_ROW] for row in zip(*as_strings, strict=True)]
