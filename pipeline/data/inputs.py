"""The sizes of what an architecture reads, and the token ids that mean something by themselves."""

from dataclasses import dataclass

PADDING = 0
UNKNOWN = 1


@dataclass(frozen=True)
class Inputs:
    """The sizes from which an architecture builds its layers.

    Token ids are 0 … `vocabulary` − 1, of which 0 is padding and 1 is unknown; `length` tokens and `dense`
    numbers per row (either may be 0); `targets` numbers to predict. The first `categorical` tokens are a column each,
    the others are words.
    """

    vocabulary: int
    length: int
    dense: int
    targets: int
    categorical: int = 0
