"""Encoded data as an architecture takes them: arrays, and the sizes that its layers need.

Reading files is `load.py`'s work, fitting vocabularies `encoder.py`'s; nothing here imports torch.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.data.encoder import Encoder
from pipeline.data.inputs import Inputs


@dataclass(frozen=True)
class Part:
    """The training, validation or test part: N rows."""

    tokens: NDArray[np.int64]
    """`[N, L]`, 0 = padding."""
    dense: NDArray[np.float32]
    """`[N, D]`, standardised with the scaler of the training part."""
    targets: NDArray[np.float32]
    """`[N, T]`, transformed, then standardised with the scaler of the training part."""

    def __len__(self) -> int:
        return len(self.targets)

    def thinned(self, at_most: int) -> "Part":
        """At most so many of the rows, spread evenly."""
        if len(self) <= at_most:
            return self
        kept = np.arange(at_most) * len(self) // at_most
        return Part(self.tokens[kept], self.dense[kept], self.targets[kept])


@dataclass(frozen=True)
class Dataset:
    """One date range of one source, encoded; vocabularies and scalers have seen the training part alone."""

    inputs: Inputs
    train: Part
    valid: Part
    test: Part
    target_names: tuple[str, ...]
    encoder: Encoder
    fingerprint: str
    """Short hash of the rows read, whatever became of them; the column `data_fingerprint`."""
    notes: tuple[str, ...] = ()
    """Lines for the log: rows read, rows dropped and why, values that did not parse."""
    test_days: NDArray[np.datetime64] | None = None
    """`[N]`, the day of each test row; None where nobody needs it."""

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        parts = (self.train, self.valid, self.test)
        return sum(part.tokens.nbytes + part.dense.nbytes + part.targets.nbytes for part in parts)
