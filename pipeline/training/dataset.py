"""What a data source hands to an architecture: encoded arrays, and what is needed to build layers for them.

Reading files and fitting vocabularies is `data.py`'s work; nothing here imports torch.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pipeline.training.encoder import Encoder

PADDING = 0
UNKNOWN = 1


@dataclass(frozen=True)
class Inputs:
    """The sizes from which an architecture builds its layers.

    Token ids are 0 … `vocabulary` − 1, of which 0 is padding and 1 is unknown; `length` tokens and `dense`
    numbers per row (either may be 0); `targets` numbers to predict.
    """

    vocabulary: int
    length: int
    dense: int
    targets: int


@dataclass(frozen=True)
class Part:
    """One of train, validation and test: N rows."""

    tokens: NDArray[np.int64]
    """`[N, L]`, 0 = padding."""
    dense: NDArray[np.float32]
    """`[N, D]`, standardised with the scaler of the training part."""
    targets: NDArray[np.float32]
    """`[N, T]`, transformed, then standardised with the scaler of the training part."""

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True)
class Dataset:
    """One date range of one source, encoded; vocabularies and scalers have seen the training part alone."""

    inputs: Inputs
    train: Part
    valid: Part
    test: Part
    target_names: tuple[str, ...]
    encoder: "Encoder"
    fingerprint: str
    """Short hash of the rows read and of how they were encoded."""
    notes: tuple[str, ...] = ()
    """Lines for the log: rows read, rows dropped and why, values that did not parse."""

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        parts = (self.train, self.valid, self.test)
        return sum(part.tokens.nbytes + part.dense.nbytes + part.targets.nbytes for part in parts)
