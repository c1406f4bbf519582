"""Encoded data in the form that an architecture reads: arrays, and the sizes that its layers need.

`load.py` reads the files and `encoder.py` fits the vocabularies.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.data.encoder import Encoder
from pipeline.data.inputs import Inputs


@dataclass(frozen=True)
class Part:
    """The training, validation or test part of a dataset: N rows."""

    tokens: NDArray[np.int64]
    """`[N, L]`, 0 = padding."""
    dense: NDArray[np.float32]
    """`[N, D]`, standardised with the scaler of the training part."""
    targets: NDArray[np.float32]
    """`[N, T]`, transformed, then standardised with the scaler of the training part."""

    def __len__(self) -> int:
        return len(self.targets)

    def thinned(self, at_most: int) -> "Part":
        """The part with at most `at_most` of its rows, evenly spaced."""
        if len(self) <= at_most:
            return self
        places = np.arange(at_most) * len(self) // at_most
        return Part(self.tokens[places], self.dense[places], self.targets[places])


@dataclass(frozen=True)
class Dataset:
    """The rows of a date range, encoded. Vocabularies and scalers are fitted on the training part alone."""

    inputs: Inputs
    train: Part
    valid: Part
    test: Part
    target_names: tuple[str, ...]
    encoder: Encoder
    fingerprint: str
    """Short hash of the rows before encoding: the column `data_fingerprint`."""
    notes: tuple[str, ...] = ()
    """Lines for the log: rows read, rows dropped and why, values that did not parse."""
    test_days: NDArray[np.datetime64] | None = None
    """`[N]`, the day of each test row; None if it is not needed."""

    @property
    def nbytes(self) -> int:
        """Size of the arrays in bytes."""
        parts = (self.train, self.valid, self.test)
        return sum(part.tokens.nbytes + part.dense.nbytes + part.targets.nbytes for part in parts)
