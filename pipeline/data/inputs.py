"""The sizes of an architecture's inputs, and the token ids with a fixed meaning."""

from dataclasses import dataclass

PADDING = 0
UNKNOWN = 1


@dataclass(frozen=True)
class Inputs:
    """The sizes from which an architecture builds its layers.

    Token ids are 0 … `vocabulary` − 1; 0 is padding and 1 is unknown. A row has `length` tokens, `dense` numbers (both
    may be 0) and `targets` numbers to predict.
    """

    vocabulary: int
    length: int
    dense: int
    targets: int
    categorical: int = 0
    """Number of categorical columns. Their tokens come first in a row, one each; the others are words. Old models have
    0, and their architectures do not read it."""

    @property
    def words(self) -> int:
        """Number of tokens in a row that are words, including padding."""
        return self.length - self.categorical
